"""Internal records: bundles of interactions, deltas of associations, items with vectors.

Encoded as msgpack arrays with a format number first; a newer number than ours is refused by name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from graph.model import Interaction, ItemRow
from graph.transitions import Delta
from stream.partitioning import partition_of

FORMAT = 1
"""Of every internal record. A worker refuses a higher one: upgrade all workers before writing a new format."""


ERASING_FORMAT = 2
"""Of bundles that erase users: a worker that does not know how would pass over them."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One interaction with its cause: (source, offset, index). ``produced_at`` is the record's timestamp in ms."""

    source: int
    offset: int
    index: int
    produced_at: int
    interaction: Interaction


class Bundle(msgspec.Struct, frozen=True, array_like=True):
    """Interactions of one flush for one destination partition, and users to refresh, or to erase (after the rest).

    ``sources`` are "topic id/partition" of the source partitions; ``Entry.source`` indexes them. Entries of one
    source are in order of their causes, and a bundle never splits a source message.
    """

    format: int
    sources: tuple[str, ...]
    entries: tuple[Entry, ...]
    refresh: tuple[str, ...] = ()
    erase: tuple[str, ...] = ()


USERS_PER_BUNDLE = 500
"""Of a refresh: a bundle is never cut, so this is how far a micro-batch may exceed its bound."""


def refresh_bundles(user_ids: Iterable[str], partitions: int) -> dict[int, list[Bundle]]:
    """Return the bundles that ask for a refresh of users, by the partition that owns them."""
    return _bundles(user_ids, partitions, lambda users: Bundle(FORMAT, (), (), users))


def erasing_bundles(user_ids: Iterable[str], partitions: int) -> dict[int, list[Bundle]]:
    """Return the bundles that erase users, by the partition that owns them."""
    return _bundles(user_ids, partitions, lambda users: Bundle(ERASING_FORMAT, (), (), erase=users))


def _bundles(
    user_ids: Iterable[str], partitions: int, bundle: Callable[[tuple[str, ...]], Bundle]
) -> dict[int, list[Bundle]]:
    of_partition: defaultdict[int, list[str]] = defaultdict(list)
    for user_id in user_ids:
        of_partition[partition_of(user_id, partitions)].append(user_id)
    return {
        partition: [
            bundle(tuple(users[start : start + USERS_PER_BUNDLE])) for start in range(0, len(users), USERS_PER_BUNDLE)
        ]
        for partition, users in of_partition.items()
    }


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


DELTA_BYTES = 1_000_000
"""A message of deltas is hardly larger: half of what our topics take, for a delta may be 8 KB of text."""
_DELTA_OVERHEAD_BYTES = 48
"""Of one delta besides its source and target."""

Cause = tuple[int, tuple[Delta, ...]]


def delta_messages(source: str, causes: Iterable[Cause], max_bytes: int = DELTA_BYTES) -> list[bytes]:
    """Return the messages that carry these causes, in order, none much larger than ``max_bytes``.

    A cause that is too large for one message is cut, and its pieces get numbers of their own, the last one the cause's:
    the numbers before it within its part are free, and a reader drops what is not beyond what it has.
    """
    messages: list[list[Cause]] = [[]]
    size = 0
    for cause, deltas in causes:
        pieces = list(_pieces(deltas, max_bytes))
        for left, (piece, bytes_) in zip(range(len(pieces) - 1, -1, -1), pieces, strict=True):
            if size + bytes_ > max_bytes and messages[-1]:
                messages.append([])
                size = 0
            messages[-1].append((cause - left, piece))
            size += bytes_
    return [encode(DeltaMessage(FORMAT, source, tuple(message))) for message in messages if message]


def _pieces(deltas: Sequence[Delta], max_bytes: int) -> Iterator[tuple[tuple[Delta, ...], int]]:
    first = size = 0
    for i, delta in enumerate(deltas):
        bytes_ = len(delta.source.encode()) + len(delta.target.encode()) + _DELTA_OVERHEAD_BYTES
        if size + bytes_ > max_bytes and i > first:
            yield tuple(deltas[first:i]), size
            first, size = i, 0
        size += bytes_
    yield tuple(deltas[first:]), size


T = TypeVar("T", Bundle, ItemRecord, DeltaMessage)

encode = msgspec.msgpack.Encoder().encode
_bundle_decoder = msgspec.msgpack.Decoder(Bundle)
_item_decoder = msgspec.msgpack.Decoder(ItemRecord)
_delta_decoder = msgspec.msgpack.Decoder(DeltaMessage)


class NewerFormat(Exception):
    """A record was written by a newer version of the product: upgrade this worker."""


def decode_bundle(value: bytes) -> Bundle:
    """Read a bundle. Raises NewerFormat."""
    return _checked(_bundle_decoder.decode(value), ERASING_FORMAT)


def decode_item(value: bytes) -> ItemRecord:
    """Read an item record. Raises NewerFormat."""
    return _checked(_item_decoder.decode(value))


def decode_deltas(value: bytes) -> DeltaMessage:
    """Read a delta message. Raises NewerFormat."""
    return _checked(_delta_decoder.decode(value))


def _checked(record: T, newest: int = FORMAT) -> T:
    if record.format > newest:
        raise NewerFormat(f"an internal record has format {record.format}, this version reads up to {newest}")
    return record
