"""How trackers deliver a shop's events: more than once, and not in order."""

import random
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from stream.kafka_config import confluent_config
from stream.settings import Settings
from stream.topics import MAX_MESSAGE_BYTES
from tests.integration.shop import DAY_MS, Message

Place = tuple[int, int]
"""Partition and offset."""


class HasValue(Protocol):
    """Whatever can be produced."""

    @property
    def value(self) -> bytes | None:
        """The record's value."""


Sendable = TypeVar("Sendable", bound=HasValue)


def shuffled_within_a_day(messages: list[Message], seed: int, most_copies: int = 5) -> list[Message]:
    """Return each message one to five times, in the order of arrival, each copy up to a day after it happened."""
    dice = random.Random(seed)
    arrivals = [
        (message.at + dice.randrange(DAY_MS), n, message)
        for n, message in enumerate(messages)
        for _ in range(dice.randint(1, most_copies))
    ]
    return [message for _, _, message in sorted(arrivals, key=lambda arrival: arrival[:2])]


def produce_placed(settings: Settings, messages: Iterable[Sendable], seed: int) -> dict[Place, Sendable]:
    """Produce each message to whatever partition chance chooses, in order; return where each ended up."""
    dice = random.Random(seed)
    topic, partitions = settings.topics.interactions, settings.topics.partitions
    producer = Producer(
        {
            **confluent_config(settings),
            "enable.idempotence": True,
            "linger.ms": 20,
            "message.max.bytes": MAX_MESSAGE_BYTES,
        }
    )
    places: dict[Place, Sendable] = {}

    def place_of(message: Sendable) -> Callable[[KafkaError | None, Delivered], None]:
        def delivered(error: KafkaError | None, record: Delivered) -> None:
            assert error is None, error
            partition, offset = record.partition(), record.offset()
            assert partition is not None
            assert offset is not None
            places[partition, offset] = message

        return delivered

    for message in messages:
        on_delivery = place_of(message)
        while True:
            try:
                producer.produce(
                    topic, message.value, None, partition=dice.randrange(partitions), on_delivery=on_delivery
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(120) == 0
    return places
