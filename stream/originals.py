"""Finding a source message again, to put it among the dead letters byte for byte."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from stream.deadletter import dead_letter
from stream.kafka_config import aiokafka_config
from stream.publisher import BrokerUnavailable, Outgoing
from stream.settings import Settings
from stream.trackers import Reason, Rejected, Stage

_FETCH_MS = 1_000


class KafkaOriginals:
    """Reads one record of the interactions topic by its place; for the rare message that cannot be applied."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, source: str, offset: int, error: Exception) -> Outgoing:
        """Return the dead letter; its value is null when the broker no longer has the message.

        Raises KafkaError or BrokerUnavailable while nobody can tell whether it has: a letter without its message is
        written once and for all.
        """
        partition = int(source.rpartition("/")[2])
        record = await self._fetch(partition, offset)
        if record is None:
            topic = self._settings.topics.interactions
            record = ConsumerRecord(topic, partition, offset, 0, 0, None, None, None, -1, -1, ())
        return unappliable(record, error, self._settings.topics.dead_letters)

    async def _fetch(self, partition: int, offset: int) -> ConsumerRecord | None:
        place = TopicPartition(self._settings.topics.interactions, partition)
        consumer = AIOKafkaConsumer(
            enable_auto_commit=False, auto_offset_reset="none", **aiokafka_config(self._settings)
        )
        await consumer.start()
        try:
            consumer.assign([place])
            consumer.seek(place, offset)
            return await self._first(consumer, place, offset)
        finally:
            await consumer.stop()

    async def _first(self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> ConsumerRecord | None:
        patience = self._settings.worker.patience_seconds
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                found = await consumer.getmany(place, timeout_ms=_FETCH_MS, max_records=1)
            except OffsetOutOfRangeError:
                return None  # retention has taken it
            for record in found.get(place, ()):
                return record if record.offset == offset else None
            if asyncio.get_running_loop().time() > deadline:
                raise BrokerUnavailable(f"no answer for {patience:.0f} s on {place.topic}/{place.partition}@{offset}")


def unappliable(record: ConsumerRecord, error: Exception, dead_letter_topic: str) -> Outgoing:
    """Return the dead letter of a message that was decoded but could not be applied; names the error's kind alone."""
    rejected = Rejected(Stage.APPLY, Reason.UNAPPLIABLE, "", f"{type(error).__name__} while it was applied")
    return dead_letter(record, rejected, dead_letter_topic)
