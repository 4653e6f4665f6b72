"""Reading one user's lists from the recommendations topic, as a subscriber would, without joining a group."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.kafka_config import confluent_config
from stream.partitioning import partition_of
from stream.recommendations import Recommendation, decode
from stream.sender import ServerAway, TopicMissing
from stream.settings import Settings

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 30.0


def read_published(settings: Settings, user_id: str, step: Callable[[], None] = lambda: None) -> Recommendation | None:
    """Return the user's record with the highest version; None when there is none, or when the user is gone.

    Reads the user's partition from its start to where it ends now: compaction keeps the last record per key, but takes
    its time. ``step`` is called for each record. Raises ServerAway, TopicMissing.
    """
    with closing(_records_of(settings, [user_id])) as records:
        return _latest(records, user_id.encode(), step)


def users_with_lists(settings: Settings, user_ids: Sequence[str]) -> set[str]:
    """Return those of the users whose last record is a list. Reads whole partitions, as :func:`read_published` does."""
    wanted, found = {user_id.encode(): user_id for user_id in user_ids}, set[str]()
    with closing(_records_of(settings, user_ids)) as records:
        for record in records:
            if (user_id := wanted.get(record.key())) is not None:
                (found.add if record.value() else found.discard)(user_id)
    return found


def _records_of(settings: Settings, user_ids: Sequence[str]) -> Generator[Message, None, None]:
    """Yield the records of the partitions that hold these users."""
    topic, servers = settings.topics.recommendations, settings.kafka.bootstrap_servers
    consumer = Consumer(
        {
            **confluent_config(settings),
            "group.id": f"{settings.kafka.group_prefix}-show",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        found = consumer.list_topics(timeout=_ANSWER_SECONDS).topics.get(topic)
        if found is None or found.error is not None:
            raise TopicMissing(f"the broker at {servers} has no topic {topic}")
        for partition in sorted({partition_of(user_id, len(found.partitions)) for user_id in user_ids}):
            yield from _records(consumer, TopicPartition(topic, partition), servers)
    except KafkaException as error:
        raise ServerAway(f"the broker at {servers}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _latest(records: Iterator[Message], key: bytes, step: Callable[[], None]) -> Recommendation | None:
    latest: Recommendation | None = None
    for record in records:
        step()
        if record.key() != key:
            continue
        if not (value := record.value()):
            latest = None
            continue
        try:
            read = decode(value)
        except msgspec.DecodeError:
            continue  # of a schema that this version does not know: no list is better than a wrong one
        if latest is None or read.version >= latest.version:
            latest = read
    return latest


def _records(consumer: Consumer, place: TopicPartition, servers: str) -> Iterator[Message]:
    low, high = consumer.get_watermark_offsets(place, timeout=_ANSWER_SECONDS)
    if low >= high:
        return
    consumer.assign([TopicPartition(place.topic, place.partition, low)])
    heard_at = time.monotonic()
    while True:
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            if time.monotonic() - heard_at > _SILENCE_SECONDS:
                raise ServerAway(f"the broker at {servers} fell silent")
            continue
        if (error := message.error()) is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return
            if error.fatal() or not error.retriable():
                raise ServerAway(f"the broker at {servers}: {error.str()}")
            continue
        heard_at = time.monotonic()
        if message.offset() < high:
            yield message
        if message.offset() + 1 >= high:
            return
