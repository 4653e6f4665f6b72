"""Judges a cycle at its end: what was lost, what was doubled, and whatever else is not as it should be."""

import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.settings import Settings
from tests.faults.controls.events import decode
from tests.faults.grounds import PARTITIONS, Grounds, Lag, run_json
from tests.faults.log import Feed
from tests.faults.picture import Picture, take_picture
from tests.integration.shop import Shop, answers
from tests.integration.workers import environment, read_all

_MOST_DIFFERENCES = 20


@dataclass
class Verdict:
    """What was found. ``differences`` says it in words; a product's cycle passes when there are none."""

    events: int = 0
    lost: int = 0
    doubled: int = 0
    good_dead: int = 0
    bad_missing: int = 0
    checked: str = ""
    differences: list[str] = field(default_factory=list)

    def say(self, difference: str) -> None:
        """Note a difference; of very many the first are enough."""
        if len(self.differences) < _MOST_DIFFERENCES:
            self.differences.append(difference)


def what_counts(feed: Feed) -> Shop:
    """Return the shop with exactly the events that its log has, decoded without the product."""
    messages = [message for _, message in sorted(feed.places.items())]
    good = [event for message in messages if message.malformed is None for event in decode(message.value)]
    return Shop(feed.shop.rows, messages, good)


def judge_product(lag: Lag, feed: Feed, erased: Sequence[str] = ()) -> Verdict:
    """Compare graph, dead letters and lists with a recomputation of the log. Everything must be at rest.

    Of ``erased`` users nothing must be left.
    """
    verdict, settings = Verdict(), lag.settings
    shop = what_counts(feed)
    shop.good[:] = [event for event in shop.good if event["user_id"] not in set(erased)]
    _judge_lists(_picture(lag, verdict), "as the storm left them", verdict)
    _refresh(settings, verdict)
    picture = _picture(lag, verdict)
    _judge_lists(picture, "after a refresh", verdict)
    _judge_users(picture, shop, verdict)
    _judge_erased(lag, picture, erased, verdict)
    _judge_letters(settings, feed, verdict)
    _check(settings, verdict)
    return verdict


def _refresh(settings: Settings, verdict: Verdict) -> None:
    code, said = run_json([sys.executable, "-m", "stream", "refresh", "--all", "--json"], environment(settings), 180)
    if code != 0:
        verdict.say(f"refresh --all ended with {code}: {said}")


def _picture(lag: Lag, verdict: Verdict) -> Picture:
    picture, steady = take_picture(lag)
    if not steady:
        verdict.say("graph and lists never stood still long enough to be read together")
    return picture


def _judge_lists(picture: Picture, when: str, verdict: Verdict) -> None:
    """A list that a zombie sent late would be the last record until the next event: a refresh would hide it."""
    for user_id in picture.unlike():
        verdict.say(f"lists {when}: the last one of user {user_id} is not the graph's")
    for user_id, (version, *_) in sorted(picture.latest.items()):
        if version != (highest := picture.highest[user_id]):
            verdict.say(f"lists {when}: the last one of user {user_id} has version {version}, an earlier one {highest}")


def _judge_users(picture: Picture, shop: Shop, verdict: Verdict) -> None:
    wanted = answers(shop)
    for user_id in sorted(picture.users.keys() - wanted.keys()):
        verdict.say(f"user {user_id} is in the graph and not in the log")
    for user_id, answer in sorted(wanted.items()):
        verdict.events += answer.events
        view = picture.users.get(user_id)
        if view is None:
            verdict.lost += answer.events
            verdict.say(f"user {user_id} is missing")
            continue
        verdict.lost += max(0, answer.events - view.events)
        verdict.doubled += max(0, view.events - answer.events)
        if view.events != answer.events:
            verdict.say(f"user {user_id}: {view.events} events, wanted {answer.events}")
        edges = {interest.category: interest for interest in view.interests}
        if edges.keys() != answer.parts.keys():
            verdict.say(f"user {user_id}: interests {sorted(edges.keys() ^ answer.parts.keys())} differ")
        for category in sorted(edges.keys() & answer.parts.keys()):
            edge = edges[category]
            counts = answer.views[category], answer.purchases[category]
            if (edge.views, edge.purchases) != counts:
                verdict.say(f"user {user_id}, {category}: {(edge.views, edge.purchases)}, wanted {counts}")
            if not math.isclose(edge.weight, answer.weight(category, edge.updated_at), rel_tol=1e-9):
                verdict.say(f"user {user_id}, {category}: weight {edge.weight}")


_TRACES = """
MATCH (node) WHERE any(key IN keys(node) WHERE toStringOrNull(node[key]) IN $ids)
RETURN DISTINCT labels(node)[0], properties(node).userId
"""


def _judge_erased(lag: Lag, picture: Picture, erased: Sequence[str], verdict: Verdict) -> None:
    """Nothing of them may be in the graph, in whatever property; their last record is empty."""
    if not erased:
        return
    with lag.grounds.driver() as driver:
        rows, _, _ = driver.execute_query(_TRACES, ids=list(erased))
    for label, user_id in rows:
        verdict.say(f"user {user_id} is erased, and has a {label}")
    for user_id in sorted(set(erased) & picture.latest.keys()):
        verdict.say(f"user {user_id} is erased, and has a list")
    for user_id in sorted(set(erased) - picture.gone):
        verdict.say(f"user {user_id} is erased, and no empty record says so")


def _judge_letters(settings: Settings, feed: Feed, verdict: Verdict) -> None:
    dead: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for _, _, headers, _ in read_all(settings, settings.topics.dead_letters):
        place = int(headers["dlq.errors.partition"]), int(headers["dlq.errors.offset"])
        dead[place].add(headers["dlq.errors.reason"].decode())
    wanted: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for (partition, offset), message in feed.places.items():
        if message.malformed:
            wanted[partition % PARTITIONS, offset].add(message.malformed)
    verdict.good_dead = len(dead.keys() - wanted.keys())
    verdict.bad_missing = len(wanted.keys() - dead.keys())
    if verdict.good_dead or verdict.bad_missing:
        verdict.say(f"dead letters: {verdict.good_dead} good events, {verdict.bad_missing} bad ones missing")
    for place in sorted(wanted.keys() & dead.keys()):
        if wanted[place] != dead[place]:
            verdict.say(f"dead letter {place}: {dead[place]}, wanted {wanted[place]}")


def _check(settings: Settings, verdict: Verdict) -> None:
    """Ask the product's own checker too, in a process of its own."""
    code, said = run_json([sys.executable, "-m", "stream", "check", "--lists", "--json"], environment(settings), 280)
    if "No such command" in str(said):
        verdict.checked = "not there"
        return
    verdict.checked = f"exit {code}"
    if code != 0:
        verdict.say(f"interestream check ended with {code}: {json.dumps(said)[:1500]}")


def judge_control(grounds: Grounds, settings: Settings, feed: Feed) -> Verdict:
    """Count what a control lost and doubled: per user, item and kind, each *delivered copy* of an event counts once.

    The producer's own duplicates are not held against a control, and whatever it made of bad input is left aside.
    """
    verdict = Verdict()
    wanted: Counter[tuple[str, str, str]] = Counter(
        (event["user_id"], event["item_id"], event["kind"]) for event in what_counts(feed).good
    )
    with grounds.driver() as driver:
        rows, _, _ = driver.execute_query(
            "MATCH (u:User)-[t:TOUCHED]->(i:Item) RETURN u.userId, i.itemId, t.kind, t.count"
        )
    found: Counter[tuple[str, str, str]] = Counter()
    for user, item, kind, count in rows:  # two scripts that merge the same user at once may make two of them
        found[user, item, kind] += count
    verdict.events = wanted.total()
    for cell, count in wanted.items():
        verdict.lost += max(0, count - found[cell])
        verdict.doubled += max(0, found[cell] - count)
    bad = {message.value for message in feed.places.values() if message.malformed}
    letters = read_all(settings, settings.topics.dead_letters)
    verdict.good_dead = sum(1 for _, value, _, _ in letters if value not in bad)
    return verdict
