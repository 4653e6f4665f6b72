"""Test, then learn: what is asked knows nothing of what is taken, and is what the worker would list."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest

from graph.model import Kind
from graph.ranking.weights import Weights, fixed_weights, next_visit_weights
from graph.settings import NextVisitSettings
from graph.state import HistoryEntry, UserState, decode_state
from stream.encoding import load_encoders
from stream.pipeline import Pipeline
from stream.ranker_training.log import Message
from stream.ranker_training.replay import (
    MOST_TOGETHER,
    Clock,
    Replay,
    Visits,
    micro_batches,
    taken_elsewhere,
    training_settings,
)
from stream.recommendations import NEXT_UP_SELL, RULED_LIST_IDS, UP_SELL
from stream.users import CachedUser
from tests.unit.stream.ranker_training import stepping_shop
from tests.unit.stream.sample_shop import SampleShop


@pytest.fixture
async def replay() -> AsyncIterator[Replay]:
    settings, clock = training_settings(stepping_shop.SETTINGS), Clock(stepping_shop.START_MS)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock)
    await pipeline.start()
    replay = Replay(pipeline, clock)
    await replay.catalogue(stepping_shop.catalogue(), lambda: None)
    yield replay
    await pipeline.close()


def view(user: int, item: int, minute: int) -> Message:
    at = stepping_shop.START_MS + 60_000 * minute
    event = {
        "event_id": f"{user}-{item}",
        "kind": "view",
        "user_id": f"u{user}",
        "item_id": f"i{item}",
        "occurred_at": at,
    }
    return Message(at, None, json.dumps(event).encode(), f"u{user}", (f"i{item}",))


async def test_what_no_item_has_is_said_of_the_lists_that_need_it() -> None:
    settings, clock = training_settings(stepping_shop.SETTINGS), Clock(stepping_shop.START_MS)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock)
    await pipeline.start()
    replay = Replay(pipeline, clock)
    mug = {"item_id": "mug", "category": ["Mugs"]}
    said = []
    for row in ({"item_id": "a"}, mug, mug | {"price": 2.0, "currency": "EUR"}):
        await replay.catalogue([(str(row["item_id"]).encode(), json.dumps(row).encode())], lambda: None)
        said.append(replay.lacks())
    await pipeline.close()
    assert said[0] == dict.fromkeys(RULED_LIST_IDS, "no item has a category")
    assert said[1] == dict.fromkeys((UP_SELL, NEXT_UP_SELL), "no item has a price")
    assert said[2] == {}


async def test_no_case_knows_what_is_taken(replay: Replay) -> None:
    """Every step is one that nobody has gone before, so no transition may lead to what is taken."""
    steps = [view(user, (3 * user + 7 * step) % stepping_shop.ITEMS, step) for step in range(3) for user in range(20)]
    ways = [(one.items, two.items) for user in range(20) for one, two in pairwise(steps[user::20])]
    assert len(set(ways)) == len(ways)
    asked: list[None] = []
    recorded = await replay.record(steps, lambda: asked.append(None))
    cross_sell, up_sell = recorded["cross_sell"], recorded["up_sell"]
    assert len(asked) == 60
    assert len(cross_sell) > 10
    assert len(up_sell) == 0
    assert all(values[hits, 1].max() == 0.0 for values, hits in zip(cross_sell.values, cross_sell.hits, strict=True))
    known = [view(20, 0, 9), view(23, 3, 9), view(20, 7, 10), view(23, 10, 10)]  # ways that two have gone
    again = (await replay.record(known, lambda: None))["cross_sell"]
    assert [values[hits, 1].max() > 0.1 for values, hits in zip(again.values, again.hits, strict=True)] == [True, True]


async def test_judging_counts_only_users_with_a_history(replay: Replay) -> None:
    settings = stepping_shop.SETTINGS.graph
    fixed = fixed_weights(settings.lists, settings.ranking)
    first = (await replay.judge([view(user, user, 0) for user in range(5)], [fixed, fixed], lambda: None))["cross_sell"]
    assert len(first) == 0
    again = [view(user, user + 9, 1) for user in range(5)]
    later = (await replay.judge(again, [fixed, fixed], lambda: None))["cross_sell"]
    assert len(later) == 5
    assert all(one == other for one, other in later.places)


async def test_a_visit_is_asked_about_once_with_all_that_is_taken_in_it(replay: Replay) -> None:
    day = 24 * 60
    first = [view(user, user, 0) for user in range(20)]
    await replay.record(first, lambda: None)
    visit = [view(user, (user + offset) % stepping_shop.ITEMS, day + offset) for offset in (1, 2) for user in range(20)]
    cases = await replay.record(visit, lambda: None)
    assert len(cases["next_visit_cross_sell"]) == 20
    assert len(cases["cross_sell"]) > 20
    assert len(cases["next_visit_up_sell"]) == 0
    taken = [int(hits.sum()) for hits in cases["next_visit_cross_sell"].hits]
    assert max(taken) == 2
    fixed = fixed_weights(stepping_shop.SETTINGS.graph.lists, stepping_shop.SETTINGS.graph.ranking)
    judged = await replay.judge([view(user, 40 + user, 2 * day) for user in range(5)], [fixed, fixed], lambda: None)
    assert len(judged["next_visit_cross_sell"]) == len(judged["cross_sell"]) == 5
    same_day = await replay.judge(
        [view(user, 30 + user, 2 * day + 5) for user in range(5)], [fixed, fixed], lambda: None
    )
    assert len(same_day["next_visit_cross_sell"]) == 0


def test_what_a_user_takes_on_a_day_is_each_item_once() -> None:
    day = 24 * 60
    visits = Visits([view(1, 5, 0), view(1, 4, 1), view(1, 5, 2), view(2, 6, 0), view(1, 7, 2 * day)])
    assert visits.taken(view(1, 5, 0)) == ["i5", "i4"]
    assert visits.taken(view(1, 7, 2 * day)) == ["i7"]


def test_a_user_is_asked_about_with_all_that_came_before() -> None:
    messages = [view(user % 7, user, user) for user in range(30)] + [view(100 + user, 0, 99) for user in range(150)]
    batches = list(micro_batches(messages))
    assert [message for batch in batches for message in batch] == messages
    assert all(len({message.user_id for message in batch}) == len(batch) <= MOST_TOGETHER for batch in batches)


def test_a_trial_gives_the_lists_that_would_be_published(
    sample_shop: SampleShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = Weights((0.1, 1.2, 1.6, 0.2, 0.5, 0.4, 1.2), (0.2, 0.9, 0.3, 0.4, 0.1), "linear-visit")
    learned = Weights((0.1, 1.2, 0.6, 0.2, 0.5, 0.4, 0.2), (0.2, 0.9, 0.3, 0.4, 0.1), "linear-test", visit)
    names = sorted(sample_shop.published())[:5]
    stored = sample_shop.run(sample_shop.pipeline.store.load_users(names))
    users = [CachedUser(name, 0, decode_state(stored[name].state)) for name in names]
    fixed = sample_shop.pipeline.knowledge.weights
    tried = sample_shop.run(sample_shop.refresher.trial(users, [fixed, learned]))
    assert tried.features == []
    for weights, lists in zip((fixed, learned), tried.lists, strict=True):
        monkeypatch.setattr(sample_shop.pipeline.knowledge, "weights", weights)
        refreshed = sample_shop.run(sample_shop.refresher.refresh(users, 0))
        assert [result.lists for result in refreshed] == lists
        assert {result.ranker for result in refreshed} == {weights.version}
        visits = {result.lists.next_visit.ranker for result in refreshed if result.lists.next_visit is not None}
        assert visits == {"linear-visit" if weights.next_visit else next_visit_weights(NextVisitSettings()).version}
    assert tried.lists[0] != tried.lists[1]


async def test_cross_sell_is_learned_and_judged_by_what_is_of_another_category_than_the_latest(replay: Replay) -> None:
    fixed = fixed_weights(stepping_shop.SETTINGS.graph.lists, stepping_shop.SETTINGS.graph.ranking)
    twin, other = stepping_shop.CATEGORIES, 1  # of the category of item 0, and of another
    ways = [view(user, item, minute) for minute, item in enumerate((other, twin)) for user in range(10, 14)]
    await replay.record(ways, lambda: None)  # so that the twin is a candidate for whoever has seen the other one
    await replay.record([view(8, 0, 2), view(9, other, 2), view(8, other, 3), view(9, 0, 3)], lambda: None)
    away_from_it = await replay.record([view(8, twin, 4)], lambda: None)
    still_there = await replay.record([view(9, twin, 4)], lambda: None)
    assert (len(away_from_it["cross_sell"]), len(still_there["cross_sell"])) == (1, 0)
    await replay.record([view(user, 0, 5) for user in range(4)], lambda: None)
    same = await replay.judge([view(user, twin, 6) for user in (0, 1)], [fixed], lambda: None)
    away = await replay.judge([view(user, other, 6) for user in (2, 3)], [fixed], lambda: None)
    assert (len(same["cross_sell"]), len(away["cross_sell"])) == (0, 2)


@pytest.mark.parametrize(
    ("history", "found"),
    [
        ([("i0", True)], ["i1"]),
        ([("i1", True), ("i0", True)], ["i1"]),
        ([("i0", True), ("i1", True)], ["i0", "i12"]),
        ([("i0", True), ("i1", False)], ["i1"]),  # taken back: the latest is the one before it
        ([("gone", True)], ["i0", "i12", "i1"]),
        ([], ["i0", "i12", "i1"]),
    ],
)
def test_what_is_taken_elsewhere(history: list[tuple[str, bool]], found: list[str]) -> None:
    categories = {"i0": "A", "i12": "A", "i1": "B"}
    entries = [HistoryEntry(at, f"e{at}", item, Kind.VIEW, active=active) for at, (item, active) in enumerate(history)]
    state = UserState(history=entries)
    assert taken_elsewhere(state, ["i0", "i12", "i1", "unheard-of"], categories.get) == found


async def test_lists_that_nobody_reads_are_not_made_and_change_no_case(replay: Replay) -> None:
    steps = [view(user, (3 * user + 7 * step) % stepping_shop.ITEMS, step) for step in range(4) for user in range(20)]
    settings, clock = training_settings(stepping_shop.SETTINGS), Clock(stepping_shop.START_MS)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock, lists=False)
    await pipeline.start()
    silent = Replay(pipeline, clock)
    await silent.catalogue(stepping_shop.catalogue(), lambda: None)
    found, expected = [(await one.record(steps, lambda: None))["cross_sell"] for one in (silent, replay)]
    await pipeline.close()
    assert len(expected.values) > 10
    for one, other in zip(found.values, expected.values, strict=True):
        np.testing.assert_array_equal(one, other)
