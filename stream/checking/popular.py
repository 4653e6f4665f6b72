"""I2 of the popular lists, on request: each context's last record is what items and associations give now."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from graph.ranking.popular import popular_lists, popularities
from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record, Topics
from stream.knowledge import Knowledge
from stream.popular import TOLERANCE, Popular, PopularItem, decode_popular, popular_key
from stream.settings import Settings

_TIE = 2e-6
"""Popularity is published with six digits; what differs by less than two of the last may change places."""
_POLL_SECONDS = 0.5

Shelf = Sequence[PopularItem]
Popularity = Mapping[str, float]
Last = Mapping[str, Record]


async def check_popular(
    topics: Topics, settings: Settings, knowledge: Knowledge, settle_seconds: float, findings: Findings
) -> None:
    """Compare the popular topic with the lists that ``knowledge`` gives, which must be of a shop at rest.

    The owner of the first partition speaks for the shop, an interval after the others' associations:
    a difference counts when it is still there after that and ``settle_seconds``.
    """
    lists = settings.graph.lists
    made = popular_lists(knowledge.items, knowledge.associations, lists.size, lists.max_per_category)
    expected = {
        popular_key(context): [PopularItem(item.item_id, item.category, item.popularity) for item in shelf]
        for context, shelf in made.items()
        if shelf
    }
    popularity = popularities(knowledge.items, knowledge.associations)
    deadline = time.monotonic() + settings.worker.popular_seconds + settle_seconds
    while True:
        found = list(popular_differences(expected, popularity, _last_records(topics, settings.topics.popular)))
        if not found or time.monotonic() > deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    findings.checked[Invariant.GRAPH] += len(expected)
    for where, what, wanted, is_there in found:
        findings.differ(Invariant.GRAPH, where, what, wanted, is_there)


def popular_differences(
    expected: Mapping[str, Shelf], popularity: Popularity, last: Last
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (where, what, expected, found) for each key whose last record is not the expected list.

    popularity: of every item that may be listed, now.

    Floats are summed in the order in which records came, which no two processes share: items that are as popular as
    each other to the last digits may change places, and the last of them may be another one. Popularities may differ by
    what is not published anew.
    """
    for key in sorted(expected.keys() | last.keys()):
        wanted, record = expected.get(key, ()), last.get(key)
        where = f"popular list {key}"
        if record is None or not record.value:
            if wanted:
                yield where, "is not published", _ids(wanted), ""
            continue
        place = f"{where}: {record.topic}/{record.partition}@{record.offset}"
        try:
            read = decode_popular(record.value)
        except msgspec.DecodeError as error:
            yield place, f"is no popular list: {error}", "", ""
            continue
        if popular_key(read.context) != key:
            yield place, "its key is not its context", key, popular_key(read.context)
        if not _is_near(wanted, popularity, read):
            yield place, "is not what items and associations give", _ids(wanted), _ids(read.items)


def _is_near(wanted: Shelf, popularity: Popularity, read: Popular) -> bool:
    categories = {item.item_id: item.category for item in wanted}
    return len(wanted) == len(read.items) and all(
        abs(popularity.get(item.item_id, -1.0) - at_place.popularity) <= _TIE
        and abs(item.popularity - at_place.popularity) <= TOLERANCE + _TIE
        and item.category == categories.get(item.item_id, item.category)
        for at_place, item in zip(wanted, read.items, strict=True)
    )


def _ids(shelf: Shelf) -> str:
    return ", ".join(f"{item.item_id} {item.popularity}" for item in shelf)


def _last_records(topics: Topics, topic: str) -> dict[str, Record]:
    last: dict[str, Record] = {}
    for partition, span in topics.spans(topic).items():
        for record in topics.records(topic, partition, span.first, span.end):
            last[(record.key or b"").decode(errors="replace")] = record
    return last
