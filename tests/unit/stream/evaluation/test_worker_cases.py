"""Asking the worker for the cases of a test: it processed what the test knows, and nothing of what it asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream.encoding import load_encoders
from stream.evaluation import worker_cases
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import IntArray
from stream.evaluation.plan import Protocol, Shop, plan, read_shop
from stream.evaluation.protocols.last_step import last_step_splits
from stream.evaluation.reading import RawEvents
from stream.evaluation.shop import Sequence, build_log
from stream.evaluation.worker_cases import ask_for_cases, latest_known, run_worker_on_cases
from stream.evaluation.worker_kinds import are_known
from stream.evaluation.worker_lists import LISTS
from stream.evaluation.worker_told import (
    catalogue_messages,
    event_message,
    opened_worker,
    shift_of,
    tell,
    tell_catalogue,
    worker_settings,
)
from stream.pipeline import Pipeline
from stream.recommendations import RULED_LIST_IDS, Recommendation, decode
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import DAY_MS, with_sessions, write_shop

SETTINGS = Settings.model_validate(
    {
        "encoder": {"text": "hashing"},
        "graph": {"association": {"min_users": 1, "min_log_likelihood_ratio": 0.0}},
        "worker": {"max_batch_users": 4},
    }
)
END = 1_700_000_000_000
NOBODY = np.empty(0, np.int64)
KINDS = ("view", "purchase", "cart", "click")
USERS = 12
MARK = "777"
TEST_DAYS = 10.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    events, items = write_shop(tmp_path_factory.mktemp("shop"), users=25, items=30)
    return read_shop([events], items, Protocol.LEAVE_ONE_OUT)


@pytest.fixture
async def pipeline(shop: Shop) -> AsyncIterator[Pipeline]:
    """A worker that has processed the shop's events."""
    settings = worker_settings(SETTINGS)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), lambda: END)
    await pipeline.start()
    for key, value in catalogue_messages(shop.catalogue):
        pipeline.log.append(settings.topics.catalogue, key, value)
    await pipeline.drain()
    for place in range(len(shop.raw)):
        pipeline.log.append(settings.topics.interactions, None, event_message(shop.raw, place, shift_of(shop.raw)))
    await pipeline.drain()
    yield pipeline
    await pipeline.close()


def strangers(shop: Shop, kinds: tuple[str, ...] = KINDS) -> tuple[RawEvents, Cases]:
    """Users of whom the worker has heard nothing: five events each, of all kinds, some at one moment, some priced."""
    rows = [(number, user) for number in range(5) for user in range(USERS)]
    ids = shop.catalogue.item_ids
    raw = RawEvents(
        users=[f"new-{user}" for _, user in rows],
        items=[ids[(7 * user + 3 * number * number) % len(ids)] for number, user in rows],
        kinds=[kinds[(number + user) % len(kinds)] for number, user in rows],
        times=np.array([DAY_MS * (number // 2) for number, _ in rows], np.int64),
        prices=np.array([np.nan if user % 2 else 3.5 for _, user in rows]),
        sessions=[""] * len(rows),
        tested=np.zeros(len(rows), np.bool_),
    )
    log, _ = build_log(raw, shop.catalogue, Sequence.USER)
    return raw, next(last_step_splits(log, shop.catalogue)).cases


async def answers(pipeline: Pipeline, shop: Shop, raw: RawEvents, cases: Cases) -> dict[str, IntArray]:
    steps: list[None] = []
    lists, broken = await ask_for_cases(pipeline, raw, shop.catalogue, cases, lambda: steps.append(None))
    assert len(steps) == len(cases)
    assert not broken
    return lists


def published(pipeline: Pipeline) -> list[Recommendation]:
    (records,) = pipeline.log.topics[pipeline.settings.topics.recommendations]
    return [decode(record.value) for record in records if record.value]


async def test_the_answer_is_what_a_worker_publishes_of_a_user_who_did_all_that(pipeline: Pipeline, shop: Shop) -> None:
    raw, cases = strangers(shop)
    assert len(cases) == USERS
    listed = dict.fromkeys(RULED_LIST_IDS, 0)
    for case in range(len(cases)):
        one = cases.select(np.array([case]))
        assert len(one.items) == 4
        assert len({raw.kinds[place] for place in one.places}) == 4
        found = await answers(pipeline, shop, raw, one)
        for place in one.places.tolist():
            message = event_message(raw, place, shift_of(raw))
            pipeline.log.append(pipeline.settings.topics.interactions, None, message)
        await pipeline.drain()
        newest = published(pipeline)[-1]
        assert newest.user_id == raw.users[one.places[0]]
        for name, items in newest.lists().items():
            ids = [shop.catalogue.item_ids[code] for code in found[name][0] if code >= 0]
            assert ids == [item.item_id for item in items]
            listed[name] += len(ids)
    assert all(count > USERS for count in listed.values())


async def test_whoever_asks_with_whom_and_when_hears_the_same(
    pipeline: Pipeline, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, cases = strangers(shop)
    sizes: list[int] = []
    refresh = pipeline.refresher.refresh

    async def counted(users: list[object], now: int) -> object:
        sizes.append(len(users))
        return await refresh(users, now)  # type: ignore[arg-type]

    before = {topic: [len(records) for records in logs] for topic, logs in pipeline.log.topics.items()}
    monkeypatch.setattr(pipeline.refresher, "refresh", counted)
    together = await answers(pipeline, shop, raw, cases)
    assert sizes == [4, 4, 4]  # at most max_batch_users
    later = replace(cases, at=cases.at + 400 * DAY_MS)
    alone = [await answers(pipeline, shop, raw, later.select(np.array([case]))) for case in reversed(range(USERS))]
    for name in LISTS:
        assert np.array_equal(np.concatenate([one[name] for one in reversed(alone)]), together[name])
    await pipeline.drain()
    assert {topic: [len(records) for records in logs] for topic, logs in pipeline.log.topics.items()} == before
    assert await pipeline.store.load_users(sorted(set(raw.users))) == {}


async def test_kinds_are_told_as_they_are(pipeline: Pipeline, shop: Shop) -> None:
    """What was bought is listed no more."""
    raw, cases = strangers(shop, ("purchase",))
    bought = await answers(pipeline, shop, raw, cases)
    viewed = await answers(pipeline, shop, replace(raw, kinds=["view"] * len(raw)), cases)
    again = [np.isin(viewed["cross_sell"][case], of_case(cases, case)).any() for case in range(USERS)]
    assert any(again)
    for name in LISTS:
        assert not any(np.isin(bought[name][case], of_case(cases, case)).any() for case in range(USERS))


def of_case(cases: Cases, case: int) -> IntArray:
    return cases.items[cases.offsets[case] : cases.offsets[case + 1]]


async def test_who_did_nothing_that_the_worker_knows_has_no_list(pipeline: Pipeline, shop: Shop) -> None:
    raw, cases = strangers(shop)
    nobody = np.isin(cases.rows, (0, 5))
    some = await answers(pipeline, shop, raw, cases.with_history(~nobody))
    every = await answers(pipeline, shop, raw, cases)
    for name in LISTS:
        assert (some[name][[0, 5]] == -1).all()
        others = [case for case in range(USERS) if case not in (0, 5)]
        assert np.array_equal(some[name][others], every[name][others])


def test_the_latest_known_interactions_are_told_in_order_of_time(shop: Shop) -> None:
    known = np.arange(len(shop.raw)) % 3 > 0
    split = next(plan(shop, Protocol.LEAVE_ONE_OUT, None, 1.0)).split
    every = latest_known(split.knowledge.log, known, 10**6)
    assert (np.diff(every) > 0).all()
    assert set(every.tolist()) == {place for place in split.knowledge.log.places.tolist() if place % 3}
    assert latest_known(split.knowledge.log, known, 7).tolist() == every[-7:].tolist()
    assert not len(latest_known(split.knowledge.log, np.zeros(len(shop.raw), np.bool_), 7))


def marked_shop(folder: Path, protocol: Protocol) -> tuple[Shop, int, int]:
    """Write a shop in which what the test must not tell has a price of its own; return it, the cut, and how many."""
    events, items = write_shop(folder, users=40, items=30)
    events = with_sessions(events, folder, 2 if protocol is Protocol.NEXT_BASKET else 100)
    header, *lines = events.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    last = {row[1]: number for number, row in enumerate(rows)}
    ends = [int(row[4]) for row in rows]
    cut = round(0.6 * ends[-1])
    marks = {
        Protocol.LEAVE_ONE_OUT: [last[row[1]] == number for number, row in enumerate(rows)],
        Protocol.NEXT_BASKET: [at >= cut for at in ends],
        Protocol.SESSION: [ends[last[row[1]]] > ends[-1] - TEST_DAYS * DAY_MS for row in rows],
    }[protocol]
    for row, mark in zip(rows, marks, strict=True):
        row[5] = MARK if mark else ""
    events.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return read_shop([events], items, protocol), cut, sum(marks)


@pytest.mark.parametrize("protocol", [Protocol.LEAVE_ONE_OUT, Protocol.NEXT_BASKET, Protocol.SESSION])
async def test_nothing_that_a_test_withholds_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: Protocol
) -> None:
    shop, cut, withheld = marked_shop(tmp_path, protocol)
    split = next(plan(shop, protocol, cut, TEST_DAYS)).split
    opened: list[Pipeline] = []

    @asynccontextmanager
    async def watched(base: Settings, at_once: int, *, lists: bool) -> AsyncIterator[object]:
        async with opened_worker(base, at_once, lists=lists) as (pipeline, clock):
            opened.append(pipeline)
            monkeypatch.setattr(pipeline.log, "forget", lambda: None)
            yield pipeline, clock

    monkeypatch.setattr(worker_cases, "opened_worker", watched)
    places = latest_known(split.knowledge.log, are_known(shop.raw), 10**6)
    steps: list[None] = []
    found = await run_worker_on_cases(
        shop.raw, shop.catalogue, SETTINGS, places, split.cases, lambda: steps.append(None), NOBODY
    )
    assert len(steps) == len(places) + len(split.cases)
    (records,) = opened[0].log.topics[SETTINGS.topics.interactions]
    told = [msgspec.json.decode(record.value or b"") for record in records]
    assert withheld > 0
    assert len(told) == len(places) == len(shop.raw) - withheld
    assert not any(event.get("price") == float(MARK) for event in told)
    assert [event["item_id"] for event in told] == [shop.raw.items[place] for place in places]
    assert found.heard.sum() == len({event["item_id"] for event in told})
    for name in LISTS:
        assert found.lists[name].shape == (len(split.cases), 10)
    assert (found.lists["cross_sell"][:, 0] >= 0).mean() > 0.9
    history = [shop.raw.items[place] for place in split.cases.places]
    assert history == [shop.catalogue.item_ids[code] for code in split.cases.items]
    assert [int(shop.raw.times[place]) for place in split.cases.places] == split.cases.times.tolist()


async def test_the_worker_asked_processes_no_more_than_it_is_given(shop: Shop) -> None:
    split = next(plan(shop, Protocol.LEAVE_ONE_OUT, None, 1.0)).split
    places = latest_known(split.knowledge.log, are_known(shop.raw), 10**6)

    async def run(chosen: IntArray, items: IntArray) -> tuple[dict[str, IntArray], IntArray]:
        found = await run_worker_on_cases(
            shop.raw, shop.catalogue, SETTINGS, chosen, split.cases, lambda: None, items
        )  # fmt: skip
        return found.lists, found.asked

    few, nothing = await run(places[-20:], NOBODY)
    every, asked = await run(places, np.array([3, 1]))
    assert nothing.shape == (0, 10)
    assert asked.shape == (2, 10)
    assert not np.array_equal(few["cross_sell"], every["cross_sell"])


async def test_lists_that_nobody_reads_are_not_made_and_change_no_answer(shop: Shop, pipeline: Pipeline) -> None:
    raw, cases = strangers(shop)
    async with opened_worker(SETTINGS, lists=False) as (silent, clock):
        clock.now = END
        await tell_catalogue(silent, shop.catalogue)
        await tell(silent, clock, shop.raw, range(len(shop.raw)))
        topic = silent.settings.topics.recommendations
        (made,), (unread,) = pipeline.log.topics[topic], silent.log.topics[topic]
        assert any(decode(record.value).cross_sell for record in made)
        assert unread
        assert not any(decode(record.value).cross_sell for record in unread)
        found, expected = [await answers(asked, shop, raw, cases) for asked in (silent, pipeline)]
    assert found.keys() == expected.keys()
    assert any((expected[name] >= 0).any() for name in expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
