"""Partitions are taken over whatever Faust waits for, and a worker that stands still does not stay so."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from stream import batch_consumer
from stream.batch_consumer import StoodStill
from stream.batchpath import BatchApp
from stream.intray import Records
from stream.settings import Settings
from tests.contract.test_batchpath_contract import PARTITIONS, Recorder, broker, produce, settings, started

__all__ = ["broker", "settings"]  # fixtures

DEADLINE = 30.0


class Holding(Recorder):
    """Claims, asks or applies no further than it is let."""

    def __init__(self, held: str = "") -> None:
        super().__init__(starts={})
        self.held = held
        self.reached = asyncio.Event()
        self.free = asyncio.Event()
        self.cancelled = 0

    async def _hold(self, place: str) -> None:
        if place != self.held:
            return
        self.reached.set()
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def assigned(self, partitions: frozenset[int]) -> None:
        await self._hold("claim")
        await super().assigned(partitions)

    async def positions(self, partitions: frozenset[int]) -> Mapping[int, int] | None:
        await self._hold("positions")
        return await super().positions(partitions)

    async def apply(self, records: Records) -> Mapping[int, int]:
        await self._hold("apply")
        return await super().apply(records)


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()


async def rebalanced(app: BatchApp) -> None:
    """Take all partitions away and give them back, as the group does."""
    assignment = set(app.consumer.assignment())
    app.on_rebalance_start()
    await app.consumer.on_partitions_revoked(assignment)
    app.consumer_generation_id += 1
    await app.consumer.on_partitions_assigned(assignment, app.consumer_generation_id)


async def ticked(handler: Recorder) -> None:
    async with asyncio.timeout(DEADLINE):
        while not handler.ticks:
            handler.changed.clear()
            await handler.changed.wait()


def all_of(count: int) -> dict[int, list[int]]:
    return {p: list(range(count)) for p in range(PARTITIONS)}


async def test_a_ledger_that_is_awaited_longer_than_faust_waits_is_gone_on_from(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust gives a seek ``broker_request_timeout``, then cancels it, and its recovery ends with it for good."""
    handler = Holding()
    app = await started(handler, settings)
    ended, gone_on = app.on_rebalance_end, asyncio.Event()

    def end() -> None:
        ended()
        gone_on.set()

    try:
        await ticked(handler)
        monkeypatch.setattr(app, "on_rebalance_end", end)
        handler.held = "positions"
        await rebalanced(app)
        await soon(gone_on)
        produce(broker, 10)
        assert handler.got == all_of(0)
        assert not any(task.done() for task in app.tables.recovery._futures)
        handler.free.set()
        await handler.until(10 * PARTITIONS)
        assert handler.got == all_of(10)
        assert handler.cancelled == 0
    finally:
        await app.stop()


async def test_a_claim_that_waits_holds_up_neither_the_group_nor_the_next_claim(
    broker: str, settings: Settings
) -> None:
    """In the group's callback it would stop the heartbeat; late, it would fence whoever claimed meanwhile."""
    handler = Holding()
    app = await started(handler, settings)
    try:
        await ticked(handler)
        handler.held = "claim"
        async with asyncio.timeout(DEADLINE):
            await rebalanced(app)
        await soon(handler.reached)
        produce(broker, 10)
        handler.held = ""
        async with asyncio.timeout(DEADLINE):
            await rebalanced(app)
        await handler.until(10 * PARTITIONS)
        assert handler.got == all_of(10)
        assert handler.cancelled == 1
        assert handler.claims == [frozenset(range(PARTITIONS))] * 2
    finally:
        await app.stop()


async def test_partitions_are_taken_over_though_fausts_recovery_is_dead(broker: str, settings: Settings) -> None:
    """Its task ends without a word when what it waits for is cancelled."""
    handler = Holding()
    app = await started(handler, settings)
    try:
        await ticked(handler)
        for task in app.tables.recovery._futures:
            task.cancel()
        await rebalanced(app)
        produce(broker, 10)
        await handler.until(10 * PARTITIONS)
        assert handler.got == all_of(10)
    finally:
        await app.stop()


@pytest.mark.parametrize("patient", [True, False])
async def test_a_seek_waits_for_the_broker_as_long_as_patience_lasts(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    armed = asyncio.Event()
    monkeypatch.setattr("stream.batch_consumer.arm_exit", armed.set)
    monkeypatch.setattr(batch_consumer, "_RETRY_SECONDS", 0.01)
    handler = Holding()
    app = await started(handler, settings)
    consumer, asked = app.consumer, 0
    earliest = consumer.earliest_offsets

    async def away(*partitions: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked <= 3:
            raise KafkaTimeoutError("nobody answers")
        return await earliest(*partitions)

    try:
        await ticked(handler)
        monkeypatch.setattr(consumer, "earliest_offsets", away)
        if not patient:
            app.patience_seconds = 0.0
        await rebalanced(app)
        if patient:
            produce(broker, 10)
            await handler.until(10 * PARTITIONS)
            assert handler.got == all_of(10)
            assert asked == 4
        else:
            await soon(armed)
            assert type(app.crash_reason) is KafkaTimeoutError
            assert asked <= 3
    finally:
        await app.stop()


async def test_what_retention_took_is_told_once_however_often_the_seek_is_tried(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, too: said before the seek, it would be counted with every try."""
    monkeypatch.setattr(batch_consumer, "_RETRY_SECONDS", 0.01)
    handler = Holding()
    app = await started(handler, settings)
    consumer, tried, first_kept = app.consumer, 0, 4
    seek_wait = consumer.seek_wait

    async def kept(*partitions: Any) -> Any:
        return dict.fromkeys(partitions, first_kept)

    async def away(positions: Any) -> None:
        nonlocal tried
        tried += 1
        if tried <= 3:
            raise KafkaTimeoutError("nobody answers")
        await seek_wait(positions)

    try:
        await ticked(handler)
        produce(broker, 10)
        await handler.until(10 * PARTITIONS)
        monkeypatch.setattr(consumer, "earliest_offsets", kept)
        monkeypatch.setattr(consumer, "seek_wait", away)
        handler.starts = {p: 7 for p in range(PARTITIONS)} | {0: 2}
        await rebalanced(app)
        await handler.until(10 * PARTITIONS + 6 + 3 * (PARTITIONS - 1))
        assert tried == 4
        assert handler.lost == [(0, 2, first_kept)]
    finally:
        await app.stop()


@pytest.mark.parametrize("broken", ["fetch", "agent", "takeover"])
async def test_who_stands_still_crashes(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    armed = asyncio.Event()
    monkeypatch.setattr("stream.batch_consumer.arm_exit", armed.set)
    handler = Holding()
    app = await started(handler, settings)

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def cancelled(*_: Any) -> Any:
        raise asyncio.CancelledError

    try:
        await ticked(handler)
        app.most_still_seconds = 1.0
        if broken == "fetch":
            monkeypatch.setattr(app.consumer, "_getmany", never)
        elif broken == "agent":
            monkeypatch.setattr(app.intray, "take", never)  # at its next turn
        else:
            monkeypatch.setattr(app.consumer, "seek_wait", cancelled)
            await rebalanced(app)
        await soon(armed)
        assert type(app.crash_reason) is StoodStill
    finally:
        await app.stop()


async def test_who_waits_for_a_server_is_not_taken_for_one_that_stands_still(
    broker: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_consumer, "_WATCH_SECONDS", 0.01)
    handler = Holding()
    app = await started(handler, settings)
    consumer = app.consumer
    sleep, looks, enough = consumer.sleep, 0, asyncio.Event()

    async def counted(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks % 20 == 0:
            enough.set()
        await sleep(seconds)

    try:
        await ticked(handler)
        monkeypatch.setattr(consumer, "sleep", counted)
        for place in ("apply", "claim", "positions"):
            handler.held = place
            if place != "apply":
                await rebalanced(app)
            await soon(handler.reached)
            for _ in range(2):  # the first may have begun before
                enough.clear()
                await soon(enough)
            assert consumer.still_seconds == 0, place
            handler.held = ""
            handler.free.set()
            handler.free, handler.reached = asyncio.Event(), asyncio.Event()
        produce(broker, 10)
        await handler.until(10 * PARTITIONS)
    finally:
        await app.stop()
