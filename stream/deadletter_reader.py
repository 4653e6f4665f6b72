"""Reading the dead-letter topic from its start to where it ends now, without joining a group."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.interrupts import uninterrupted
from stream.kafka_config import confluent_config
from stream.sender import ServerAway
from stream.settings import Settings

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.2
_BATCH = 500


def read_to_current_end(settings: Settings, topic: str) -> Iterator[Message]:
    """Yield every record of a topic that was there when reading began; what arrives meanwhile is left for later.

    Raises ServerAway after ``worker.patience_seconds`` of silence.
    """
    servers = settings.kafka.bootstrap_servers
    consumer = Consumer(
        {
            **confluent_config(settings),
            "group.id": f"{settings.kafka.group_prefix}-replay",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        ends = _ends(consumer, topic)
        consumer.assign([TopicPartition(topic, partition, low) for partition, (low, _) in ends.items()])
        unread = {partition: high for partition, (_, high) in ends.items()}
        silent_since = time.monotonic()
        while unread:
            messages = uninterrupted(consumer.consume, _BATCH, _POLL_SECONDS)
            if not messages and time.monotonic() - silent_since > settings.worker.patience_seconds:
                raise ServerAway(f"the broker at {servers} fell silent")
            for message in messages:
                partition = message.partition()
                if (error := message.error()) is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        unread.pop(partition, None)
                    elif error.fatal() or not error.retriable():
                        raise ServerAway(f"the broker at {servers}: {error.str()}")
                    continue
                silent_since = time.monotonic()
                if partition in unread and message.offset() < unread[partition]:
                    yield message
                if message.offset() + 1 >= unread.get(partition, 0):
                    unread.pop(partition, None)
    except KafkaException as error:
        raise ServerAway(f"the broker at {servers}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """Return (first, next) offsets of the partitions that hold something."""
    partitions = consumer.list_topics(timeout=_ANSWER_SECONDS).topics[topic].partitions
    ends = {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_SECONDS)
        for partition in partitions
    }
    return {partition: (low, high) for partition, (low, high) in ends.items() if low < high}
