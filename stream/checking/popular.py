"""I2 of the popular lists, on request: each context's last record is what items and associations give now."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from graph.ranking.popular import popular_lists
from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record, Topics
from stream.knowledge import Knowledge
from stream.popular import Popular, PopularItem, decode_popular, popular_key
from stream.settings import Settings

_TOLERANCE = 2e-6
"""Popularity is published with six digits; what differs by less than two of the last may change places."""
_POLL_SECONDS = 0.5

Shelf = Sequence[PopularItem]
Last = Mapping[str, Record]


async def check_popular(
    topics: Topics, settings: Settings, knowledge: Knowledge, settle_seconds: float, findings: Findings
) -> None:
    """Compare the popular topic with the lists that ``knowledge`` gives, which must be of a shop at rest.

    The owner of the first partition speaks for the shop, an interval of the item flush after the others' associations:
    a difference counts when it is still there after that and ``settle_seconds``.
    """
    lists = settings.graph.lists
    made = popular_lists(knowledge.items, knowledge.associations, lists.size, lists.max_per_category)
    expected = {
        popular_key(context): [PopularItem(item.item_id, item.category, item.popularity) for item in shelf]
        for context, shelf in made.items()
        if shelf
    }
    deadline = time.monotonic() + settings.worker.item_flush_seconds + settle_seconds
    while True:
        found = list(popular_differences(expected, _last_records(topics, settings.topics.popular)))
        if not found or time.monotonic() > deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    findings.checked[Invariant.GRAPH] += len(expected)
    for where, what, wanted, is_there in found:
        findings.differ(Invariant.GRAPH, where, what, wanted, is_there)


def popular_differences(expected: Mapping[str, Shelf], last: Last) -> Iterator[tuple[str, str, str, str]]:
    """Yield (where, what, expected, found) for each key whose last record is not the expected list.

    Floats are summed in the order in which records came, which no two processes share: items that are as popular as
    each other to the last digits may change places, and the last of them may be another one.
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
        if not _is_near(wanted, read):
            yield place, "is not what items and associations give", _ids(wanted), _ids(read.items)


def _is_near(wanted: Shelf, read: Popular) -> bool:
    known = {item.item_id: item for item in wanted}
    return len(wanted) == len(read.items) and all(
        abs(at_place.popularity - item.popularity) <= _TOLERANCE
        and abs((same := known.get(item.item_id, item)).popularity - item.popularity) <= _TOLERANCE
        and same.category == item.category
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
