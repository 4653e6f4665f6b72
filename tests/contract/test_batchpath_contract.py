"""The private ground of Faust 0.15.3 that the batch path stands on, and what it does there.

Fails loudly when a release changes what stream/batch_consumer.py overrides. Runs on librdkafka's in-process broker.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import faust
import pytest
from aiokafka import ConsumerRecord
from aiokafka.consumer.group_coordinator import GroupCoordinator
from confluent_kafka import Consumer, Producer, TopicPartition
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as AiokafkaConsumer

from stream.batch_consumer import LedgerPastLogEnd
from stream.batchpath import BatchApp, Gap
from stream.intray import Records
from stream.preflight import TopicsMadeAgain
from stream.settings import KafkaSettings, Settings, WorkerSettings

TOPIC = "events"
PARTITIONS = 4  # what the in-process broker gives every topic


@pytest.fixture
def broker() -> Iterator[str]:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "in.process", "log_level": 0})
    servers = ",".join(f"{b.host}:{b.port}" for b in producer.list_topics(timeout=10).brokers.values())
    yield servers
    producer.flush(1)


@pytest.fixture
def settings(broker: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=broker, session_timeout_seconds=6, rebalance_timeout_seconds=8),
        worker=WorkerSettings(linger_seconds=0.01),
    )


class Recorder:
    """A handler that notes what it gets, and starts where it is told."""

    topic = TOPIC

    def __init__(self, starts: Mapping[int, int] | None = None) -> None:
        self.starts = starts
        self.got: dict[int, list[int]] = {p: [] for p in range(PARTITIONS)}
        self.claims: list[frozenset[int]] = []
        self.ticks = 0
        self.lost: list[tuple[int, int, int]] = []
        self.calls: list[str] = []
        self.hurried = asyncio.Event()
        self.apply_only_below: int | None = None
        self.changed = asyncio.Event()

    async def assigned(self, partitions: frozenset[int]) -> None:
        self.claims.append(partitions)

    async def positions(self, partitions: frozenset[int]) -> Mapping[int, int] | None:
        return self.starts

    async def apply(self, records: Records) -> Mapping[int, int]:
        self.calls.append("apply")
        self.ticks += not records
        for partition, batch in records.items():
            self.got[partition].extend(record.offset for record in batch)
        self.changed.set()
        applied = {p: batch[-1].offset + 1 for p, batch in records.items()}
        if self.apply_only_below is not None:
            applied = {p: min(offset, self.apply_only_below) for p, offset in applied.items()}
        return applied

    def hurry(self) -> None:
        self.calls.append("hurry")
        self.hurried.set()

    async def released(self) -> None:
        self.calls.append("released")

    def started_late(self, partition: int, expected: int, start: int) -> None:
        self.lost.append((partition, expected, start))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while sum(map(len, self.got.values())) < count:
                self.changed.clear()
                await self.changed.wait()


def produce(broker: str, per_partition: int) -> None:
    producer = Producer({"bootstrap.servers": broker, "log_level": 0})
    for partition in range(PARTITIONS):
        for i in range(per_partition):
            producer.produce(TOPIC, str(i).encode(), partition=partition)
    assert producer.flush(20) == 0


def committed(broker: str, group: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "log_level": 0})
    try:
        found = consumer.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], timeout=10)
        return {tp.partition: tp.offset for tp in found}
    finally:
        consumer.close()


def notes(broker: str, group: str) -> set[str]:
    """Return what is noted beside committed offsets, as another client's library reads it."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "log_level": 0})
    try:
        return {p.metadata for p in consumer.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], 10)}
    finally:
        consumer.close()


async def started(handler: Recorder, settings: Settings, made_again: bool = False) -> BatchApp:
    app = BatchApp("test", handler, settings, None, made_again=lambda topic: made_again and topic == TOPIC)
    app.finalize()
    await app.start()
    return app


def test_pinned_versions() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("mode-streaming") == "0.7.1"
    assert version("aiokafka") == "0.14.0"


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (faust.App, "_wait_for_table_recovery_completed", ["self"]),
        (BaseConsumer, "_drain_messages", ["self", "fetcher"]),
        (BaseConsumer, "_filter_tps_with_pending_acks", ["self", "topics"]),
        (BaseConsumer, "_new_offset", ["self", "tp"]),
        (BaseConsumer, "wait_empty", ["self"]),
        (BaseConsumer, "commit_and_end_transactions", ["self"]),
        (BaseConsumer, "on_partitions_assigned", ["self", "assigned", "generation_id"]),
        (BaseConsumer, "perform_seek", ["self"]),
        (BaseConsumer, "on_partitions_revoked", ["self", "revoked"]),
        (BaseConsumer, "verify_all_partitions_active", ["self"]),
        (AiokafkaConsumer, "verify_event_path", ["self", "now", "tp"]),
        (AiokafkaConsumer, "seek_wait", ["self", "partitions"]),
        (AiokafkaConsumer, "earliest_offsets", ["self", "partitions"]),
        (AiokafkaConsumer, "highwaters", ["self", "partitions"]),
        (AiokafkaConsumer, "_getmany", ["self", "active_partitions", "timeout"]),
        (AiokafkaConsumer, "_new_consumer_thread", ["self"]),
        (AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
        (AIOKafkaConsumerThread, "_ensure_consumer", ["self"]),
        (AIOKafkaConsumerThread, "call_thread", ["self", "fun", "args", "kwargs"]),
        (GroupCoordinator, "fetch_committed_offsets", ["self", "partitions"]),
    ],
)
def test_overridden_methods_have_the_known_shape(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


async def test_whole_batches_in_order_and_ticks(broker: str, settings: Settings) -> None:
    produce(broker, 50)
    handler = Recorder(starts={})
    app = await started(handler, settings)
    try:
        await handler.until(4 * 50)
        assert handler.got == {p: list(range(50)) for p in range(PARTITIONS)}
        assert handler.claims == [frozenset(range(PARTITIONS))]
        async with asyncio.timeout(10):
            while not handler.ticks:
                handler.changed.clear()
                await handler.changed.wait()
    finally:
        await app.stop()


async def test_partitions_to_which_nothing_comes_raise_no_alarm(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Recorder(starts={})
    app = await started(handler, settings)
    try:
        async with asyncio.timeout(30):
            while not handler.ticks:
                handler.changed.clear()
                await handler.changed.wait()
        app.consumer._thread.time_started -= 3600.0  # Faust's verifier is patient for minutes
        assert app.consumer.assignment()
        await app.consumer.verify_all_partitions_active()
    finally:
        await app.stop()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_starts_where_the_handler_says(broker: str, settings: Settings) -> None:
    produce(broker, 50)
    handler = Recorder(starts={0: 49, 1: 10, 2: -1, 3: 50})
    app = await started(handler, settings)
    try:
        await handler.until(1 + 40 + 50)
        assert handler.got == {0: [49], 1: list(range(10, 50)), 2: list(range(50)), 3: []}
    finally:
        await app.stop()


async def test_commits_only_what_was_applied(broker: str, settings: Settings) -> None:
    produce(broker, 50)
    handler = Recorder(starts={})
    handler.apply_only_below = 30
    app = await started(handler, settings)
    await handler.until(4 * 50)
    await app.stop()
    assert committed(broker, "interestream-test") == dict.fromkeys(range(PARTITIONS), 30)


@pytest.mark.parametrize(
    ("made_again", "reason"),
    [(False, LedgerPastLogEnd), (True, TopicsMadeAgain)],
    ids=["for good", "until it has learnt that the topic is another one"],
)
async def test_a_ledger_beyond_the_log_refuses(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, made_again: bool, reason: type[Exception]
) -> None:
    crashed = asyncio.Event()
    monkeypatch.setattr("stream.batch_consumer.arm_exit", crashed.set)
    produce(broker, 5)
    handler = Recorder(starts={0: 6})
    app = await started(handler, settings, made_again)
    try:
        async with asyncio.timeout(30):
            await crashed.wait()
    finally:
        await app.stop()
    assert type(app.crash_reason) is reason


async def test_records_that_retention_took_from_a_group_are_told(broker: str, settings: Settings) -> None:
    """The in-process broker keeps 5 MiB per partition and drops the oldest, read or not."""
    producer = Producer({"bootstrap.servers": broker, "log_level": 0, "message.max.bytes": 2_000_000})
    for _ in range(10):
        producer.produce(TOPIC, bytes(900_000), partition=0)
    assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "interestream-test", "log_level": 0})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)
    start, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=10)
    consumer.close()
    handler = Recorder(starts=None)
    app = await started(handler, settings)
    try:
        await handler.until(end - start)
    finally:
        await app.stop()
    assert start > 1
    assert handler.lost == [(0, 1, start)]
    assert handler.got[0] == list(range(start, end))


async def test_a_fetch_that_outlives_a_rebalance_takes_nothing_with_it(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch begun before a rebalance may end after its seek: whatever it took must be read again."""
    handler = Recorder(starts=None)
    app = await started(handler, settings)
    consumer = app.consumer
    fetch, ended = consumer._getmany, app.on_rebalance_end
    begun, rebalanced = asyncio.Event(), asyncio.Event()

    async def late(active: object, timeout: float) -> object:
        if not begun.is_set():
            begun.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):  # the seek may wait for us, and then the rebalance never ends meanwhile
                    await rebalanced.wait()
        return await fetch(active, timeout)

    def end() -> None:
        ended()
        rebalanced.set()

    try:
        async with asyncio.timeout(30):
            while not handler.ticks:
                handler.changed.clear()
                await handler.changed.wait()
        monkeypatch.setattr(consumer, "_getmany", late)
        monkeypatch.setattr(app, "on_rebalance_end", end)
        async with asyncio.timeout(30):
            await begun.wait()
        produce(broker, 50)
        assignment = set(consumer.assignment())
        app.on_rebalance_start()
        await consumer.on_partitions_revoked(assignment)
        app.consumer_generation_id += 1
        await consumer.on_partitions_assigned(assignment, app.consumer_generation_id)
        await handler.until(4 * 50)
        assert handler.got == {p: list(range(50)) for p in range(PARTITIONS)}
    finally:
        await app.stop()


async def test_a_batch_in_hand_is_told_to_hurry_and_nothing_is_applied_after_the_release(
    broker: str, settings: Settings
) -> None:
    """Not even a tick: whoever releases writes to its ledgers, and others are about to claim them."""
    produce(broker, 1)
    handler = Recorder(starts={})
    app = await started(handler, settings)
    try:
        await handler.until(PARTITIONS)
        consumer = app.consumer
        assignment = set(consumer.assignment())
        in_hand = asyncio.Event()
        apply = handler.apply

        async def long(records: Records) -> Mapping[int, int]:
            in_hand.set()
            async with asyncio.timeout(30):
                await handler.hurried.wait()
            return await apply(records)

        handler.apply = long  # type: ignore[method-assign]
        async with asyncio.timeout(30):
            await in_hand.wait()
        app.on_rebalance_start()
        await consumer.on_partitions_revoked(assignment)
        produce(broker, 1)
        released = handler.calls.index("released")
        assert handler.calls[released - 2 :] == ["hurry", "apply", "released"]
        app.consumer_generation_id += 1
        await consumer.on_partitions_assigned(assignment, app.consumer_generation_id)
        await handler.until(2 * PARTITIONS)
    finally:
        await app.stop()


async def test_a_group_starts_again_where_its_commits_are_of_a_former_topic(broker: str, settings: Settings) -> None:
    produce(broker, 5)
    for topic_id, read in (("former", 5), ("former", 0), ("present", 5)):
        handler = Recorder(starts=None)
        app = BatchApp("test", handler, settings, None, topic_id)
        app.finalize()
        await app.start()
        try:
            await handler.until(4 * read)
            async with asyncio.timeout(30):
                while not handler.ticks:
                    handler.changed.clear()
                    await handler.changed.wait()
        finally:
            await app.stop()
        assert handler.got == {p: list(range(read)) for p in range(PARTITIONS)}, topic_id
        assert committed(broker, "interestream-test") == dict.fromkeys(range(PARTITIONS), 5)
        assert notes(broker, "interestream-test") == {topic_id}


async def test_a_hole_in_a_topic_of_our_own_ends_the_process(broker: str, settings: Settings) -> None:
    app = BatchApp("test", Recorder(), settings, None)
    app.without_holes = {TOPIC}
    app._mind_gaps({0: [record(4), record(5)]})
    app._mind_gaps({0: [record(6)], 1: [record(9)]})
    with pytest.raises(Gap, match="expected offset 7, got 8"):
        app._mind_gaps({0: [record(8)]})


def record(offset: int) -> ConsumerRecord:
    return ConsumerRecord(TOPIC, 0, offset, 0, 0, None, b"", None, 0, 0, ())
