"""One message that nobody can apply must not stop its neighbours: halve the batch until it stands alone.

An error of the data (anything but a server's or our own fencing) repeats itself, so the batch is cut in two and each
half is tried again, down to one source message. That one becomes a dead letter; everything before and after it is
applied, in order.
"""

import logging
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

from encoders.base import EncoderError
from graph.failpoints import FailpointError
from graph.store import StoreError
from stream.bundles import Bundle, Entry
from stream.microbatch import Part, Parts
from stream.publisher import BrokerUnavailable, Outgoing

log = logging.getLogger(__name__)

NOT_THE_DATA = (StoreError, BrokerUnavailable, KafkaError, EncoderError, FailpointError, OSError, MemoryError)
"""Errors that are nobody's event: they end the process or are waited out, and never make a dead letter."""

MOST_IN_A_ROW = 25
"""So many messages of one batch that fail one after the other are no poison but a defect: the process ends instead."""

Originals = Callable[[str, int, Exception], Awaitable[Outgoing]]
"""(source, offset, error) -> the dead letter of the source message, byte for byte."""

Skip = Callable[[int, Part, Exception], Awaitable[None]]


class Isolation:
    """Applies batches; isolates what cannot be applied and hands it to ``skip``."""

    def __init__(self, skip: Skip) -> None:
        self._skip = skip
        self._in_a_row = 0

    async def apply(self, parts: Parts, attempt: Callable[[Parts], Awaitable[None]]) -> None:
        """Apply a batch, or as much of it as can be applied. Raises what is not the data's fault."""
        try:
            await attempt(parts)
            self._in_a_row = 0
        except NOT_THE_DATA:
            raise
        except Exception as error:  # the agent boundary: whatever the data provoked
            halves = _halves(parts)
            if not halves:
                self._in_a_row += 1
                if self._in_a_row > MOST_IN_A_ROW:
                    raise
                ((partition, (part,)),) = parts.items()
                log.exception("isolated", extra={"partition": partition, "offset": part.offset})
                await self._skip(partition, part, error)
                return
            log.warning("halved", extra={"error": repr(error)[:200], "messages": _size(parts)})
            for half in halves:
                await self.apply(half, attempt)


def _size(parts: Parts) -> int:
    return sum(len(part.bundle.entries) for batch in parts.values() for part in batch)


def _halves(parts: Parts) -> list[Parts]:
    """Return two smaller batches, in order, or nothing when only one source message is left."""
    flat = [(partition, part) for partition, batch in parts.items() for part in batch]
    if len(flat) > 1:
        middle = len(flat) // 2
        return [_grouped(flat[:middle]), _grouped(flat[middle:])]
    partition, part = flat[0]
    return [{partition: [half]} for half in _split(part)]


def _grouped(flat: list[tuple[int, Part]]) -> Parts:
    parts: Parts = {}
    for partition, part in flat:
        parts.setdefault(partition, []).append(part)
    return parts


def _split(part: Part) -> list[Part]:
    """Cut a bundle between two source messages."""
    bundle = part.bundle
    cuts = [i for i in range(1, len(bundle.entries)) if _cause(bundle.entries[i - 1]) != _cause(bundle.entries[i])]
    if not cuts:
        return []
    cut = cuts[len(cuts) // 2]
    first = Bundle(bundle.format, bundle.sources, bundle.entries[:cut])
    second = Bundle(bundle.format, bundle.sources, bundle.entries[cut:], bundle.refresh, bundle.erase)
    middle = (part.after + part.number) // 2
    return [Part(part.offset, first, middle, part.after), Part(part.offset, second, part.number, middle)]


def _cause(entry: Entry) -> tuple[int, int]:
    return entry.source, entry.offset
