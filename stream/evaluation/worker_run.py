"""The worker's own code as a recommender: events one by one through all agents, lists as they were published.

A test is an interaction of a user who has a published list; the list is the one that a subscriber would have held at
that moment. Then the interaction is processed, as in a running worker. Nothing here ranks: :class:`Pipeline` does.
"""

import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from stream.evaluation.interactions import Catalogue, IntArray
from stream.evaluation.list_rules import broken_rules
from stream.evaluation.protocols.prequential import AT_ONCE, DELAYS_MS
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_asked import ask_after_one_purchase
from stream.evaluation.worker_lists import LENGTH, LISTS, PublishedLists, heard_of, listed_of, split_by_occasion
from stream.evaluation.worker_told import (
    Clock,
    event_message,
    opened_worker,
    shift_of,
    tell,
    tell_catalogue,
    worker_categories,
)
from stream.pipeline import Pipeline
from stream.recommendations import RULED_LIST_IDS, Recommendation, decode
from stream.settings import Settings

TEST_SHARE = 0.2

_BEFORE_THE_TESTS = -(2**62)
"""What was processed before the tests was processed at once: the lists of then count as old enough for any delay."""


async def run_worker(
    raw: RawEvents,
    catalogue: Catalogue,
    base: Settings,
    most: int,
    step: Callable[[], None],
    asked: IntArray | None = None,
) -> PublishedLists:
    """Process the last ``most`` interactions; the last fifth of them one by one, as tests.

    raw: of kinds that the worker knows, as :func:`known_to_worker` names them. asked: (Q,) item codes; at the end it is
    asked for the cross-sell list of a user who bought just that item. step: called once per test interaction and item
    asked. Raises encoders.base.EncoderError.
    """
    async with opened_worker(base) as (pipeline, clock):
        found = await _run(pipeline, clock, raw, catalogue, most, step)
        if asked is not None:
            found.asked = await ask_after_one_purchase(pipeline, catalogue, asked, clock.now, step)
        return found


def stretch_of(raw: RawEvents, most: int) -> tuple[range, int]:
    """Return the places of the last ``most`` interactions, and the first one that is a test."""
    places = range(max(0, len(raw) - most), len(raw))
    return places, places[-round(TEST_SHARE * len(places)) :][0] if len(places) > 1 / TEST_SHARE else places.stop


async def _run(
    pipeline: Pipeline, clock: Clock, raw: RawEvents, catalogue: Catalogue, most: int, step: Callable[[], None]
) -> PublishedLists:
    places, tested_from = stretch_of(raw, most)
    topics, rules = pipeline.settings.topics, pipeline.settings.graph.lists
    shift = shift_of(raw)
    clock.now = int(raw.times[places[0]]) + shift
    await tell_catalogue(pipeline, catalogue)
    await tell(pipeline, clock, raw, places[: tested_from - places.start])
    reader = _Published(pipeline, topics.recommendations)
    bought: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for place in places[: tested_from - places.start]:
        if raw.kinds[place] == "purchase":
            bought[raw.users[place]][raw.items[place]] = int(raw.times[place]) + shift
    names = RULED_LIST_IDS if pipeline.settings.graph.next_visit.enabled else LISTS
    rows: dict[str, dict[str, list[list[int]]]] = {delay: {name: [] for name in names} for delay in DELAYS_MS}
    targets: list[int] = []
    tested: list[int] = []
    milliseconds: list[float] = []
    broken: Counter[str] = Counter()
    reader.read(_BEFORE_THE_TESTS)
    for place in range(tested_from, places.stop):
        step()
        user, item, at = raw.users[place], raw.items[place], int(raw.times[place]) + shift
        if reader.in_force(user, at) is not None:
            tested.append(place)
            targets.append(catalogue.codes[item])
            for delay, late in DELAYS_MS.items():
                published = reader.in_force(user, at - late)
                listed = listed_of(published, catalogue) if published else {}
                for name in names:
                    rows[delay][name].append(listed.get(name, [-1] * LENGTH))
        clock.now = at
        pipeline.log.append(topics.interactions, None, event_message(raw, place, shift))
        begun = time.perf_counter()
        await pipeline.drain()
        milliseconds.append(1000 * (time.perf_counter() - begun))
        if raw.kinds[place] == "purchase":
            bought[user][item] = at
        for fresh in reader.read(at):
            of = pipeline.knowledge.items.category_of
            broken.update(broken_rules(fresh, of, bought[fresh.user_id], rules, at))
    lists = {
        delay: split_by_occasion({name: np.array(part, np.int64).reshape(-1, LENGTH) for name, part in parts.items()})
        for delay, parts in rows.items()
    }
    of_step, of_visit = lists.pop(AT_ONCE)
    return PublishedLists(
        lists=of_step,
        next_visit=of_visit,
        targets=np.array(targets, np.int64),
        places=np.array(tested, np.int64),
        processed_from=places.start,
        tested_from=tested_from,
        categories=worker_categories(pipeline, catalogue),
        heard=heard_of(raw.items[places.start :], catalogue),
        late={delay: parts[0] for delay, parts in lists.items()},
        next_visit_late={delay: parts[1] for delay, parts in lists.items()},
        milliseconds=milliseconds,
        broken=broken,
    )


class _Published:
    def __init__(self, pipeline: Pipeline, topic: str) -> None:
        self._records = pipeline.log.topics[topic]
        self._read = [0] * len(self._records)
        self._times: defaultdict[str, list[int]] = defaultdict(list)
        self._lists: defaultdict[str, list[Recommendation]] = defaultdict(list)

    def read(self, at: int) -> list[Recommendation]:
        """Return what was published since the last call, at the time ``at`` (ms), and keep it."""
        fresh = []
        for partition, records in enumerate(self._records):
            for record in records[self._read[partition] :]:
                if record.value:
                    published = decode(record.value)
                    self._times[published.user_id].append(at)
                    self._lists[published.user_id].append(published)
                    fresh.append(published)
            self._read[partition] = len(records)
        return fresh

    def in_force(self, user: str, at: int) -> Recommendation | None:
        """Return the last of the user's lists that were published by then."""
        known = bisect_right(self._times[user], at)
        return self._lists[user][known - 1] if known else None
