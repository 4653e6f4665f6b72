"""A shop's log run through the pipeline once, of which every test checks, and spoils, a copy of its own."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
from aiokafka import ConsumerRecord

from graph.memory_store import MemoryGraphStore
from stream.bundles import FORMAT, Bundle, DeltaMessage, encode
from stream.checking.check import Options, Step, check
from stream.checking.findings import Difference
from stream.checking.lists import ListCheck
from stream.checking.log_topics import LogTopics
from stream.checking.report import Report
from stream.checking.users import Look
from stream.encoding import load_encoders
from stream.partitioning import partition_of
from stream.pipeline import Log, Pipeline
from stream.settings import Settings
from tests.integration.shop import make_shop

NOW = 1_760_000_000_000
QUICK = Options(patience_seconds=0.0, settle_seconds=0.0, look=Look(times=2, seconds=0.0))


def shop_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "encoder": {"text": "hashing"},
        "topics": {"partitions": 3},
        "graph": {"association": {"min_users": 2, "min_log_likelihood_ratio": 0.0}},
        "worker": {"category_flush_seconds": 1e-9, "item_flush_seconds": 1e-9, "popular_seconds": 1e-9},
        **changes,
    }
    return Settings(**values)


@dataclass
class World:
    """Topics and graph after a run. ``intake`` is how far intake says it is."""

    settings: Settings
    log: Log
    store: MemoryGraphStore
    intake: dict[int, int]

    def copy(self) -> "World":
        log = Log({}, lambda: NOW)
        log.topics = {name: [list(records) for records in logs] for name, logs in self.log.topics.items()}
        return World(self.settings, log, copy.deepcopy(self.store), dict(self.intake))

    async def check(self, options: Options = QUICK, *, lists: bool = False) -> Report:
        topics = LogTopics(self.log, self.intake)
        if not lists:
            return await check(self.settings, self.store, topics, options, silent, lambda text: None)
        ranking = ListCheck(self.settings, load_encoders(self.settings.encoder))
        try:
            return await check(self.settings, self.store, topics, options, silent, lambda text: None, ranking)
        finally:
            await ranking.close()

    async def found(self, options: Options = QUICK) -> list[Difference]:
        return (await self.check(options)).found

    def records(self, topic: str) -> list[ConsumerRecord]:
        return [record for records in self.log.topics[topic] for record in records]


def silent(title: str, total: int | None) -> AbstractContextManager[Step]:
    return nullcontext(lambda: None)


def ticking(start: int = NOW) -> Callable[[], int]:
    ticks = count(start)
    return lambda: next(ticks)


@asynccontextmanager
async def running(settings: Settings, **options: Any) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(settings, load_encoders(settings.encoder), ticking(), **options)
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.close()


async def refresh_all(pipeline: Pipeline) -> None:
    """Bring every association and list up to date, as the command does."""
    topics = pipeline.settings.topics
    await pipeline.drain()
    for partition in range(topics.partitions):
        pipeline.log.append(topics.transitions, None, encode(DeltaMessage(FORMAT, "")), partition)
    await pipeline.drain()
    for user_id in await pipeline.store.user_ids("", 100_000):
        bundle = encode(Bundle(FORMAT, (), (), (user_id,)))
        pipeline.log.append(topics.bundles, None, bundle, partition_of(user_id, topics.partitions))
    await pipeline.drain()


def world_of(pipeline: Pipeline) -> World:
    assert isinstance(pipeline.store, MemoryGraphStore)
    logs = pipeline.log.topics[pipeline.settings.topics.interactions]
    return World(pipeline.settings, pipeline.log, pipeline.store, {p: len(log) for p, log in enumerate(logs)})


async def make_world(settings: Settings, *, seed: int = 7, events: int = 250, catalogue_after: int = 0) -> World:
    """Run a shop; ``catalogue_after``: how many messages come before the catalogue."""
    shop = make_shop(seed, events, users=20, items=30, categories=6, now=NOW)
    topics = settings.topics
    async with running(settings, max_records=17) as pipeline:
        for message in shop.messages[:catalogue_after]:
            pipeline.log.append(topics.interactions, message.key, message.value)
        await pipeline.drain()
        for key, value in shop.catalogue():
            pipeline.log.append(topics.catalogue, key, value)
        await pipeline.drain()
        for message in shop.messages[catalogue_after:]:
            pipeline.log.append(topics.interactions, message.key, message.value)
        await refresh_all(pipeline)
        return world_of(pipeline)


def make_world_now(settings: Settings, **options: Any) -> World:
    return asyncio.run(make_world(settings, **options))


def changed(record: ConsumerRecord, **values: Any) -> ConsumerRecord:
    """Return a copy of a record with other values."""
    fields = {name: getattr(record, name) for name in ConsumerRecord.__dataclass_fields__}
    return ConsumerRecord(**{**fields, **values})


def change_user(store: MemoryGraphStore, user_id: str, **values: Any) -> None:
    """Alter a user by hand, behind the back of every rule."""
    store._users[user_id] = msgspec.structs.replace(store._users[user_id], **values)
