"""Finding a source message again, to put it among the dead letters byte for byte."""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from stream.deadletter import dead_letter
from stream.kafka_config import aiokafka_config
from stream.publisher import Outgoing
from stream.settings import Settings
from stream.trackers import Reason, Rejected, Stage

_FETCH_MS = 10_000


class KafkaOriginals:
    """Reads one record of the interactions topic by its place; for the rare message that cannot be applied."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, source: str, offset: int, error: Exception) -> Outgoing:
        """Return the dead letter; its value is null when the broker no longer has the message."""
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
            found = await consumer.getmany(place, timeout_ms=_FETCH_MS, max_records=1)
            return next((r for r in found.get(place, ()) if r.offset == offset), None)
        except KafkaError:
            return None
        finally:
            await consumer.stop()


def unappliable(record: ConsumerRecord, error: Exception, dead_letter_topic: str) -> Outgoing:
    """Return the dead letter of a message that was decoded but could not be applied; names the error's kind alone."""
    rejected = Rejected(Stage.APPLY, Reason.UNAPPLIABLE, "", f"{type(error).__name__} while it was applied")
    return dead_letter(record, rejected, dead_letter_topic)
