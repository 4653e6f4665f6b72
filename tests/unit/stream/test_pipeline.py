"""The whole path in one process: order, redelivery, batch borders, late catalogues and crashes leave no trace."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from graph.memory_store import MemoryGraphStore
from graph.store import Fenced, UserView
from stream.agents.interest import InterestAgent
from stream.bundles import FORMAT, DeltaMessage, encode
from stream.encoding import Encoders, load_encoders
from stream.pipeline import Pipeline
from stream.settings import Settings
from tests.integration.shop import Shop, answers, make_shop

NOW = 1_760_000_000_000


@pytest.fixture(scope="module")
def settings() -> Settings:
    values: dict[str, Any] = {
        "encoder": {"text": "hashing"},
        "topics": {"partitions": 3},
        # Nobody's history is cut: transitions are exact as long as an interaction arrives before it would be cut off.
        "graph": {
            "interest": {"max_history": 1000},
            "association": {"min_users": 2, "min_log_likelihood_ratio": 0.0},
        },
        "worker": {"category_flush_seconds": 1e-9, "item_flush_seconds": 1e-9},
    }
    return Settings(**values)


def encoders(settings: Settings) -> Encoders:
    return load_encoders(settings.encoder)


def ticking(start: int = NOW) -> Callable[[], int]:
    ticks = count(start)
    return lambda: next(ticks)


@asynccontextmanager
async def running(settings: Settings, **options: Any) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(settings, encoders(settings), ticking(), **options)
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.close()


async def rest(pipeline: Pipeline) -> None:
    """Drain, then bring every association and list up to date, as `refresh --all` does."""
    topics = pipeline.settings.topics
    await pipeline.drain()
    for partition in range(topics.partitions):
        pipeline.log.append(topics.transitions, None, encode(DeltaMessage(FORMAT, "")), partition)
    await pipeline.drain()


async def users(pipeline: Pipeline) -> dict[str, UserView]:
    found = {}
    for user_id in await pipeline.store.user_ids("", 100_000):
        view = await pipeline.store.view_user(user_id)
        assert view is not None
        found[user_id] = view
    return found


def send(pipeline: Pipeline, shop: Shop, messages: list[Any]) -> None:
    for message in messages:
        pipeline.log.append(pipeline.settings.topics.interactions, message.key, message.value)


def send_catalogue(pipeline: Pipeline, shop: Shop) -> None:
    for key, value in shop.catalogue():
        pipeline.log.append(pipeline.settings.topics.catalogue, key, value)


async def check(pipeline: Pipeline, shop: Shop) -> None:
    found = await users(pipeline)
    wanted = answers(shop)
    assert found.keys() == wanted.keys()
    for user_id, answer in wanted.items():
        view = found[user_id]
        assert view.events == answer.events
        edges = {interest.category: interest for interest in view.interests}
        assert edges.keys() == answer.parts.keys()
        for category, edge in edges.items():
            assert (edge.views, edge.purchases) == (answer.views[category], answer.purchases[category])
            assert edge.weight == pytest.approx(answer.weight(category, edge.updated_at), rel=1e-9)


async def associations(pipeline: Pipeline) -> dict[tuple[str, str, str], tuple[int, float]]:
    """Return users and the weight at one common time of every category edge."""
    half_life = pipeline.settings.graph.association.half_life_seconds * 1000
    return {
        (e.family.value, e.source, e.target): (e.users, e.weight * 2.0 ** ((e.updated_at - NOW) / half_life))
        for e in await pipeline.store.association_edges()
    }


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_any_batches_any_number_of_deliveries(settings: Settings, seed: int) -> None:
    shop = make_shop(seed, 300, users=25, items=40, categories=6, now=NOW)
    random_ = random.Random(seed)
    async with running(settings, max_records=1000) as straight:
        send_catalogue(straight, shop)
        send(straight, shop, shop.messages)
        await rest(straight)
        await check(straight, shop)
        wanted = await associations(straight)

    shuffled = [message for message in shop.messages for _ in range(random_.randint(1, 3))]
    random_.shuffle(shuffled)
    async with running(settings, max_records=random_.randint(1, 40)) as other:
        third = len(shuffled) // 3
        send(other, shop, shuffled[:third])
        await other.drain()
        send_catalogue(other, shop)
        send(other, shop, shuffled[third:])
        await rest(other)
        await check(other, shop)
        found = await associations(other)
    assert found.keys() == wanted.keys()
    for edge, (distinct, weight) in wanted.items():
        assert found[edge][0] == distinct
        assert found[edge][1] == pytest.approx(weight, rel=1e-9)


async def test_counts_balance_and_every_list_is_published(settings: Settings) -> None:
    shop = make_shop(3, 200, users=20, now=NOW)
    async with running(settings) as pipeline:
        send_catalogue(pipeline, shop)
        send(pipeline, shop, shop.messages)
        await rest(pipeline)
        registry = pipeline.metrics.registry

        def total(name: str) -> float:
            families = (family for family in registry.collect() if family.name == f"interest_{name}")
            return sum(s.value for family in families for s in family.samples if s.name.endswith("_total"))

        kinds = ("applied", "duplicate", "ignored", "filtered", "late", "rejected")
        assert total("events_consumed") == sum(total(f"events_{kind}") for kind in kinds)
        assert total("events_applied") == sum(answer.events for answer in answers(shop).values())
        published = {
            r.key.decode() for log in pipeline.log.topics[settings.topics.recommendations] for r in log if r.key
        }
        assert published == answers(shop).keys()


async def test_a_worker_that_died_after_its_commit_is_made_up_for(settings: Settings) -> None:
    """The first pipeline's publications after the commit are lost; the next owner publishes them."""
    shop = make_shop(4, 200, users=20, now=NOW)
    store = MemoryGraphStore()
    async with running(settings, store=store) as first:
        send_catalogue(first, shop)
        send(first, shop, shop.messages)
        await first.drain()
        interest = next(agent for agent in first.agents if isinstance(agent, InterestAgent))
        topics = settings.topics
        kept = {name: [list(log) for log in logs] for name, logs in first.log.topics.items()}
        sent = {r.key for log in kept[topics.recommendations] for r in log}
        lost = {r.key for log in kept[topics.recommendations] for r in log[-3:]}
        assert interest.ledgers

    async with running(settings, store=store) as second:
        for name, logs in kept.items():
            second.log.topics[name][:] = logs
        second.log.topics[topics.recommendations][:] = [log[:-3] for log in kept[topics.recommendations]]
        for agent in second.agents:
            held = await agent.positions(frozenset(range(topics.partitions)))
            second.skip_to(agent.topic, held or {p: len(log) for p, log in enumerate(kept[agent.topic])})
        await rest(second)
        there = {r.key for log in second.log.topics[topics.recommendations] for r in log}
        assert lost <= there
        assert there == sent
        await check(second, shop)


async def test_a_worker_that_lost_its_partition_may_not_write(settings: Settings) -> None:
    shop = make_shop(5, 60, users=10, now=NOW)
    store = MemoryGraphStore()
    async with running(settings, store=store) as zombie:
        send_catalogue(zombie, shop)
        await zombie.drain()
        async with running(settings, store=store):
            send(zombie, shop, shop.messages)
            with pytest.raises(Fenced):
                await zombie.drain()
            assert await store.user_ids("", 10) == []


async def test_an_item_that_the_catalogue_removed_can_be_viewed_again(settings: Settings) -> None:
    """Its node went with the row; the next user who touches it needs a stub, which is not remembered as made."""
    shop = make_shop(7, 1, users=1, now=NOW)
    view = b'{"event_id": "%s", "kind": "view", "user_id": "%s", "item_id": "item-0", "occurred_at": 1759000000000}'
    refund = view.replace(b'"view"', b'"purchase"')
    async with running(settings) as pipeline:
        topics = pipeline.settings.topics
        send_catalogue(pipeline, shop)
        pipeline.log.append(topics.interactions, None, refund % (b"p1", b"ann"))
        await pipeline.drain()
        pipeline.log.append(topics.interactions, None, (refund % (b"r1", b"ann")).replace(b"purchase", b"refund"))
        await pipeline.drain()
        pipeline.log.append(topics.catalogue, b"item-0", None)
        await pipeline.drain()
        assert "item-0" not in await pipeline.store.item_ids("", 1000)
        pipeline.log.append(topics.interactions, None, view % (b"v1", b"bob"))
        await rest(pipeline)
        found = await users(pipeline)
        assert [touch.item_id for touch in found["bob"].touches] == ["item-0"]


async def test_what_is_published_does_not_hang_on_what_the_log_still_holds(settings: Settings) -> None:
    shop = make_shop(3, 300, users=25, items=40, categories=6, now=NOW)
    found = []
    for forgetful in (False, True):
        async with running(settings) as pipeline:
            send_catalogue(pipeline, shop)
            send(pipeline, shop, shop.messages[:200])
            await pipeline.drain()
            if forgetful:
                pipeline.log.forget()
            send(pipeline, shop, shop.messages[200:])
            await pipeline.drain()
            logs = pipeline.log.topics[pipeline.settings.topics.recommendations]
            found.append([(record.offset, record.key, record.value) for log in logs for record in log if record.value])
    every, later = found
    assert 0 < len(later) < len(every)
    assert set(later) < set(every)
