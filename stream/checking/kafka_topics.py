"""The broker's topics, for the checker."""

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.admin import AdminError, topic_ids
from stream.checking.topics import Record, Span
from stream.interrupts import uninterrupted
from stream.kafka_config import confluent_config
from stream.sender import ServerAway, TopicMissing
from stream.settings import Settings

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 60.0
_BATCH = 2_000


class KafkaTopics:
    """Reads without leaving a trace: no group is joined, no offset committed. Raises ServerAway, TopicMissing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = settings.kafka.bootstrap_servers
        self._ids: dict[str, str] = {}
        self._asking = self._consumer("check")
        self._intake = self._consumer("intake")  # only asked for what the group has committed

    def close(self) -> None:
        """Disconnect."""
        self._asking.close()
        self._intake.close()

    def topic_id(self, topic: str) -> str:
        """See the protocol."""
        if topic not in self._ids:
            try:
                self._ids.update(topic_ids(self._settings, [topic]))
            except AdminError as error:
                raise ServerAway(str(error)) from None
        return self._ids[topic]

    def spans(self, topic: str) -> dict[int, Span]:
        """See the protocol."""
        try:
            places = [TopicPartition(topic, partition) for partition in self._partitions(topic)]
            return {
                place.partition: Span(*self._asking.get_watermark_offsets(place, timeout=_ANSWER_SECONDS))
                for place in places
            }
        except KafkaException as error:
            raise self._away(error) from None

    def intake_positions(self) -> dict[int, int]:
        """See the protocol."""
        topic = self._settings.topics.interactions
        try:
            places = [TopicPartition(topic, partition) for partition in self._partitions(topic)]
            found = self._intake.committed(places, timeout=_ANSWER_SECONDS)
            # Workers note the topic's id beside the offset: one of a former topic of this name says nothing.
            ours = self.topic_id(topic)
            return {place.partition: max(place.offset, 0) for place in found if _counts(place, ours)}
        except KafkaException as error:
            raise self._away(error) from None

    def records(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """See the protocol."""
        if start >= end:
            return
        consumer = self._consumer("check")
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            heard_at = time.monotonic()
            while True:
                messages = uninterrupted(consumer.consume, _BATCH, _POLL_SECONDS)
                if messages:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > _SILENCE_SECONDS:
                    raise ServerAway(f"the broker at {self._servers} fell silent")
                for message in messages:
                    if (error := message.error()) is not None:
                        if error.code() == KafkaError._PARTITION_EOF:
                            return
                        if error.fatal() or not error.retriable():
                            raise ServerAway(f"the broker at {self._servers}: {error.str()}")
                        continue
                    if message.offset() < end:
                        yield _record(message)
                    if message.offset() + 1 >= end:
                        return
        except KafkaException as error:
            raise self._away(error) from None
        finally:
            consumer.close()

    def _partitions(self, topic: str) -> list[int]:
        found = self._asking.list_topics(timeout=_ANSWER_SECONDS).topics.get(topic)
        if found is None or found.error is not None:
            raise TopicMissing(f"the broker at {self._servers} has no topic {topic}")
        return sorted(found.partitions)

    def _consumer(self, role: str) -> Consumer:
        config: dict[str, Any] = {
            **confluent_config(self._settings),
            "group.id": f"{self._settings.kafka.group_prefix}-{role}",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        return Consumer(config)

    def _away(self, error: KafkaException) -> ServerAway:
        return ServerAway(f"the broker at {self._servers}: {error.args[0].str()}")


def _record(message: Message) -> Record:
    _, timestamp = message.timestamp()
    headers = message.headers() or ()
    return Record(
        message.topic(), message.partition(), message.offset(), timestamp, message.key(), message.value(), headers
    )


def _counts(place: TopicPartition, topic_id: str) -> bool:
    """Tell whether a committed offset counts the topic of this id: workers note the id beside it.

    What was noted without an end of its own, as once by ours, comes with whatever follows it in the client's memory.
    """
    try:
        noted = place.metadata
    except UnicodeDecodeError as error:
        noted = error.object.decode(errors="replace")
    return not noted or noted.startswith(topic_id)
