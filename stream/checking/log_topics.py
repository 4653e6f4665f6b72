"""The topics of the in-process pipeline, for the checker."""

from collections.abc import Iterator, Mapping

from stream.checking.topics import Record, Span
from stream.pipeline import Log


class LogTopics:
    """The topics of a :class:`stream.pipeline.Pipeline`."""

    def __init__(self, log: Log, intake_positions: Mapping[int, int]) -> None:
        self._log = log
        self._positions = dict(intake_positions)

    def topic_id(self, topic: str) -> str:
        """See the protocol; a pipeline's topics are named once."""
        return topic

    def spans(self, topic: str) -> dict[int, Span]:
        """See the protocol."""
        return {
            partition: Span(records[0].offset, records[-1].offset + 1) if records else Span(0, 0)
            for partition, records in enumerate(self._log.topics[topic])
        }

    def intake_positions(self) -> dict[int, int]:
        """See the protocol."""
        return dict(self._positions)

    def records(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """See the protocol."""
        for record in self._log.topics[topic][partition]:
            if start <= record.offset < end:
                yield Record(
                    topic, partition, record.offset, record.timestamp, record.key, record.value, record.headers
                )
