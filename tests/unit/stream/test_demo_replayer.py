import asyncio
from collections.abc import Coroutine, Sequence

import msgspec
import pytest

from graph.model import Kind
from stream.demo import replayer as module
from stream.demo.counts import Counts, assigned_roles, ledger_offset, read_counts
from stream.demo.errors import Stuck
from stream.demo.replayer import MOST_IN_FLIGHT, Replayer
from stream.demo.sample import SampleEvent
from stream.metrics import Metrics
from stream.preflight import TopicFacts
from stream.publisher import Outgoing
from stream.settings import Settings

EVENTS = [SampleEvent(f"e{number}", Kind.VIEW, f"u{number % 7}", "i", 1_795_000_000_000) for number in range(3_000)]


class Broker:
    """Keeps what is published, and how much of it was ever unsettled."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.messages: list[Outgoing] = []
        self.most_in_flight = 0

    async def publish(self, messages: Sequence[Outgoing], again: object = None) -> None:
        self.messages.extend(messages)
        self.most_in_flight = max(self.most_in_flight, len(self.messages) - read_counts(self.metrics).settled)


@pytest.fixture
def broker() -> Broker:
    return Broker(Metrics())


@pytest.fixture
def replayer(broker: Broker) -> Replayer:
    settings = Settings()
    facts = TopicFacts({topic.name: 4 for topic in settings.topics.table()}, {})
    return Replayer(broker, settings, facts, broker.metrics)


async def apply_slowly(broker: Broker) -> None:
    while True:
        if len(broker.messages) > read_counts(broker.metrics).settled:
            broker.metrics.applied.inc(min(100, len(broker.messages) - read_counts(broker.metrics).settled))
        await asyncio.sleep(0.001)


async def with_worker(broker: Broker, play: Coroutine[None, None, None]) -> None:
    worker = asyncio.create_task(apply_slowly(broker))
    try:
        await asyncio.wait_for(play, timeout=60)
    finally:
        worker.cancel()


async def test_every_event_is_sent_once_in_order_keyed_by_its_user(broker: Broker, replayer: Replayer) -> None:
    await with_worker(broker, replayer.replay(EVENTS, 1e9))
    sent = [msgspec.json.decode(message.value or b"", type=SampleEvent) for message in broker.messages]
    assert sent == EVENTS
    assert [message.key for message in broker.messages] == [event.user_id.encode() for event in EVENTS]
    assert {message.topic for message in broker.messages} == {Settings().topics.interactions}
    assert replayer.sent == len(EVENTS)


async def test_never_more_in_flight_than_the_broker_keeps(broker: Broker, replayer: Replayer) -> None:
    await with_worker(broker, replayer.replay(EVENTS, 1e9))
    assert broker.most_in_flight == MOST_IN_FLIGHT


async def test_the_pace_is_kept(broker: Broker, replayer: Replayer) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await with_worker(broker, replayer.replay(EVENTS[:100], 500.0))
    assert loop.time() - started >= 99 / 500
    assert broker.most_in_flight < 100


async def test_a_worker_that_stands_still_is_named(
    broker: Broker, replayer: Replayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    with pytest.raises(Stuck, match=r"lists for the events did not come: 0 of 1"):
        await replayer.replay(EVENTS, 1e9)


async def test_the_catalogue_is_sent_and_waited_for(broker: Broker, replayer: Replayer) -> None:
    rows: list[tuple[bytes | None, bytes]] = [(b"a", b"{}"), (b"b", b"{}")]
    known = iter((0, 0, 1, 1, 2))
    await replayer.send_catalogue(rows, lambda: next(known))
    assert [(m.topic, m.key, m.value) for m in broker.messages] == [
        (Settings().topics.catalogue, key, value) for key, value in rows
    ]
    assert next(known, None) is None


def test_counts_are_those_of_the_metrics() -> None:
    metrics = Metrics()
    assert read_counts(metrics) == Counts(0, 0, 0, 0)
    metrics.applied.inc(5)
    metrics.duplicate.inc(2)
    metrics.count_rejected("decode", "not_json")
    metrics.count_rejected("decode", "too_long")
    metrics.late.inc()
    metrics.filtered.inc()
    assert read_counts(metrics) == Counts(applied=5, duplicates=2, refused=2, others=2)
    assert read_counts(metrics).settled == 11


def test_a_role_without_partitions_is_not_assigned() -> None:
    metrics = Metrics()
    metrics.partitions.labels("intake").set(4)
    metrics.partitions.labels("interest").set(0)
    assert assigned_roles(metrics) == 1


def test_the_ledger_is_read_by_topic_and_partition() -> None:
    metrics = Metrics()
    metrics.ledger.labels("t", 3).set(17)
    assert ledger_offset(metrics, "t", 3) == 17
    assert ledger_offset(metrics, "t", 2) == -1
