"""Internal records: bundles of interactions, deltas of associations, items with vectors.

Encoded as msgpack arrays with a format number first; a newer number than ours is refused by name.
"""

import msgspec

from graph.model import Interaction, ItemRow

FORMAT = 1
"""Of every internal record. A worker refuses a higher one: upgrade all workers before writing a new format."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One interaction with its cause: (source, offset, index). ``produced_at`` is the record's timestamp in ms."""

    source: int
    offset: int
    index: int
    produced_at: int
    interaction: Interaction


class Bundle(msgspec.Struct, frozen=True, array_like=True):
    """Interactions of one flush for one destination partition, and users to refresh.

    ``sources`` are "topic id/partition" of the source partitions; ``Entry.source`` indexes them. Entries of one
    source are in order of their causes, and a bundle never splits a source message.
    """

    format: int
    sources: tuple[str, ...]
    entries: tuple[Entry, ...]
    refresh: tuple[str, ...] = ()


class ItemRecord(msgspec.Struct, frozen=True, array_like=True):
    """An item on the compacted items topic. ``vector`` is float16 little-endian, empty until it is encoded."""

    format: int
    row: ItemRow
    text_model: str = ""
    text_hash: bytes = b""
    vector: bytes = b""
