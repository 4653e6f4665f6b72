"""A group's committed offsets, each with the id of the topic that it counts.

A topic that was deleted and made again has the same name and other records. Kafka forgets its groups' offsets, but a
worker that was running then commits the former ones once more; whoever reads them must know which topic they are of.
"""

import logging
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

log = logging.getLogger(__name__)

_END = "\0"
"""librdkafka's Python binding reads what was committed up to the next zero byte, wherever in its memory that is."""


def name_topic_in_commits(consumer: AIOKafkaConsumer, topic_id: str) -> None:
    """Make every commit of this consumer carry ``topic_id`` as its metadata."""
    commit = consumer.commit
    note = topic_id + _END if topic_id else ""

    async def commit_named(offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        await commit({place: OffsetAndMetadata(given.offset, note) for place, given in offsets.items()})

    consumer.commit = commit_named


async def committed_of_topic(
    consumer: AIOKafkaConsumer, partitions: Iterable[tuple[str, int]], topic_id: str
) -> dict[int, int]:
    """Return partition -> committed offset, without those that were committed for a former topic of the same name.

    Call it in the consumer's own thread.
    """
    places = [TopicPartition(topic, partition) for topic, partition in partitions]
    offsets: dict[int, int] = {}
    for place, found in (await consumer._coordinator.fetch_committed_offsets(places)).items():
        if found.offset < 0:
            continue
        noted = found.metadata.removesuffix(_END)
        if topic_id and noted and noted != topic_id:
            log.warning(
                "topic_made_again", extra={"topic": place.topic, "partition": place.partition, "offset": found.offset}
            )
            continue
        offsets[place.partition] = found.offset
    return offsets
