"""A worker whose batch does not end fetches no more than it can hold, whatever waits in the topic."""

import asyncio
from collections.abc import Mapping

import pytest

from stream.batchpath import BatchApp
from stream.intray import Intray, Records
from stream.settings import Settings, WorkerSettings
from tests.contract.test_batchpath_contract import PARTITIONS, Recorder, broker, produce, settings

__all__ = ["broker", "settings"]  # fixtures

PER_PARTITION = 500
BATCH = 100
MOST_AHEAD = 2 * BATCH
"""A full intray, and a fetch that began when it was not."""


class Slow(Recorder):
    """A handler that holds its first batch until it is let go."""

    def __init__(self) -> None:
        super().__init__(starts={})
        self.let_go = asyncio.Event()
        self.holds = asyncio.Event()
        self.in_hand = 0

    async def apply(self, records: Records) -> Mapping[int, int]:
        if records:
            self.in_hand = _size(records)
            self.holds.set()
            await self.let_go.wait()
        return await super().apply(records)


class Watched(Intray):
    """An intray that tells when it is full, and the most records that it ever held."""

    def __init__(self, most_records: int) -> None:
        super().__init__(most_records)
        self.filled = asyncio.Event()
        self.most = 0

    def put(self, records: Records) -> None:
        super().put(records)
        self.most = max(self.most, self.size)
        if self.full:
            self.filled.set()


def _size(records: Records) -> int:
    return sum(map(len, records.values()))


@pytest.fixture
def small_batches(settings: Settings) -> Settings:
    worker = WorkerSettings(linger_seconds=0.0, max_batch_events=BATCH, patience_seconds=3_600)
    return settings.model_copy(update={"worker": worker})


async def test_no_more_is_fetched_than_two_batches_ahead(broker: str, small_batches: Settings) -> None:
    produce(broker, PER_PARTITION)
    handler = Slow()
    app = BatchApp("test", handler, small_batches, None)
    watched = Watched(BATCH)
    assert app.intray._most_records == BATCH
    app.intray = watched
    app.finalize()
    await app.start()
    try:
        async with asyncio.timeout(30):
            await watched.filled.wait()
            await handler.holds.wait()
        produce(broker, 1)  # goes through the broker, and no further
        assert BATCH <= watched.most < MOST_AHEAD
        assert 0 < handler.in_hand < MOST_AHEAD
        handler.let_go.set()
        await handler.until(PARTITIONS * (PER_PARTITION + 1))
        assert handler.got == {p: list(range(PER_PARTITION + 1)) for p in range(PARTITIONS)}
        assert watched.most < MOST_AHEAD
    finally:
        handler.let_go.set()
        await app.stop()


def test_waiting_for_a_server_is_no_reason_to_leave_the_group(small_batches: Settings) -> None:
    app = BatchApp("test", Slow(), small_batches, None)
    assert app.conf.broker_max_poll_interval == 7_200.0
