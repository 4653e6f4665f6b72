import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord

from stream.embedded import EmbeddedBroker
from stream.metrics import Metrics
from stream.preflight import TopicFacts
from stream.publisher import Outgoing, Publisher
from stream.replicas import Replica
from stream.settings import KafkaSettings, Settings, check_security
from stream.topics import TopicSettings


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def facts(broker: EmbeddedBroker) -> TopicFacts:
    return broker.create_topics(TopicSettings())


@pytest.fixture
def settings(broker: EmbeddedBroker) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))


def test_it_listens_on_loopback_alone(settings: Settings) -> None:
    check_security(settings)
    assert settings.kafka.bootstrap_servers.startswith("127.0.0.1:")


def test_every_topic_of_the_table_exists_with_four_partitions(facts: TopicFacts) -> None:
    names = {topic.name for topic in TopicSettings().table()}
    assert dict(facts.partitions) == dict.fromkeys(names, 4)
    assert dict(facts.ids) == {name: name for name in names}


async def test_what_the_workers_producer_publishes_a_replica_reads(settings: Settings, facts: TopicFacts) -> None:
    topic = settings.topics.items
    read: list[ConsumerRecord] = []
    replica = Replica(topic, facts.partitions[topic], settings, read.extend)
    publisher = Publisher(settings, Metrics())
    messages = [Outgoing(topic, f"item-{number}".encode(), b"x" * number) for number in range(1, 101)]
    async with running(publisher, replica):
        for start in range(0, len(messages), 10):
            await publisher.publish(messages[start : start + 10])
        await publisher.publish([Outgoing(topic, b"item-1", None)])
        await asyncio.wait_for(replica.catch_up(), timeout=20)
    assert {(r.key, r.value) for r in read} == {(m.key, m.value) for m in messages} | {(b"item-1", None)}
    removed = next(record for record in read if record.value is None)
    assert all(r.offset < removed.offset for r in read if r.partition == removed.partition and r is not removed)


async def test_nothing_outlives_it() -> None:
    with EmbeddedBroker() as first:
        address = first.bootstrap_servers
    host, port = address.split(":")
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(host, int(port))


def test_it_says_that_it_does_not_run() -> None:
    with pytest.raises(RuntimeError, match="with statement"):
        EmbeddedBroker().bootstrap_servers  # noqa: B018 - reading it is what fails


@asynccontextmanager
async def running(publisher: Publisher, replica: Replica) -> AsyncIterator[None]:
    await publisher.start()
    await replica.start()
    try:
        yield
    finally:
        await replica.stop()
        await publisher.stop()
