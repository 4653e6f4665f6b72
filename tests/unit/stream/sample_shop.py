"""The shipped sample of a real shop, run through the whole path once, and copies of it to go on with."""

import asyncio
import copy
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import ConsumerRecord

from encoders.settings import TextEncoderName
from graph.memory_store import MemoryGraphStore
from stream.agents.interest import InterestAgent
from stream.bundles import FORMAT, DeltaMessage, encode, refresh_bundles
from stream.demo.sample import DATA, load_sample
from stream.demo.setup import categories_file
from stream.encoding import Encoders, load_encoders
from stream.event_files import read_messages
from stream.pipeline import Pipeline
from stream.recommendations import Recommendation, decode
from stream.refresher import Refresher
from stream.settings import Settings

AFTER = 1_325_376_000_000
"""1 January 2012: after the sample's last event."""

T = TypeVar("T")


@dataclass
class SampleShop:
    """A pipeline at rest, and the loop that it belongs to."""

    pipeline: Pipeline
    encoders: Encoders
    runner: asyncio.Runner

    @property
    def settings(self) -> Settings:
        return self.pipeline.settings

    @property
    def interest(self) -> InterestAgent:
        return next(agent for agent in self.pipeline.agents if isinstance(agent, InterestAgent))

    @property
    def refresher(self) -> Refresher:
        return self.interest.refresher

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def close(self) -> None:
        self.run(self.pipeline.close())

    def values(self, topic: str) -> list[bytes]:
        return [r.value for log in self.pipeline.log.topics[topic] for r in log if r.value is not None]

    def published(self) -> dict[str, Recommendation]:
        """The latest lists of every user."""
        found: dict[str, Recommendation] = {}
        for value in self.values(self.settings.topics.recommendations):
            record = decode(value)
            if record.user_id not in found or record.version > found[record.user_id].version:
                found[record.user_id] = record
        return found

    def send(self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        for key, value in messages:
            self.pipeline.log.append(topic, key, value)

    def drain(self) -> None:
        self.run(self.pipeline.drain())

    def rest(self) -> None:
        """Drain, and bring every association up to date."""
        self.drain()
        topic = self.settings.topics.transitions
        for partition in range(self.settings.topics.partitions):
            self.pipeline.log.append(topic, None, encode(DeltaMessage(FORMAT, "")), partition)
        self.drain()

    def refresh_all(self) -> None:
        """Have everybody ranked and published again, as the command does."""
        topic, partitions = self.settings.topics.bundles, self.settings.topics.partitions
        for partition, bundles in refresh_bundles(sorted(self.published()), partitions).items():
            for bundle in bundles:
                self.pipeline.log.append(topic, None, encode(bundle), partition)
        self.drain()

    def remember(self, other: "SampleShop") -> None:
        """Have in memory what the worker that this one was forked from has of its users, the lists it made included."""
        users = list(other.interest.cache.latest())
        self.interest.cache.put(copy.deepcopy(users[::-1]))

    def release(self) -> None:
        """Say that all lists are published, as a worker does that ends in peace: a fork publishes none again."""
        self.run(self.interest.released())

    def fork(self, **settings: Any) -> "SampleShop":
        """Return a copy that goes on by itself, with other settings (of the whole tree) if wanted."""
        changed = Settings(**{**self.settings.model_dump(exclude_defaults=True), **settings})
        store = copy.deepcopy(self.pipeline.store)
        assert isinstance(store, MemoryGraphStore)
        other = started(changed, self.runner, store, topics=self.pipeline.log.topics)
        for agent in other.pipeline.agents:
            held = other.run(agent.positions(frozenset(range(changed.topics.partitions))))
            ends = {p: len(log) for p, log in enumerate(self.pipeline.log.topics[agent.topic])}
            other.pipeline.skip_to(agent.topic, held or ends)
        other.drain()
        return other


def started(
    settings: Settings,
    runner: asyncio.Runner,
    store: MemoryGraphStore | None = None,
    max_records: int = 2000,
    topics: Mapping[str, Sequence[Sequence[ConsumerRecord]]] | None = None,
) -> SampleShop:
    """Return an empty shop, or one that goes on with a store and topics."""
    ticks, encoders = count(AFTER), load_encoders(settings.encoder)
    pipeline = Pipeline(settings, encoders, lambda: next(ticks), store, max_records)
    for topic, logs in (topics or {}).items():
        pipeline.log.topics[topic][:] = [list(log) for log in logs]
    shop = SampleShop(pipeline, encoders, runner)
    shop.run(pipeline.start())
    return shop


def make_sample_shop(folder: Path, runner: asyncio.Runner, max_records: int = 2000) -> SampleShop:
    sample, text = load_sample(), TextEncoderName.HASHING
    settings = Settings.model_validate(
        {
            "encoder": {"text": text, "categories_file": categories_file(text, sample, folder)},
            "topics": {"partitions": 2},
            "worker": {"category_flush_seconds": 1e-9, "item_flush_seconds": 1e-9, "popular_seconds": 1e-9},
        }
    )
    shop = started(settings, runner, max_records=max_records)
    shop.send(settings.topics.catalogue, sample.catalogue)
    shop.drain()
    shop.send(settings.topics.interactions, read_messages(DATA / "events.csv.gz"))
    shop.rest()
    shop.release()
    return shop
