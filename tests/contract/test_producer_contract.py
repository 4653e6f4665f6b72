"""What stream.publisher leans on in aiokafka's producer, and that nothing is sent that was gathered before a nap."""

import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from graph.store import Fenced
from stream.embedded import EmbeddedBroker
from stream.kafka_config import aiokafka_config
from stream.metrics import Metrics
from stream.naps import Naps
from stream.publisher import Outgoing, Overslept, Publisher, WakefulProducer
from stream.settings import KafkaSettings, Settings


class Sleeper(Naps):
    """Has just woken whenever the test says so."""

    woke_at = float("-inf")

    def beat(self) -> float:
        return self.woke_at

    def oversleep(self) -> None:
        self.woke_at = time.monotonic()


@pytest.fixture
async def settings() -> AsyncIterator[Settings]:
    with EmbeddedBroker() as broker:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        broker.create_topics(settings.topics)
        yield settings


async def values(settings: Settings, topic: str, until: bytes) -> list[bytes | None]:
    """Return what partition 0 of a topic holds, up to a value that must come."""
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **aiokafka_config(settings))
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        found: list[bytes | None] = []
        while until not in found:
            found.append((await consumer.getone()).value)
        return found
    finally:
        await consumer.stop()


def test_the_release_is_the_one_that_was_read() -> None:
    assert version("aiokafka") == "0.14.0"


@pytest.mark.timeout(60)
async def test_a_batch_that_was_gathered_before_a_nap_is_never_sent(settings: Settings) -> None:
    topic, naps = settings.topics.recommendations, Sleeper(1.0)
    options = {"linger_ms": 50, "enable_idempotence": True, **aiokafka_config(settings)}
    producer = WakefulProducer(naps, **options)
    await producer.start()
    late = await producer.send(topic, b"late", partition=0)
    naps.oversleep()
    with pytest.raises(Overslept):
        await late
    await producer.stop()
    after = WakefulProducer(naps, **options)
    await after.start()
    await after.send_and_wait(topic, b"after", partition=0)
    await after.stop()
    assert await values(settings, topic, until=b"after") == [b"after"]


class SleepyPublisher(Publisher):
    """Sleeps as soon as the first message of its first attempt is gathered."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Metrics())
        self.sleeper = Sleeper(1.0)
        self._naps = self.sleeper

    def _new_producer(self) -> Any:
        producer = super()._new_producer()
        send = producer.send

        async def send_and_sleep(*arguments: object, **options: object) -> object:
            future = await send(*arguments, **options)
            if self.sleeper.woke_at < 0:
                self.sleeper.oversleep()
            return future

        producer.send = send_and_sleep
        return producer


@pytest.mark.timeout(60)
@pytest.mark.parametrize("count", [1, 3])
async def test_who_has_slept_and_is_still_the_owner_sends_everything_anew(settings: Settings, count: int) -> None:
    topic, asked = settings.topics.recommendations, []

    async def still_ours() -> None:
        asked.append(1)

    publisher = SleepyPublisher(settings)
    await publisher.start()
    sent = [b"%d" % n for n in range(count)]
    await publisher.publish([Outgoing(topic, b"k", value, 0) for value in sent], still_ours)
    await publisher.stop()
    assert asked == [1]
    assert await values(settings, topic, until=sent[-1]) == sent


@pytest.mark.timeout(60)
async def test_who_has_slept_and_was_replaced_sends_nothing(settings: Settings) -> None:
    topic = settings.topics.recommendations

    async def claimed_by_another() -> None:
        raise Fenced("claimed")

    publisher = SleepyPublisher(settings)
    await publisher.start()
    with pytest.raises(Fenced):
        await publisher.publish([Outgoing(topic, b"k", b"old", 0)], claimed_by_another)
    await publisher.publish([Outgoing(topic, b"k", b"new", 0)])
    await publisher.stop()
    assert await values(settings, topic, until=b"new") == [b"new"]


@pytest.mark.timeout(60)
async def test_an_abandoned_producer_says_so_of_what_it_has_not_delivered() -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        broker.create_topics(settings.topics)
        options = {"linger_ms": 60_000, "enable_idempotence": True, **aiokafka_config(settings)}
        producer = WakefulProducer(Sleeper(1.0), **options)
        await producer.start()
        waiting = await producer.send(settings.topics.recommendations, b"never", partition=0)
    await producer.abandon()
    with pytest.raises(KafkaConnectionError):
        await waiting
