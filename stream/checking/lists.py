"""I2 of the lists, on request: every user ranked anew with what items and associations say now.

Lists depend on what the shop was when they were ranked. They are comparable at rest, after `refresh --all`, with the
encoders that the workers use.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from encoders.device import EncoderThread
from graph.ranking.lists import NextVisit, UserLists
from stream.checking.findings import Findings, Invariant
from stream.checking.popular import check_popular
from stream.checking.published import ForYouList, LastList, NextVisitLists, PublishedLists, for_you_list
from stream.checking.topics import Topics
from stream.encoding import Encoders
from stream.for_you.watch import load_for_you
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.ranker_file import load_weights
from stream.recommendations import MicroTopic
from stream.refresher import Refresher
from stream.settings import Settings
from stream.users import CachedUser

_USERS_AT_ONCE = 500
_SCORE_TOLERANCE = 2e-6
"""Scores are published with six digits; what differs by less than two of the last may change places."""


class ListCheck:
    """Ranks users as a worker would that has read both compacted topics to their ends.

    Raises stream.ranker_file.RankerFileError.
    """

    def __init__(self, settings: Settings, encoders: Encoders) -> None:
        self._settings = settings
        self._knowledge = Knowledge(encoders.user, settings.graph)
        self._knowledge.weights = load_weights(settings.graph)
        self._knowledge.for_you = load_for_you(settings.for_you)
        self._thread = EncoderThread(settings.encoder.cpu_threads)
        self._refresher = Refresher(self._knowledge, self._thread, settings.graph, Metrics())

    async def close(self) -> None:
        """End the encoder's thread."""
        await self._thread.close()

    def read(self, topics: Topics, step: Callable[[], None]) -> None:
        """Read items, their vectors, and associations."""
        names = self._settings.topics
        for topic, take in (
            (names.items, self._knowledge.on_items),
            (names.associations, self._knowledge.on_associations),
        ):
            for partition, span in topics.spans(topic).items():
                for record in topics.records(topic, partition, span.first, span.end):
                    step()
                    take([record])

    async def check_popular(self, topics: Topics, settle_seconds: float, findings: Findings) -> None:
        """Compare the popular lists of the shop and of its categories; see :func:`check_popular`."""
        await check_popular(topics, self._settings, self._knowledge, settle_seconds, findings)

    async def check(self, users: Mapping[str, CachedUser], published: PublishedLists, findings: Findings) -> None:
        """Rank recomputed users, and compare with their last lists."""
        known = [user for user_id, user in sorted(users.items()) if user.state.events and user_id in published.last]
        for start in range(0, len(known), _USERS_AT_ONCE):
            for refreshed in await self._refresher.refresh(known[start : start + _USERS_AT_ONCE], 0):
                findings.checked[Invariant.GRAPH] += 1
                last = published.last[refreshed.user.user_id]
                if last.ranker is not None and last.ranker != refreshed.ranker:
                    where = f"user {refreshed.user.user_id}: last list {last.place}"
                    findings.differ(Invariant.GRAPH, where, "another ranker made it", refreshed.ranker, last.ranker)
                    continue
                differences = chain(
                    ranked_differences(refreshed.lists, last),
                    for_you_differences(for_you_list(refreshed.for_you), last.for_you),
                    topic_differences(refreshed.micro_topics, last),
                )
                for what, expected, found in differences:
                    where = f"user {refreshed.user.user_id}: last list {last.place}"
                    findings.differ(Invariant.GRAPH, where, what, expected, found)


def ranked_differences(ranked: UserLists, last: LastList) -> Iterator[tuple[str, str, str]]:
    """Yield (what, expected, found) where a published list is not the ranked one; near ties may change places."""
    yield from _list_differences("", ranked, last)
    one, other = ranked.next_visit, last.next_visit
    if one is None or other is None:
        if one is not None or other is not None:
            there = ["none" if visit is None else "some" for visit in (one, other)]
            yield "lists for the next visit", there[0], there[1]
    elif one.ranker != other.ranker:
        yield "next_visit: another ranker made it", one.ranker, other.ranker
    else:
        yield from _list_differences("next_visit: ", one, other)


def _list_differences(
    name: str, ranked: UserLists | NextVisit, last: LastList | NextVisitLists
) -> Iterator[tuple[str, str, str]]:
    length = len(last.cross_sell)
    for what, listed, published, scores in (
        (
            f"{name}crossSell",
            [(item.item_id, item.score) for item in ranked.cross_sell],
            last.cross_sell,
            last.scores[:length],
        ),
        (
            f"{name}upSell",
            [(item.item_id, item.score) for item in ranked.up_sell],
            last.up_sell,
            last.scores[length:],
        ),
    ):
        expected = tuple(item_id for item_id, _ in listed)
        if expected == published:
            continue
        if not _near(listed, list(zip(published, scores, strict=True))):
            yield f"{what} is not what ranking gives", ", ".join(expected), ", ".join(published)


def _near(ranked: Sequence[tuple[str, float]], published: Sequence[tuple[str, float]]) -> bool:
    """Say whether both hold the same items with the same scores, and only those that score the same changed places."""
    scores = dict(published)
    return scores.keys() == dict(ranked).keys() and all(
        abs(score - scores[item_id]) <= _SCORE_TOLERANCE and abs(score - other) <= _SCORE_TOLERANCE
        for (item_id, score), (_, other) in zip(ranked, published, strict=True)
    )


def for_you_differences(ranked: ForYouList | None, last: ForYouList | None) -> Iterator[tuple[str, str, str]]:
    """Yield (what, expected, found) where a published for-you list is not the ranked one.

    Near ties may change places.
    """
    one, other = ("none" if made is None else made.ranker for made in (ranked, last))
    if one != other:
        yield "for_you: another model made it", one, other
    if ranked is None or last is None or one != other or ranked.items == last.items:
        return
    if not _near(*(list(zip(made.items, made.scores, strict=True)) for made in (ranked, last))):
        yield "for_you is not what ranking gives", ", ".join(ranked.items), ", ".join(last.items)


def topic_differences(topics: Sequence[MicroTopic], last: LastList) -> Iterator[tuple[str, str, str]]:
    """Yield (what, expected, found) where the published micro-topics are not these, by name and share."""
    expected = tuple((topic.name, topic.share) for topic in topics)
    if expected != last.micro_topics:
        yield "micro_topics are not what the history gives", _in_words(expected), _in_words(last.micro_topics)


def _in_words(topics: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {share:g}" for name, share in topics)
