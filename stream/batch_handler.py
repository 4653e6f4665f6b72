"""What the batch path asks of an agent; nothing else of the product knows Faust."""

from collections.abc import Mapping
from typing import Protocol

from stream.intray import Records


class BatchHandler(Protocol):
    """What an agent is to the batch path. Raising from any method ends the process."""

    @property
    def topic(self) -> str:
        """The one topic it consumes."""

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Take over exactly these partitions (claim them); whatever was cached of others is void.

        May be cancelled, when they are assigned anew meanwhile: what it holds is then that of its last full run.
        """

    async def positions(self, partitions: frozenset[int]) -> Mapping[int, int] | None:
        """Return the next offset to read per partition (-1: from the log's start), or None: the group's offsets."""

    async def apply(self, records: Records) -> Mapping[int, int]:
        """Handle a batch (an empty one is a tick); return the next offset per partition that is fully applied."""

    def hurry(self) -> None:
        """Learn that others wait for the end of the batch in hand: apply no more of it than is begun."""

    async def released(self) -> None:
        """Leave everything settled, after the last batch: others may take over, or the process is about to end."""

    def started_late(self, partition: int, expected: int, start: int) -> None:
        """Learn that records from ``expected`` up to ``start`` are gone: retention was shorter than our absence."""
