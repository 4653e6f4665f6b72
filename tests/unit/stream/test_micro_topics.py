"""Micro-topics through the whole path: in the graph, on the items topic, in the list messages, on the screen."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from encoders.centroids import CentroidsCard, save_centroids
from encoders.hashing import HashingTextEncoder
from encoders.micro_topics import MicroTopics
from graph.memory_store import MemoryGraphStore
from graph.model import ItemRow
from stream.bundles import ItemRecord, decode_item
from stream.encoding import load_encoders
from stream.pipeline import Pipeline
from stream.recommendations import MicroTopic, Recommendation, decode, encode
from stream.settings import Settings
from tests.unit.stream.checking_shop import World, changed, make_world_now, shop_settings

NOW = 1_760_000_000_000
DAY_MS = 86_400_000
TITLES = {"c1": "red candle", "c2": "blue candle", "m1": "coffee mug", "x1": "", "l1": "garden lantern"}


@pytest.fixture(scope="module")
def topics_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = HashingTextEncoder()
    path = tmp_path_factory.mktemp("topics") / "micro-topics.safetensors"
    names = ["Candle", "Mug", "Lantern"]
    card = CentroidsCard(
        format=MicroTopics.format, text_model=encoder.model, text_dimensions=encoder.dimensions, names=names
    )
    save_centroids(path, encoder.encode(["candle", "coffee mug", "garden lantern"]), card)
    return path


def settings(topics_file: Path | None, **lists: Any) -> Settings:
    return Settings.model_validate(
        {
            "encoder": {"text": "hashing", "micro_topics_file": topics_file},
            "topics": {"partitions": 2},
            "graph": {"lists": lists},
            "worker": {"category_flush_seconds": 1e-9, "item_flush_seconds": 1e-9},
        }
    )


@asynccontextmanager
async def running(chosen: Settings, store: MemoryGraphStore | None = None) -> AsyncIterator[Pipeline]:
    ticks = count(NOW)
    pipeline = Pipeline(chosen, load_encoders(chosen.encoder), lambda: next(ticks), store)
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.close()


def send_items(pipeline: Pipeline, *item_ids: str, **changes: Any) -> None:
    for item_id in item_ids:
        row = {"item_id": item_id, "title": TITLES[item_id], "category": "Home", **changes}
        pipeline.log.append(pipeline.settings.topics.catalogue, item_id.encode(), json.dumps(row).encode())


def act(pipeline: Pipeline, event_id: str, item_id: str, kind: str = "view", at: int = NOW, **more: Any) -> None:
    event = {"event_id": event_id, "kind": kind, "user_id": "ann", "item_id": item_id, "occurred_at": at, **more}
    pipeline.log.append(pipeline.settings.topics.interactions, None, json.dumps(event).encode())


def published(pipeline: Pipeline) -> Recommendation:
    logs = pipeline.log.topics[pipeline.settings.topics.recommendations]
    return max((decode(r.value) for log in logs for r in log), key=lambda record: record.version)


def item_records(pipeline: Pipeline) -> dict[str, ItemRecord]:
    logs = pipeline.log.topics[pipeline.settings.topics.items]
    return {r.key.decode(): decode_item(r.value) for log in logs for r in log if r.value}


async def test_what_a_user_likes_is_named_in_each_list_message(topics_file: Path) -> None:
    async with running(settings(topics_file)) as pipeline:
        send_items(pipeline, *TITLES)
        await pipeline.drain()
        act(pipeline, "e1", "c1", at=NOW - 7 * DAY_MS)
        act(pipeline, "e2", "c2")
        act(pipeline, "e3", "m1")
        act(pipeline, "e4", "x1")
        act(pipeline, "e5", "l1", "purchase", order_id="o1")
        await pipeline.drain()
        # 0.5 + 1 of candles, 1 of mugs, 5 of lanterns, 1 of what has no title: 8.5
        assert published(pipeline).micro_topics == (
            MicroTopic("Lantern", 0.5882, "l1", "garden lantern"),
            MicroTopic("Candle", 0.1764, "c2", "blue candle"),
            MicroTopic("Mug", 0.1176, "m1", "coffee mug"),
        )
        act(pipeline, "e6", "l1", "refund", order_id="o1")
        await pipeline.drain()
        assert [(topic.name, topic.share) for topic in published(pipeline).micro_topics] == [
            ("Candle", 0.4285),
            ("Mug", 0.2857),
        ]


async def test_graph_and_items_topic_agree_on_every_items_topic(topics_file: Path) -> None:
    async with running(settings(topics_file)) as pipeline:
        send_items(pipeline, *TITLES)
        await pipeline.drain()
        named = {"c1": "Candle", "c2": "Candle", "m1": "Mug", "l1": "Lantern", "x1": None}
        rows = await pipeline.store.load_items(list(TITLES))
        assert {item_id: row.micro_topic for item_id, row in rows.items()} == named
        assert {item_id: record.row for item_id, record in item_records(pipeline).items()} == rows
        send_items(pipeline, "c1", title="coffee mug")  # another text is about something else
        send_items(pipeline, "m1", price=3.5)  # the same text is not
        pipeline.log.append(pipeline.settings.topics.catalogue, b"c2", None)
        await pipeline.drain()
        rows = await pipeline.store.load_items(list(TITLES))
        assert {item_id: row.micro_topic for item_id, row in rows.items()} == {
            "c1": "Mug", "m1": "Mug", "l1": "Lantern", "x1": None,
        }  # fmt: skip


async def test_a_worker_without_the_file_goes_on_with_what_the_items_topic_says(topics_file: Path) -> None:
    """Only who writes items needs it. A row that comes again takes it away."""
    store = MemoryGraphStore()
    async with running(settings(topics_file), store) as first:
        send_items(first, "c1", "m1")
        await first.drain()
        logs = {name: [list(log) for log in logs] for name, logs in first.log.topics.items()}
    async with running(settings(None), store) as second:
        for name, kept in logs.items():
            second.log.topics[name][:] = kept
        catalogue = second.settings.topics.catalogue
        second.skip_to(catalogue, {p: len(log) for p, log in enumerate(logs[catalogue])})
        act(second, "e1", "c1")
        await second.drain()
        assert [topic.name for topic in published(second).micro_topics] == ["Candle"]
        send_items(second, "c1")
        await second.drain()
        act(second, "e2", "c1")
        await second.drain()
        assert published(second).micro_topics == ()
        assert (await store.load_items(["c1"]))["c1"].micro_topic is None


async def test_without_the_file_messages_and_rows_are_what_they_were() -> None:
    async with running(settings(None)) as pipeline:
        send_items(pipeline, *TITLES)
        await pipeline.drain()
        act(pipeline, "e1", "c1")
        await pipeline.drain()
        assert b"micro_topic" not in encode(published(pipeline))
        assert await pipeline.store.load_items(["c1"]) == {"c1": ItemRow("c1", "red candle", "Home")}
        assert not len(pipeline.knowledge.items.micro_topics)


async def test_no_places_for_micro_topics_is_none_named(topics_file: Path) -> None:
    async with running(settings(topics_file, micro_topics=1)) as pipeline:
        send_items(pipeline, *TITLES)
        act(pipeline, "e1", "c1")
        act(pipeline, "e2", "m1")
        await pipeline.drain()
        assert [topic.name for topic in published(pipeline).micro_topics] == ["Candle"]
        assert published(pipeline).micro_topics[0].share == 0.5


def test_an_items_record_of_before_has_no_micro_topic() -> None:
    row = ["i1", "Mug", "Kitchen", False, None, None, None, True, None]
    record = decode_item(msgspec.msgpack.encode([1, row, "m", b"h", b"v", 0]))
    assert record.row == ItemRow("i1", "Mug", "Kitchen")


@pytest.fixture(scope="module")
def world(topics_file: Path) -> World:
    return make_world_now(shop_settings(encoder={"text": "hashing", "micro_topics_file": topics_file}))


async def test_a_check_finds_graph_topics_and_messages_equal(world: World) -> None:
    report = await world.copy().check(lists=True)
    assert report.ok, report.found
    records = [decode(r.value) for r in world.records(world.settings.topics.recommendations)]
    assert any(record.micro_topics for record in records)


async def test_a_check_names_an_item_and_a_user_whose_topics_are_others(world: World) -> None:
    spoilt = world.copy()
    row = (await spoilt.store.load_items(["item-3"]))["item-3"]
    spoilt.store._items["item-3"] = msgspec.structs.replace(row, micro_topic="Umbrella")
    topic = spoilt.settings.topics.recommendations
    for records in spoilt.log.topics[topic]:
        for place, record in enumerate(records):
            read = decode(record.value)
            if read.user_id == "user-1":
                read = msgspec.structs.replace(read, micro_topics=read.micro_topics[1:])
                records[place] = changed(record, value=encode(read))
    found = (await spoilt.check(lists=True)).found
    assert {(difference.where.partition(":")[0], difference.what) for difference in found} == {
        ("item item-3", "row"),
        ("user user-1", "micro_topics are not what the history gives"),
    }
