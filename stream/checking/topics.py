"""What the checker reads: one partition at a time, from its start, without joining a group."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """One record as it is in the log; ``timestamp`` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Span(NamedTuple):
    """What a partition holds: offsets from ``first`` up to, and without, ``end``."""

    first: int
    end: int


class Topics(Protocol):
    """Where records come from: a broker, or the in-process pipeline."""

    def topic_id(self, topic: str) -> str:
        """Return the id that tells a topic from a later one of the same name."""

    def spans(self, topic: str) -> dict[int, Span]:
        """Return what every partition holds now."""

    def intake_positions(self) -> dict[int, int]:
        """Return how far intake says it is, per partition of the interactions topic: a hint, as in Kafka."""

    def records(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """Yield the records from ``start`` up to, and without, ``end``, that are still there."""
