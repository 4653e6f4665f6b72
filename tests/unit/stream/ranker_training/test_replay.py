"""Test, then learn: what is asked knows nothing of what is taken, and is what the worker would list."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from graph.ranking.weights import Weights, fixed_weights
from graph.state import decode_state
from stream.encoding import load_encoders
from stream.pipeline import Pipeline
from stream.ranker_training.log import Message
from stream.ranker_training.replay import MOST_TOGETHER, Clock, Replay, micro_batches, training_settings
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


async def test_no_case_knows_what_is_taken(replay: Replay) -> None:
    """Every step is one that nobody has gone before, so no transition may lead to what is taken."""
    steps = [view(user, (3 * user + 7 * step) % stepping_shop.ITEMS, step) for step in range(3) for user in range(20)]
    ways = [(one.items, two.items) for user in range(20) for one, two in pairwise(steps[user::20])]
    assert len(set(ways)) == len(ways)
    asked: list[None] = []
    cross_sell, up_sell = await replay.record(steps, lambda: asked.append(None))
    assert len(asked) == 60
    assert len(cross_sell) > 10
    assert len(up_sell) == 0
    assert all(values[hits, 1].max() == 0.0 for values, hits in zip(cross_sell.values, cross_sell.hits, strict=True))
    known = [view(20, 0, 9), view(23, 3, 9), view(20, 7, 10), view(23, 10, 10)]  # ways that two have gone
    again, _ = await replay.record(known, lambda: None)
    assert [values[hits, 1].max() for values, hits in zip(again.values, again.hits, strict=True)] == [1.0, 1.0]


async def test_judging_counts_only_users_with_a_history(replay: Replay) -> None:
    settings = stepping_shop.SETTINGS.graph
    fixed = fixed_weights(settings.lists, settings.ranking)
    first, _ = await replay.judge([view(user, user, 0) for user in range(5)], [fixed, fixed], lambda: None)
    assert len(first) == 0
    later, _ = await replay.judge([view(user, user + 9, 1) for user in range(5)], [fixed, fixed], lambda: None)
    assert len(later) == 5
    assert all(one == other for one, other in later.places)


def test_a_user_is_asked_about_with_all_that_came_before() -> None:
    messages = [view(user % 7, user, user) for user in range(30)] + [view(100 + user, 0, 99) for user in range(150)]
    batches = list(micro_batches(messages))
    assert [message for batch in batches for message in batch] == messages
    assert all(len({message.user_id for message in batch}) == len(batch) <= MOST_TOGETHER for batch in batches)


def test_a_trial_gives_the_lists_that_would_be_published(
    sample_shop: SampleShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = Weights((0.1, 1.2, 0.6, 0.2, 0.5, 0.4, 0.2), (0.2, 0.9, 0.3, 0.4, 0.1), "linear-test")
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
    assert tried.lists[0] != tried.lists[1]
