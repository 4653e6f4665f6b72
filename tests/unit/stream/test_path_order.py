"""Order and time, through the whole path in memory: the graph is a function of the set of events."""

import random
from typing import Any

import pytest

from graph.snapshot import GraphSnapshot, differences, snapshot
from stream.settings import Settings
from tests.integration.deliveries import shuffled_within_a_day
from tests.integration.shop import Message, Shop, make_shop
from tests.unit.stream.test_pipeline import NOW, check, rest, running, send_catalogue, settings

__all__ = ["settings"]  # the fixture

SEEDS = range(50)


def small_shop(seed: int, **changes: Any) -> Shop:
    return make_shop(seed, 120, users=12, items=40, categories=6, now=NOW, duplicates=0.0, malformed=0.0, **changes)


async def graph_of(
    settings: Settings, shop: Shop, messages: list[Message], seed: int, max_records: int
) -> GraphSnapshot:
    """Return the graph at rest after these deliveries, each on whatever partition chance chooses."""
    dice = random.Random(seed)
    topics = settings.topics
    async with running(settings, max_records=max_records) as pipeline:
        send_catalogue(pipeline, shop)
        for message in messages:
            pipeline.log.append(topics.interactions, None, message.value, dice.randrange(topics.partitions))
        await rest(pipeline)
        await check(pipeline, shop)
        return await snapshot(pipeline.store)


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_to_five_deliveries_shuffled_within_a_day_lead_to_the_same_graph(
    settings: Settings, seed: int
) -> None:
    shop = small_shop(seed)
    in_order = sorted(shop.messages, key=lambda message: message.at)
    delivered = shuffled_within_a_day(shop.messages, seed)
    straight = await graph_of(settings, shop, in_order, seed, max_records=1_000)
    other = await graph_of(settings, shop, delivered, seed + 1, max_records=random.Random(seed).randint(1, 60))
    assert list(differences(straight, other, settings.graph)) == []


async def test_deliveries_are_what_the_tests_say_they_are() -> None:
    shop = small_shop(1)
    delivered = shuffled_within_a_day(shop.messages, 1)
    times = [message.at for message in delivered]
    copies = [delivered.count(message) for message in shop.messages]
    assert set(copies) == {1, 2, 3, 4, 5}
    assert times != sorted(times)
    assert all(late < 86_400_000 for late in _lateness(times))


def _lateness(times: list[int]) -> list[int]:
    """Return how much older each delivery is than the newest before it."""
    newest, found = 0, []
    for at in times:
        found.append(max(0, newest - at))
        newest = max(newest, at)
    return found


async def test_events_that_come_weeks_late_count_as_if_they_had_not(settings: Settings) -> None:
    shop = small_shop(7)
    latest_first = sorted(shop.messages, key=lambda message: -message.at)
    straight = await graph_of(settings, shop, latest_first[::-1], 7, 1_000)
    late = await graph_of(settings, shop, latest_first, 8, 3)
    assert list(differences(straight, late, settings.graph)) == []


async def test_refunds_before_their_purchases(settings: Settings) -> None:
    """Every refund and removal first, one record per batch; then what they take back."""
    shop = small_shop(9)
    backward = [m for m in shop.messages if b'"refund"' in (m.value or b"") or b"emove" in (m.value or b"")]
    others = [message for message in shop.messages if message not in backward]
    assert len(backward) >= 5
    straight = await graph_of(settings, shop, others + backward, 9, 1_000)
    early = await graph_of(settings, shop, backward + others, 10, 1)
    assert list(differences(straight, early, settings.graph)) == []


async def test_one_users_events_over_all_source_partitions(settings: Settings) -> None:
    shop = make_shop(11, 150, users=1, items=40, categories=6, now=NOW, duplicates=0.0, malformed=0.0)
    assert {event["user_id"] for event in shop.good} == {"user-0"}
    in_order = sorted(shop.messages, key=lambda message: message.at)
    graphs = [await graph_of(settings, shop, in_order, seed, size) for seed, size in ((1, 1_000), (2, 1), (3, 17))]
    for graph in graphs[1:]:
        assert list(differences(graphs[0], graph, settings.graph)) == []
