"""The worker's own code, one interaction at a time."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graph.settings import NextVisitSettings
from stream.bundles import FORMAT, Bundle, DeltaMessage, encode
from stream.encoding import load_encoders
from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.protocols.prequential import DELAYS_MS
from stream.evaluation.worker_lists import LISTS, for_next_visit, published_figures
from stream.evaluation.worker_run import run_worker
from stream.evaluation.worker_told import catalogue_messages, event_message
from stream.evaluation.worker_told import worker_settings as settings_of
from stream.pipeline import Pipeline
from stream.recommendations import Recommendation, decode
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import write_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    events, items = write_shop(tmp_path_factory.mktemp("shop"), users=25, items=30)
    return read_shop([events], items, Protocol.PREQUENTIAL)


@pytest.fixture(scope="module")
def settings() -> Settings:
    values: dict[str, Any] = {
        "encoder": {"text": "hashing"},
        "graph": {"association": {"min_users": 1, "min_log_likelihood_ratio": 0.0}},
    }
    return Settings(**values)


async def test_lists_are_tested_before_the_interaction_is_learned(shop: Shop, settings: Settings) -> None:
    steps = []
    found = await run_worker(shop.raw, shop.catalogue, settings, 10_000, lambda: steps.append(1))
    assert len(steps) == len(found.milliseconds) == round(0.2 * len(shop.raw))
    seen = set(shop.raw.users[: len(shop.raw) - len(steps)])
    known = []
    for place in range(len(shop.raw) - len(steps), len(shop.raw)):
        if shop.raw.users[place] in seen:
            known.append(shop.catalogue.codes[shop.raw.items[place]])
        seen.add(shop.raw.users[place])
    assert found.targets.tolist() == known  # a user's first interaction is no test
    assert not found.broken
    for name in LISTS:
        assert found.lists[name].shape == (len(known), 10)
    assert (found.lists["cross_sell"][:, 0] >= 0).all()
    figures = published_figures(found)
    assert figures["stream"]["tests"] == len(known)
    hits = (found.lists["cross_sell"] == found.targets[:, None]).any(axis=1)
    assert figures["cross-sell"]["HR@10"] == pytest.approx(hits.mean())


async def test_late_lists_are_those_of_so_long_before(shop: Shop, settings: Settings) -> None:
    found = await run_worker(shop.raw, shop.catalogue, settings, 10_000, lambda: None)
    last: dict[str, int] = {}
    untouched = renewed = 0
    cases = {place: case for case, place in enumerate(found.places.tolist())}
    for place, (user, at) in enumerate(zip(shop.raw.users, shop.raw.times.tolist(), strict=True)):
        case = cases.get(place)
        for delay, lists in found.late.items() if case is not None else ():
            same = (lists["cross_sell"][case] == found.lists["cross_sell"][case]).all()
            if last[user] <= at - DELAYS_MS[delay]:
                assert same  # the user did nothing since: the list is the one of now
                untouched += 1
            renewed += not same
        last[user] = at
    assert untouched > 10
    assert renewed > 10
    figures = published_figures(found)
    hits = (found.late["1 day late"]["cross_sell"] == found.targets[:, None]).any(axis=1)
    assert figures["cross-sell 1 day late"]["HR@10"] == pytest.approx(hits.mean())


async def test_the_same_events_give_the_same_lists_again(shop: Shop, settings: Settings) -> None:
    runs = [await run_worker(shop.raw, shop.catalogue, settings, 60, lambda: None) for _ in range(2)]
    for name in LISTS:
        assert np.array_equal(runs[0].lists[name], runs[1].lists[name])


async def test_lists_for_the_next_visit_are_tested_too_unless_none_are_made(shop: Shop, settings: Settings) -> None:
    found = await run_worker(shop.raw, shop.catalogue, settings, 60, lambda: None)
    later = for_next_visit(found)
    assert later is not None
    assert later.lists is found.next_visit
    assert later.lists.keys() == found.lists.keys()
    assert later.late.keys() == found.late.keys()
    assert later.lists["cross_sell"].shape == found.lists["cross_sell"].shape
    assert not np.array_equal(later.lists["cross_sell"], found.lists["cross_sell"])
    without = settings.graph.model_copy(update={"next_visit": NextVisitSettings(enabled=False)})
    off = await run_worker(shop.raw, shop.catalogue, settings.model_copy(update={"graph": without}), 60, lambda: None)
    assert for_next_visit(off) is None
    for name in LISTS:
        assert np.array_equal(off.lists[name], found.lists[name])


async def lists_at_rest(shop: Shop, base: Settings, *, one_by_one: bool) -> dict[str, Recommendation]:
    """Return every user's lists once all is processed and all users have been refreshed."""
    settings = settings_of(base)
    topics = settings.topics
    pipeline = Pipeline(settings, load_encoders(settings.encoder), lambda: 1_700_000_000_000)
    await pipeline.start()
    try:
        for key, value in catalogue_messages(shop.catalogue):
            pipeline.log.append(topics.catalogue, key, value)
        await pipeline.drain()
        for place in range(len(shop.raw)):
            message = event_message(shop.raw, place, 1_600_000_000_000)
            pipeline.log.append(topics.interactions, None, message)
            if one_by_one:
                await pipeline.drain()
        await pipeline.drain()
        # As `interestream refresh --all`: associations first, then every user.
        pipeline.log.append(topics.transitions, None, encode(DeltaMessage(FORMAT, "")), 0)
        await pipeline.drain()
        pipeline.log.append(topics.bundles, None, encode(Bundle(FORMAT, (), (), tuple(sorted(set(shop.raw.users))))), 0)
        await pipeline.drain()
        records = pipeline.log.topics[topics.recommendations][0]
        return {found.user_id: found for found in (decode(record.value) for record in records if record.value)}
    finally:
        await pipeline.close()


async def test_event_by_event_and_all_at_once_give_the_same_lists(shop: Shop, settings: Settings) -> None:
    alone = await lists_at_rest(shop, settings, one_by_one=True)
    together = await lists_at_rest(shop, settings, one_by_one=False)
    assert alone.keys() == together.keys() == set(shop.raw.users)
    for user, found in alone.items():
        others = together[user].lists()
        for name, items in found.lists().items():
            assert [item.item_id for item in items] == [item.item_id for item in others[name]]
    assert any(found.up_sell for found in alone.values())


def test_times_and_kinds_are_told_as_a_tracker_would(shop: Shop) -> None:
    raw = replace(shop.raw, kinds=["cart", *shop.raw.kinds[1:]])
    assert b'"kind":"add_to_cart"' in event_message(raw, 0, 5)
    assert f'"occurred_at":{int(raw.times[0]) + 5}'.encode() in event_message(raw, 0, 5)


def test_the_example_shop_has_what_the_tests_need(shop: Shop) -> None:
    assert len(shop.raw) > 100
    assert len(set(shop.catalogue.categories)) == 6
