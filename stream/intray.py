"""What was fetched and not yet handed over: one batch that grows while the agent is at work.

Under backlog a larger batch touches hardly more users than a small one, and users are what a batch costs. Bounded by
records and by bytes: what comes beyond them stays with the broker.
"""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord

Records = Mapping[int, Sequence[ConsumerRecord]]
"""Records by partition, ascending offsets, of one topic."""

_MOST_BYTES = 16_000_000


class Intray:
    """Records of one topic, in order, from one who fetches to one who takes. Belongs to one event loop."""

    def __init__(self, most_records: int, most_bytes: int = _MOST_BYTES) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._records: dict[int, list[ConsumerRecord]] = {}
        self._bytes = 0
        self._ready = asyncio.Event()
        self.size = 0
        """How many records wait."""

    @property
    def full(self) -> bool:
        """Tell whether no more should be fetched now; the fetch that filled it may have gone beyond the bounds."""
        return self.size >= self._most_records or self._bytes >= self._most_bytes

    def put(self, records: Records) -> None:
        """Add what was fetched; without any record it still wakes whoever waits, for a tick."""
        for partition, batch in records.items():
            self._records.setdefault(partition, []).extend(batch)
            self.size += len(batch)
            self._bytes += sum(len(record.value or b"") for record in batch)
        self._ready.set()

    def clear(self) -> None:
        """Forget everything."""
        self._records, self._bytes, self.size = {}, 0, 0
        self._ready.clear()

    async def take(self) -> Records:
        """Wait for a put, and return all that has gathered; nothing can be cleared between that and the return."""
        while not self._ready.is_set():  # once is not enough: it may be cleared before we have our turn
            await self._ready.wait()
        records = self._records
        self.clear()
        return records
