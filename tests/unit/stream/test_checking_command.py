"""The command: what it prints, how it ends, and how it reads a broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import typer
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from graph.memory_store import MemoryGraphStore
from graph.store import GraphStore, Unavailable
from stream.checking import kafka_topics
from stream.checking.check import Options, check
from stream.checking.findings import Difference, Invariant
from stream.checking.kafka_topics import KafkaTopics
from stream.checking.log_topics import LogTopics
from stream.checking.report import Report, line
from stream.checking.topics import Span
from stream.commands import check as command
from stream.sender import ServerAway, TopicMissing
from stream.settings import KafkaSettings, Settings
from tests.unit.stream.checking_shop import QUICK, World, change_user, make_world_now, shop_settings, silent

app = typer.Typer()
app.command()(command.check)


@pytest.fixture(scope="module")
def run() -> World:
    return make_world_now(shop_settings())


class Reads:
    """Stands for the broker: gives the world's topics to the command, and notes how it was asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.options: list[Options] = []
        self.away = False

    def topics(self, settings: Settings) -> Any:
        class Closed(LogTopics):
            def close(self) -> None:
                return

        return Closed(self.world.log, self.world.intake)

    @asynccontextmanager
    async def store(self, settings: Settings) -> AsyncIterator[GraphStore]:
        if self.away:
            raise Unavailable("nobody answers at bolt://127.0.0.1:1")
        yield self.world.store

    async def check(self, settings: Settings, store: Any, topics: Any, options: Options, *more: Any) -> Report:
        self.options.append(options)
        return await check(self.world.settings, store, topics, QUICK, silent, lambda text: None)


@pytest.fixture
def reads(run: World, monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads(run.copy())
    monkeypatch.setattr(command, "KafkaTopics", reads.topics)
    monkeypatch.setattr(command, "connected_store", reads.store)
    monkeypatch.setattr(command, "run_check", reads.check)
    return reads


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_nothing_found_ends_with_0(reads: Reads) -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "I10" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("nothing found: ")


def test_differences_end_with_1_and_are_named(reads: Reads) -> None:
    user_id = next(iter(reads.world.store._users))
    change_user(reads.world.store, user_id, events=99)
    result = invoke()
    assert result.exit_code == 1
    assert f"I5  user {user_id}: events: expected " in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 difference: ")


def test_json_is_one_object_last_with_every_invariant(reads: Reads) -> None:
    change_user(reads.world.store, next(iter(reads.world.store._users)), version=1)
    result = invoke("--json", "--patience", "0", "--sample", "3", "--limit", "7", "--accept-unappliable")
    printed = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 1
    assert printed["differences"] == 1
    assert printed["found"][0]["invariant"] == "I4"
    assert list(printed["invariants"]) == ["I1", "I2", "I3", "I4", "I5", "I6", "I10"]
    assert reads.options == [Options(patience_seconds=0.0, sample=3, limit=7, accept_unappliable=True)]


def test_of_very_many_differences_some_are_named_and_all_are_counted(reads: Reads) -> None:
    for user_id in reads.world.store._users:
        change_user(reads.world.store, user_id, events=99)
    result = invoke()
    count = len(reads.world.store._users)
    assert f"{count} differences: " in result.stdout
    assert result.stdout.count("I5  user ") == min(count, 20)


def test_an_away_graph_ends_with_3(reads: Reads) -> None:
    reads.away = True
    result = invoke()
    assert result.exit_code == 3
    assert "bolt://127.0.0.1:1" in result.stderr


@pytest.mark.parametrize("option", ["--patience", "--sample", "--limit"])
def test_negative_numbers_are_no_options(reads: Reads, option: str) -> None:
    assert invoke(option, "-1").exit_code == 2


def test_a_memory_store_cannot_be_read_from_here(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_STORE", "memory")
    assert invoke().exit_code == 2


def test_a_difference_is_one_line() -> None:
    assert line(Difference(Invariant.GRAPH, "user u1", "events", "4", "5")) == (
        "I2  user u1: events: expected 4, found 5"
    )
    assert line(Difference(Invariant.GRAPH, "user u1", "is missing")) == "I2  user u1: is missing"


# -- the broker -------------------------------------------------------------------------------------------------------


class WithoutIds(KafkaTopics):
    """The in-process broker knows no topic ids."""

    def topic_id(self, topic: str) -> str:
        return topic


@pytest.fixture
def topics(broker: Settings) -> Iterator[KafkaTopics]:
    opened = WithoutIds(broker)
    yield opened
    opened.close()


def test_records_are_read_as_they_are_up_to_the_end_that_was_asked_for(broker: Settings, topics: KafkaTopics) -> None:
    topic = broker.topics.interactions
    producer = Producer({"bootstrap.servers": broker.kafka.bootstrap_servers})
    for number in range(5):
        producer.produce(topic, b"v%d" % number, None, 1, timestamp=1_000 + number, headers=[("h", b"x")])
    producer.produce(topic, None, b"k", 0)
    assert producer.flush(10) == 0
    assert topics.spans(topic)[1] == Span(0, 5)
    assert topics.spans(topic)[0] == Span(0, 1)
    read = list(topics.records(topic, 1, 1, 4))
    assert [(r.offset, r.value, r.timestamp) for r in read] == [(n, b"v%d" % n, 1_000 + n) for n in (1, 2, 3)]
    assert read[0].headers == [("h", b"x")]
    (tombstone,) = topics.records(topic, 0, 0, 1)
    assert (tombstone.key, tombstone.value) == (b"k", None)
    assert list(topics.records(topic, 1, 5, 5)) == []
    assert len(list(topics.records(topic, 1, 0, 100))) == 5, "what is not there yet is not waited for"


def test_a_topic_that_is_missing_and_a_broker_that_is_away(
    broker: Settings, topics: KafkaTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TopicMissing, match="no topic nowhere"):
        topics.spans("nowhere")
    monkeypatch.setattr(kafka_topics, "_ANSWER_SECONDS", 0.3)
    away = KafkaTopics(Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1")))
    with pytest.raises(ServerAway, match=r"127\.0\.0\.1:1"):
        away.spans(broker.topics.interactions)
    away.close()


def test_nobody_has_committed_anything(broker: Settings, topics: KafkaTopics) -> None:
    assert set(topics.intake_positions().values()) == {0}


def test_an_empty_broker_and_an_empty_graph_are_in_order(broker: Settings, topics: KafkaTopics) -> None:
    report = asyncio.run(check(broker, MemoryGraphStore(), topics, QUICK, silent, lambda text: None))
    assert (report.ok, report.at_rest, report.source.records) == (True, True, 0)
