"""What the bundles hold, by cause: seventeen bytes per interaction, whatever its size."""

from array import array
from collections import defaultdict
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from graph.model import Interaction
from stream.bundles import Bundle
from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record
from stream.partitioning import partition_of

_encode = msgspec.msgpack.Encoder().encode
_INDEX_BITS = 10
"""A source message holds at most 1,000 interactions."""


class Held(msgspec.Struct, gc=False):
    """What the bundles hold of one cause. ``fresh`` copies are those that interest's own rule does not drop."""

    digest: int
    fresh: int = 0
    copies: int = 0
    differing: bool = False


class Causes:
    """The interactions of all bundles. Take in whole partitions of the bundles topic, in order."""

    def __init__(self, source_topic_id: str, partitions: int, findings: Findings) -> None:
        self._topic_id = source_topic_id
        self._partitions = partitions
        self._findings = findings
        self._columns: defaultdict[int, tuple[array[int], array[int], array[int]]] = defaultdict(
            lambda: (array("Q"), array("Q"), array("B"))
        )
        self._last: defaultdict[tuple[int, str], int] = defaultdict(lambda: -1)
        self.of_former_topics = 0
        """Interactions whose source topic was deleted since."""

    def take(self, record: Record, bundle: Bundle) -> None:
        """Take in one bundle."""
        before = {source: self._last[record.partition, source] for source in bundle.sources}
        for entry in bundle.entries:
            source = bundle.sources[entry.source]
            topic_id, _, number = source.rpartition("/")
            fresh = entry.offset > before[source]
            if fresh:
                self._last[record.partition, source] = max(self._last[record.partition, source], entry.offset)
            if partition_of(entry.interaction.user_id, self._partitions) != record.partition:
                where = f"bundle {record.topic}/{record.partition}@{record.offset}"
                what = f"user {entry.interaction.user_id} belongs to another partition"
                self._findings.differ(Invariant.ACCOUNTING, where, what)
            if topic_id != self._topic_id:
                self.of_former_topics += 1
                continue
            places, digests, marks = self._columns[int(number)]
            places.append(cause_key(entry.offset, entry.index))
            digests.append(digest_of(entry.interaction, entry.produced_at))
            marks.append(fresh)

    def of_partition(self, partition: int) -> dict[int, Held]:
        """Return what is held of one source partition, by :func:`cause_key`."""
        held: dict[int, Held] = {}
        for key, digest, fresh in zip(*self._columns.get(partition, ((), (), ())), strict=True):
            known = held.get(key)
            if known is None:
                known = held[key] = Held(digest)
            known.copies += 1
            known.fresh += fresh
            known.differing = known.differing or known.digest != digest
        return held


def cause_key(offset: int, index: int) -> int:
    """Return offset and index within the message as one number."""
    return offset << _INDEX_BITS | index


def offset_of(key: int) -> int:
    """Return the offset of a :func:`cause_key`."""
    return key >> _INDEX_BITS


def digest_of(interaction: Interaction, produced_at: int) -> int:
    """Return 64 bits of everything that a bundle says of an interaction."""
    return int.from_bytes(blake2b(_encode((produced_at, interaction)), digest_size=8).digest())


def sources_of(topic_id: str, partitions: Mapping[int, object]) -> dict[str, int]:
    """Return the names under which bundles and deltas call a topic's partitions."""
    return {f"{topic_id}/{partition}": partition for partition in partitions}
