"""Asking the worker for the list of a user who bought one item: its own code answers, and nobody notices."""

from collections.abc import AsyncIterator

import msgspec
import numpy as np
import pytest

from stream.bundles import FORMAT, Bundle, encode
from stream.encoding import load_encoders
from stream.evaluation.interactions import IntArray
from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.worker_asked import ask_after_one_purchase
from stream.evaluation.worker_run import run_worker
from stream.evaluation.worker_told import catalogue_messages, event_message, worker_settings
from stream.pipeline import Pipeline
from stream.recommendations import Recommendation, decode
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import write_shop

SETTINGS = Settings.model_validate(
    {"encoder": {"text": "hashing"}, "graph": {"association": {"min_users": 1, "min_log_likelihood_ratio": 0.0}}}
)
SHIFT = 1_600_000_000_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    events, items = write_shop(tmp_path_factory.mktemp("shop"), users=25, items=30)
    return read_shop([events], items, Protocol.PREQUENTIAL)


@pytest.fixture
async def pipeline(shop: Shop) -> AsyncIterator[Pipeline]:
    """A worker that has processed the shop's events."""
    settings = worker_settings(SETTINGS)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), lambda: now(shop))
    await pipeline.start()
    for key, value in catalogue_messages(shop.catalogue):
        pipeline.log.append(settings.topics.catalogue, key, value)
    await pipeline.drain()
    for place in range(len(shop.raw)):
        pipeline.log.append(settings.topics.interactions, None, event_message(shop.raw, place, SHIFT))
    await pipeline.drain()
    yield pipeline
    await pipeline.close()


def now(shop: Shop) -> int:
    return int(shop.raw.times[-1]) + SHIFT


async def ask(pipeline: Pipeline, shop: Shop, items: IntArray) -> IntArray:
    steps: list[None] = []
    found = await ask_after_one_purchase(pipeline, shop.catalogue, items, now(shop), lambda: steps.append(None))
    assert len(steps) == len(items)
    return found


def published(pipeline: Pipeline) -> list[Recommendation]:
    (records,) = pipeline.log.topics[pipeline.settings.topics.recommendations]
    return [decode(record.value) for record in records if record.value]


async def lists_of_everybody(pipeline: Pipeline, shop: Shop) -> list[tuple[str, list[str], list[str]]]:
    """Refresh all users, and return what is published of them then."""
    users = tuple(sorted(set(shop.raw.users)))
    pipeline.log.append(pipeline.settings.topics.bundles, None, encode(Bundle(FORMAT, (), (), users)), 0)
    await pipeline.drain()
    return [
        (found.user_id, [item.item_id for item in found.cross_sell], [item.item_id for item in found.up_sell])
        for found in published(pipeline)[-len(users) :]
    ]


async def test_the_answer_is_what_a_worker_publishes_of_such_a_user(pipeline: Pipeline, shop: Shop) -> None:
    items = np.arange(len(shop.catalogue))
    answers = await ask(pipeline, shop, items)
    assert (answers[:, 0] >= 0).all()
    assert len(np.unique(answers, axis=0)) > len(items) / 2
    for code in items.tolist():
        event = {
            "event_id": f"new-{code}",
            "kind": "purchase",
            "user_id": f"new-{code}",
            "item_id": shop.catalogue.item_ids[code],
            "occurred_at": now(shop),
        }
        pipeline.log.append(pipeline.settings.topics.interactions, None, msgspec.json.encode(event))
        await pipeline.drain()
        newest = published(pipeline)[-1]
        assert newest.user_id == f"new-{code}"
        listed = [shop.catalogue.item_ids[item] for item in answers[code] if item >= 0]
        assert [item.item_id for item in newest.cross_sell] == listed


async def test_asking_changes_nothing(pipeline: Pipeline, shop: Shop) -> None:
    items = np.arange(len(shop.catalogue))
    before = await lists_of_everybody(pipeline, shop)
    lengths = {topic: [len(records) for records in logs] for topic, logs in pipeline.log.topics.items()}
    answers = await ask(pipeline, shop, items)
    await pipeline.drain()
    assert {topic: [len(records) for records in logs] for topic, logs in pipeline.log.topics.items()} == lengths
    names = [f"asked {item_id}" for item_id in shop.catalogue.item_ids]
    assert await pipeline.store.load_users(names) == {}
    assert await lists_of_everybody(pipeline, shop) == before
    # Nor does it matter who asks with whom, or when.
    again = [await ask(pipeline, shop, items[[code]]) for code in reversed(items.tolist())]
    assert np.array_equal(np.concatenate(again[::-1]), answers)


async def test_a_run_asks_after_its_tests(shop: Shop) -> None:
    alone = await run_worker(shop.raw, shop.catalogue, SETTINGS, 10_000, lambda: None)
    asked = await run_worker(shop.raw, shop.catalogue, SETTINGS, 10_000, lambda: None, np.array([3, 1]))
    assert alone.asked.shape == (0, 10)
    assert asked.asked.shape == (2, 10)
    assert np.array_equal(asked.lists["cross_sell"], alone.lists["cross_sell"])
    for code, listed in zip((3, 1), asked.asked, strict=True):
        of_item = shop.catalogue.leaf_categories[code]
        assert (listed >= 0).any()
        assert (shop.catalogue.leaf_categories[listed[listed >= 0]] != of_item).all()
