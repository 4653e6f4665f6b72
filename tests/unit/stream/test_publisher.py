import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, RequestTimedOutError

from stream.embedded import EmbeddedBroker
from stream.kafka_config import aiokafka_config
from stream.metrics import Metrics
from stream.partitioning import partition_of
from stream.publisher import BrokerUnavailable, Outgoing, Publisher
from stream.settings import KafkaSettings, Settings, WorkerSettings


class ScriptedProducer:
    """Fails as it is told to: when it starts, or when a message is delivered."""

    def __init__(self, on_start: BaseException | None = None, on_delivery: BaseException | None = None) -> None:
        self.on_start = on_start
        self.on_delivery = on_delivery
        self.sent: list[bytes | None] = []
        self.stopped = False

    async def start(self) -> None:
        if self.on_start is not None:
            raise self.on_start

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, topic: str, value: bytes | None, key: bytes | None, **_: Any) -> asyncio.Future[None]:
        assert not self.stopped
        self.sent.append(value)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.on_delivery is not None:
            future.set_exception(self.on_delivery)
        else:
            future.set_result(None)
        return future


class ScriptedPublisher(Publisher):
    """Takes its producers from a list; the last one serves for ever."""

    def __init__(self, producers: Sequence[ScriptedProducer], metrics: Metrics, patience_seconds: float = 60.0) -> None:
        super().__init__(Settings(worker=WorkerSettings(patience_seconds=patience_seconds)), metrics)
        self.producers = list(producers)
        self.made: list[ScriptedProducer] = []

    def _new_producer(self) -> Any:
        self.made.append(self.producers.pop(0) if len(self.producers) > 1 else self.producers[0])
        return self.made[-1]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.publisher._RETRY_SECONDS", 0.0)


def messages(*values: bytes) -> list[Outgoing]:
    return [Outgoing("t", b"k", value) for value in values]


def waits(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("interest_server_waits_total", {"server": "kafka"}) or 0.0


async def test_a_failed_batch_is_sent_again_whole_by_a_new_producer() -> None:
    failing, working = ScriptedProducer(on_delivery=RequestTimedOutError()), ScriptedProducer()
    metrics = Metrics()
    publisher = ScriptedPublisher([failing, working], metrics)
    await publisher.start()
    await publisher.publish(messages(b"a", b"b"))
    assert working.sent == [b"a", b"b"]
    assert failing.stopped, "its sequence numbers have a hole"
    assert waits(metrics) == 1.0


async def test_a_broker_that_is_away_longer_is_waited_for() -> None:
    away = ScriptedProducer(on_start=KafkaConnectionError("refused"))
    failing, working = ScriptedProducer(on_delivery=KafkaConnectionError("gone")), ScriptedProducer()
    metrics = Metrics()
    publisher = ScriptedPublisher([failing, away, away, working], metrics)
    await publisher.start()
    await publisher.publish(messages(b"a"))
    assert working.sent == [b"a"]
    assert away.stopped, "what does not start must not linger"
    assert waits(metrics) == 3.0


async def test_patience_runs_out() -> None:
    publisher = ScriptedPublisher([ScriptedProducer(on_delivery=KafkaError("x"))], Metrics(), patience_seconds=1e-6)
    await publisher.start()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(messages(b"a"))


async def test_what_is_too_large_is_not_tried_again() -> None:
    producer = ScriptedProducer(on_delivery=MessageSizeTooLargeError())
    publisher = ScriptedPublisher([producer], Metrics())
    await publisher.start()
    with pytest.raises(MessageSizeTooLargeError):
        await publisher.publish(messages(b"a"))
    assert producer.sent == [b"a"]


async def test_nobody_is_asked_before_the_start() -> None:
    with pytest.raises(ConnectionError):
        await ScriptedPublisher([ScriptedProducer()], Metrics()).ping()


async def test_over_a_broker_keys_go_where_we_look_for_them_and_order_holds() -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        facts = broker.create_topics(settings.topics)
        topic, count = settings.topics.recommendations, facts.partitions[settings.topics.recommendations]
        publisher = Publisher(settings, Metrics())
        await publisher.start()
        try:
            await publisher.ping()
            by_key = [Outgoing(topic, f"user-{n % 9}".encode(), str(n).encode()) for n in range(90)]
            await publisher.publish(by_key)
            await publisher.publish([Outgoing(topic, None, b"there", partition=1, headers=[("h", b"v")])])
        finally:
            await publisher.stop()
        records = await read(settings, topic, count, len(by_key) + 1)
    for n in range(9):
        key = f"user-{n}"
        found = [record for record in records if record.key == key.encode()]
        assert {record.partition for record in found} == {partition_of(key, count)}
        assert [int(record.value) for record in found] == list(range(n, 90, 9))
    (placed,) = (record for record in records if record.key is None)
    assert (placed.partition, placed.value, list(placed.headers)) == (1, b"there", [("h", b"v")])


async def read(settings: Settings, topic: str, partitions: int, expected: int) -> list[Any]:
    """Return ``expected`` records of a topic, in order per partition."""
    consumer = AIOKafkaConsumer(**aiokafka_config(settings))
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        records: list[Any] = []
        async with asyncio.timeout(30):
            while len(records) < expected:
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    records.extend(found)
        return records
    finally:
        await consumer.stop()
