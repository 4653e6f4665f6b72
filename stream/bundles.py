"""Internal records: bundles of interactions, deltas of associations, items with vectors.

Encoded as msgpack arrays with a format number first; a newer number than ours is refused by name.
"""

from typing import TypeVar

import msgspec

from graph.model import Interaction, ItemRow
from graph.transitions import Delta

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
    """An item on the compacted items topic. ``vector`` is float16 little-endian, empty until it is encoded.

    ``since``: when the item's first row came (ms), if the shop had associations by then; 0 for those there before.
    """

    format: int
    row: ItemRow
    text_model: str = ""
    text_hash: bytes = b""
    vector: bytes = b""
    since: int = 0


class DeltaMessage(msgspec.Struct, frozen=True, array_like=True):
    """Association deltas for one destination partition, by the cause of each.

    ``source`` is "topic id/partition" of the bundles partition they come from, and a cause is a place in it: see
    :func:`delta_cause`. Causes ascend. Without any, the message asks its reader to write everything now.
    """

    format: int
    source: str
    causes: tuple[tuple[int, tuple[Delta, ...]], ...] = ()


PARTS = 1 << 20
"""Numbers for the parts of a bundle that had to be applied in parts: room for twenty halvings."""


def delta_cause(offset: int, part: int = PARTS - 1) -> int:
    """Return the place of a bundle's deltas in its partition; the whole bundle comes after all its parts."""
    return offset * PARTS + part


T = TypeVar("T", Bundle, ItemRecord, DeltaMessage)

encode = msgspec.msgpack.Encoder().encode
_bundle_decoder = msgspec.msgpack.Decoder(Bundle)
_item_decoder = msgspec.msgpack.Decoder(ItemRecord)
_delta_decoder = msgspec.msgpack.Decoder(DeltaMessage)


class NewerFormat(Exception):
    """A record was written by a newer version of the product: upgrade this worker."""


def decode_bundle(value: bytes) -> Bundle:
    """Read a bundle. Raises NewerFormat."""
    return _checked(_bundle_decoder.decode(value))


def decode_item(value: bytes) -> ItemRecord:
    """Read an item record. Raises NewerFormat."""
    return _checked(_item_decoder.decode(value))


def decode_deltas(value: bytes) -> DeltaMessage:
    """Read a delta message. Raises NewerFormat."""
    return _checked(_delta_decoder.decode(value))


def _checked(record: T) -> T:
    if record.format > FORMAT:
        raise NewerFormat(f"an internal record has format {record.format}, this version reads up to {FORMAT}")
    return record
