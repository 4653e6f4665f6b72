"""What gathers while an agent is at work: in order, bounded, handed over whole."""

import asyncio

import pytest
from aiokafka import ConsumerRecord

from stream.intray import Intray


def record(offset: int, value: bytes | None = b"") -> ConsumerRecord:
    return ConsumerRecord("events", 0, offset, 0, 0, None, value, None, 0, 0, ())


async def test_everything_that_gathered_is_handed_over_in_order() -> None:
    tray = Intray(100)
    tray.put({0: [record(1), record(2)], 1: [record(7)]})
    tray.put({0: [record(3)]})
    assert tray.size == 4
    taken = await tray.take()
    assert {p: [r.offset for r in batch] for p, batch in taken.items()} == {0: [1, 2, 3], 1: [7]}
    assert tray.size == 0


async def test_an_empty_put_is_a_tick() -> None:
    tray = Intray(100)
    waiting = asyncio.ensure_future(tray.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    tray.put({})
    assert await waiting == {}


async def test_what_was_cleared_is_never_taken() -> None:
    tray = Intray(100)
    waiting = asyncio.ensure_future(tray.take())
    await asyncio.sleep(0)
    tray.put({0: [record(1)]})
    tray.clear()  # before the one who waits has its turn
    await asyncio.sleep(0)
    assert not waiting.done()
    tray.put({0: [record(5)]})
    assert [r.offset for r in (await waiting)[0]] == [5]


@pytest.mark.parametrize(
    ("records", "full"),
    [
        ([record(0, b"1234")] * 2, False),
        ([record(0, b"1234")] * 3, True),
        ([record(0, b"123456789")] * 2, True),
        ([record(0, None)] * 2, False),
    ],
    ids=["neither", "records", "bytes", "null values"],
)
async def test_it_is_full_by_records_or_by_bytes(records: list[ConsumerRecord], full: bool) -> None:
    tray = Intray(3, most_bytes=18)
    tray.put({0: records})
    assert tray.full is full
    await tray.take()
    assert not tray.full
