"""A new user model while events flow: it is taken over between batches, or refused, and no event is lost by it."""

import dataclasses
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from encoders.base import EncoderError
from encoders.device import CPU
from encoders.hashing import HashingTextEncoder
from encoders.user.decay import DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.model import load_user_model, save_user_model
from encoders.user.network import UserNetwork
from encoders.user.transformer import TransformerNetwork
from graph.model import ItemRow
from stream.bundles import FORMAT, Bundle, ItemRecord, encode
from stream.encoding import load_encoders
from stream.knowledge import Knowledge
from stream.model_watch import prove
from stream.partitioning import partition_of
from stream.pipeline import Pipeline
from stream.settings import Settings
from tests.integration.shop import Shop, make_shop
from tests.unit.encoders.user_models import CARD, model_parts
from tests.unit.stream.test_pipeline import NOW, check, rest, send, send_catalogue, ticking, users

TEXTS = HashingTextEncoder()


@pytest.fixture
def shop() -> Shop:
    return make_shop(11, 240, users=20, items=40, categories=6, now=NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        encoder={"text": "hashing", "user_model_dir": tmp_path / "model"},
        topics={"partitions": 3},
        graph={"interest": {"max_history": 1000}, "association": {"min_users": 2, "min_log_likelihood_ratio": 0.0}},
        worker={"category_flush_seconds": 1e-9, "item_flush_seconds": 1e-9},
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(settings, load_encoders(settings.encoder), ticking())
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.close()


def put_model(settings: Settings, network: UserNetwork, shop: Shop, seed: int = 0) -> str:
    """Write a trained model, with deltas for half of the shop's items, into the folder; return its name."""
    assert settings.encoder.user_model_dir is not None
    items = tuple(key.decode() for key, _ in shop.catalogue())
    return save_user_model(settings.encoder.user_model_dir, model_parts(network, items[::2], seed), CARD)


async def look_until_settled(pipeline: Pipeline) -> list[bool]:
    return [await pipeline.models.look() for _ in range(3)]


def published(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Return every user's last list."""
    last: dict[str, dict[str, Any]] = {}
    for records in pipeline.log.topics[pipeline.settings.topics.recommendations]:
        last.update({record.key.decode(): json.loads(record.value) for record in records})
    return last


def every_list(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return all lists that were ever published."""
    logs = pipeline.log.topics[pipeline.settings.topics.recommendations]
    return [json.loads(record.value) for records in logs for record in records if record.value]


def click(pipeline: Pipeline, lists: dict[str, Any], event_id: str) -> None:
    event = {"event_id": event_id, "kind": "click", "user_id": lists["user_id"], "occurred_at": NOW}
    shown = {"item_id": lists["cross_sell"][0]["item_id"], "recommendation_id": lists["recommendation_id"]}
    pipeline.log.append(pipeline.settings.topics.interactions, None, json.dumps({**event, **shown}).encode())


def clicks(pipeline: Pipeline, model: str) -> float | None:
    labels = {"kind": "click", "list": "other", "model": model}
    return pipeline.metrics.registry.get_sample_value("interest_model_feedback_total", labels)


async def refresh_all(pipeline: Pipeline) -> None:
    topics = pipeline.settings.topics
    for user_id in await users(pipeline):
        bundle = encode(Bundle(FORMAT, (), (), (user_id,)))
        pipeline.log.append(topics.bundles, None, bundle, partition_of(user_id, topics.partitions))
    await pipeline.drain()


async def test_a_new_model_is_taken_over_and_no_event_is_lost(settings: Settings, shop: Shop) -> None:
    old = put_model(settings, DecayNetwork(hidden=8), shop)
    half = len(shop.messages) // 2
    async with running(settings) as pipeline:
        send_catalogue(pipeline, shop)
        send(pipeline, shop, shop.messages[:half])
        await pipeline.drain()
        assert {lists["model"] for lists in published(pipeline).values()} == {old}

        new = put_model(settings, GruNetwork(hidden=8), shop, seed=1)
        send(pipeline, shop, shop.messages[half:])
        assert await look_until_settled(pipeline) == [False, True, False]
        await pipeline.drain()
        later = {lists["model"] for lists in published(pipeline).values()}
        assert new in later  # who acted after the swap
        assert later <= {old, new}  # and who did not keeps the list of then

        await rest(pipeline)
        await check(pipeline, shop)
        await refresh_all(pipeline)
        swapped = published(pipeline)
        assert {lists["model"] for lists in swapped.values()} == {new}
        assert pipeline.metrics.model_changes.labels("swapped")._value.get() == 1

        for number, name in enumerate((old, new)):  # clicks on lists of both still tell them apart
            made_by = [lists for lists in every_list(pipeline) if lists["model"] == name][:2]
            for lists in made_by:
                click(pipeline, lists, f"{number}-{lists['user_id']}")
        await pipeline.drain()
        assert {name: clicks(pipeline, name) for name in (old, new, "other")} == {old: 2, new: 2, "other": 0}

    async with running(settings) as fresh:  # as if it had never been another
        send_catalogue(fresh, shop)
        send(fresh, shop, shop.messages)
        await rest(fresh)
        await refresh_all(fresh)
        expected = published(fresh)
    assert swapped.keys() == expected.keys()
    for user_id, lists in swapped.items():
        for name in ("cross_sell", "up_sell"):
            found, wanted = lists[name], expected[user_id][name]
            assert [item["item_id"] for item in found] == [item["item_id"] for item in wanted]
            assert [item["score"] for item in found] == pytest.approx([item["score"] for item in wanted], abs=1e-5)


async def test_a_broken_folder_is_refused_once_and_the_old_model_goes_on(
    settings: Settings, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    old = put_model(settings, DecayNetwork(), shop)
    folder = settings.encoder.user_model_dir
    assert folder is not None
    async with running(settings) as pipeline:
        send_catalogue(pipeline, shop)
        await pipeline.drain()
        new = put_model(settings, TransformerNetwork(layers=1), shop, seed=1)
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[:-1])
        with caplog.at_level(logging.ERROR):
            assert await look_until_settled(pipeline) == [False, False, False]
        refused = [record for record in caplog.records if record.message == "model_refused"]
        assert len(refused) == 1
        said = refused[0].__dict__
        assert "model.safetensors is not the file its card was written for" in said["reason"]
        assert said["serving"] == old
        assert pipeline.metrics.model_changes.labels("refused")._value.get() == 1

        send(pipeline, shop, shop.messages)
        await pipeline.drain()
        await check(pipeline, shop)
        assert {lists["model"] for lists in published(pipeline).values()} == {old}

        (folder / "model.safetensors").write_bytes(whole)
        assert await look_until_settled(pipeline) == [False, True, False]
        assert pipeline.knowledge.serving.model.name == new


async def test_damage_to_the_model_that_serves_is_refused_too(settings: Settings, shop: Shop) -> None:
    old = put_model(settings, DecayNetwork(), shop)
    folder = settings.encoder.user_model_dir
    assert folder is not None
    async with running(settings) as pipeline:
        (folder / "deltas.safetensors").write_bytes(b"")
        assert await look_until_settled(pipeline) == [False, False, False]
        assert pipeline.metrics.model_changes.labels("refused")._value.get() == 1
        assert pipeline.knowledge.serving.model.name == old


async def test_a_folder_that_goes_away_is_refused(settings: Settings, shop: Shop, tmp_path: Path) -> None:
    old = put_model(settings, DecayNetwork(), shop)
    async with running(settings) as pipeline:
        (tmp_path / "model").rename(tmp_path / "elsewhere")
        assert await look_until_settled(pipeline) == [False, False, False]
        assert pipeline.knowledge.serving.model.name == old
        assert pipeline.metrics.model_changes.labels("refused")._value.get() == 1


async def test_the_model_it_began_with_is_not_loaded_again(settings: Settings, shop: Shop) -> None:
    put_model(settings, DecayNetwork(), shop)
    async with running(settings) as pipeline:
        before = pipeline.knowledge.serving
        assert await look_until_settled(pipeline) == [False, False, False]
        assert pipeline.knowledge.serving is before


async def test_without_a_folder_there_is_nothing_to_look_at(settings: Settings) -> None:
    encoder = settings.encoder.model_copy(update={"user_model_dir": None})
    async with running(settings.model_copy(update={"encoder": encoder})) as pipeline:
        assert await look_until_settled(pipeline) == [False, False, False]


def test_what_files_cannot_show_is_proven_by_encoding(tmp_path: Path) -> None:
    diverged = GruNetwork(hidden=8)
    collapsed = GruNetwork(hidden=8)
    with torch.no_grad():
        diverged.out.bias[:] = 3e38
        collapsed.out.bias[0] = 1e6
    for network, reason in ((diverged, "gives users no vector"), (collapsed, "gives all users the same vector")):
        save_user_model(tmp_path, dataclasses.replace(model_parts(DecayNetwork()), network=network), CARD)
        model = load_user_model(tmp_path, TEXTS.model, CPU)
        prove(model)  # nothing to encode yet
        titles = ["mug", "clock", "lantern"]
        model.matrix.set_items(titles, torch.arange(3).numpy(), TEXTS.encode(titles))
        with pytest.raises(EncoderError, match=reason):
            prove(model)


def test_what_arrives_while_a_model_is_loaded_is_not_forgotten(settings: Settings, shop: Shop) -> None:
    put_model(settings, DecayNetwork(), shop)
    knowledge = Knowledge(load_encoders(settings.encoder).user, settings.graph)
    vectors = [vector.astype("<f2").tobytes() for vector in TEXTS.encode(["mug", "clock"])]
    knowledge.take_item("a", ItemRecord(FORMAT, ItemRow("a"), TEXTS.model, b"", vectors[0]))
    feed = knowledge.open_feed()
    assert feed.drain(knowledge.items.item_id).items == ["a"]
    knowledge.take_item("b", ItemRecord(FORMAT, ItemRow("b"), TEXTS.model, b"", vectors[1]))
    knowledge.take_item("a", None)
    for one in (knowledge.serving.feed, feed):
        changes = one.drain(knowledge.items.item_id)
        assert (changes.items, changes.rows, changes.vectors, changes.cleared) == (["b"], [1], [vectors[1]], [0])
    knowledge.close_feed(feed)
    knowledge.take_item("b", None)
    assert feed.drain(knowledge.items.item_id).cleared == []
