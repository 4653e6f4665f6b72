import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
import typer
from confluent_kafka import Consumer, Message, TopicPartition
from typer.testing import CliRunner, Result

from graph.memory_store import MemoryGraphStore
from stream.bundles import USERS_PER_BUNDLE, Bundle, DeltaMessage, decode_bundle, decode_deltas
from stream.commands.refresh import refresh
from stream.embedded import EmbeddedBroker
from stream.partitioning import partition_of
from stream.refresh_requests import NoWorker, Requests, refresh_users, settle_associations
from stream.sender import ServerAway, TopicMissing, make_producer
from stream.settings import KafkaSettings, Settings
from tests.unit.stream.graphs import commit, small_graph, user

SILENT_SECONDS = 0.3

app = typer.Typer()
app.command()(refresh)


class Worker(threading.Thread):
    """Consumes topics as the workers do: applies each record to its ledger, by a commit, and remembers it."""

    def __init__(self, settings: Settings, store: MemoryGraphStore, topics: Sequence[str], partitions: int) -> None:
        super().__init__(daemon=True)
        self.store = store
        self.taken: list[Message] = []
        self._stopped = threading.Event()
        self._places = [TopicPartition(topic, p, 0) for topic in topics for p in range(partitions)]
        self._settings = settings

    def run(self) -> None:
        consumer = Consumer({"bootstrap.servers": self._settings.kafka.bootstrap_servers, "group.id": "worker"})
        consumer.assign(self._places)
        keys = [f"{place.topic}/{place.partition}" for place in self._places]
        asyncio.run(self.store.claim(dict.fromkeys(keys, "worker")))
        while not self._stopped.is_set():
            record = consumer.poll(0.05)
            if record is not None and record.error() is None:
                self.taken.append(record)
                asyncio.run(self._apply(f"{record.topic()}/{record.partition()}", record.offset() + 1))
        consumer.close()

    async def _apply(self, key: str, applied: int) -> None:
        expected = (await self.store.read_ledgers([key]))[key].applied
        await self.store.apply_users(commit(self.store, key, expected, applied, "worker"), [])

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def deltas(self, settings: Settings) -> list[DeltaMessage]:
        return [decode_deltas(r.value()) for r in self.taken if r.topic() == settings.topics.transitions]

    def bundles(self, settings: Settings) -> list[tuple[int, Bundle]]:
        found = (r for r in self.taken if r.topic() == settings.topics.bundles)
        return [(record.partition(), decode_bundle(record.value())) for record in found]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryGraphStore:
    store = asyncio.run(small_graph(user("ana"), user("ben")))
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: store)
    return store


@pytest.fixture
def partitions(broker: Settings) -> int:
    return len(make_producer(broker).list_topics(timeout=10).topics[broker.topics.bundles].partitions)


@pytest.fixture
def worker(broker: Settings, store: MemoryGraphStore, partitions: int) -> Iterator[Worker]:
    with Worker(broker, store, [broker.topics.transitions, broker.topics.bundles], partitions) as running:
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def requests(settings: Settings, store: MemoryGraphStore, patience_seconds: float = 30.0) -> Requests:
    return Requests(store, make_producer(settings), settings, patience_seconds)


async def pages(*of: list[str]) -> AsyncIterator[list[str]]:
    for page in of:
        yield page


async def test_associations_are_asked_for_in_every_partition_twice(
    broker: Settings, store: MemoryGraphStore, worker: Worker, partitions: int
) -> None:
    await settle_associations(requests(broker, store), broker)
    taken = [(record.partition(), record.offset()) for record in worker.taken]
    # Nothing of the second round was sent before the last of the first was applied.
    assert sorted(taken[:partitions]) == [(partition, 0) for partition in range(partitions)]
    assert sorted(taken[partitions:]) == [(partition, 1) for partition in range(partitions)]
    assert all(message.causes == () for message in worker.deltas(broker))


async def test_users_are_asked_for_at_their_owners_in_bounded_bundles(
    broker: Settings, store: MemoryGraphStore, worker: Worker, partitions: int
) -> None:
    first = [f"user-{n}" for n in range(4 * USERS_PER_BUNDLE)]
    second = ["zoe"]
    steps: list[int] = []
    figures = await refresh_users(requests(broker, store), broker, pages(first, second), steps.append)
    asked = [(partition, bundle) for partition, bundle in worker.bundles(broker) if bundle.refresh]
    assert sorted(name for _, bundle in asked for name in bundle.refresh) == sorted(first + second)
    assert all(partition_of(name, partitions) == partition for partition, bundle in asked for name in bundle.refresh)
    assert all(len(bundle.refresh) <= USERS_PER_BUNDLE and not bundle.entries for _, bundle in asked)
    assert figures.users == sum(steps) == len(first) + 1
    assert figures.bundles == len(asked)


async def test_the_last_word_in_each_partition_comes_after_every_list_was_committed(
    broker: Settings, store: MemoryGraphStore, worker: Worker
) -> None:
    await refresh_users(requests(broker, store), broker, pages(["ana", "ben"]), lambda _: None)
    by_partition: dict[int, list[tuple[str, ...]]] = {}
    for partition, bundle in worker.bundles(broker):
        by_partition.setdefault(partition, []).append(bundle.refresh)
    assert all(bundles[-1] == () and len(bundles) == 2 for bundles in by_partition.values())


async def test_a_ledger_that_only_reached_the_request_has_not_passed_it(
    broker: Settings, store: MemoryGraphStore
) -> None:
    topic = broker.topics.bundles
    await store.claim({f"{topic}/0": "worker"})
    waiting = requests(broker, store, SILENT_SECONDS)
    await store.apply_users(commit(store, f"{topic}/0", -1, 7, "worker"), [])
    with pytest.raises(NoWorker):
        await waiting.wait(topic, "interest", {0: [7]})
    passed: list[tuple[int, int]] = []
    await waiting.wait(topic, "interest", {0: [5, 6]}, lambda *place: passed.append(place))
    assert passed == [(0, 5), (0, 6)]


async def test_without_a_worker_the_role_and_partitions_are_named(
    broker: Settings, store: MemoryGraphStore, partitions: int
) -> None:
    with pytest.raises(NoWorker, match=r"interestream\.transitions\.v1.*is a worker with the role association"):
        await settle_associations(requests(broker, store, SILENT_SECONDS), broker)
    with Worker(broker, store, [broker.topics.transitions], partitions):
        await settle_associations(requests(broker, store), broker)
        with pytest.raises(NoWorker, match="is a worker with the role interest"):
            await refresh_users(requests(broker, store, SILENT_SECONDS), broker, pages(["ana"]), lambda _: None)


async def test_a_missing_topic_and_a_missing_broker_differ(
    store: MemoryGraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.sender._ANSWER_SECONDS", 0.5)
    with EmbeddedBroker() as embedded:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
        with pytest.raises(TopicMissing, match="transitions"):
            await settle_associations(requests(settings, store), settings)
    away = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    with pytest.raises(ServerAway):
        await settle_associations(requests(away, store), away)


def test_the_command_refreshes_everybody(broker: Settings, worker: Worker) -> None:
    result = run("--all", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["users"] == 2
    assert sorted(n for _, bundle in worker.bundles(broker) for n in bundle.refresh) == ["ana", "ben"]


def test_the_command_refreshes_who_is_named_once(broker: Settings, worker: Worker) -> None:
    result = run("ben", "ben")
    assert result.exit_code == 0, result.output
    assert "1 users" not in result.stdout
    assert "1 user ranked" in result.stdout
    assert [bundle.refresh for _, bundle in worker.bundles(broker)] == [("ben",), ()]


def test_everybody_of_an_empty_graph_is_nobody(
    broker: Settings, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = MemoryGraphStore()
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: empty)
    with Worker(broker, empty, [broker.topics.transitions, broker.topics.bundles], partitions):
        result = run("--all", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["users"] == 0


def test_unknown_users_are_named_and_nothing_is_asked_for(broker: Settings, store: MemoryGraphStore) -> None:
    result = run("ana", "carl", "dora")
    assert result.exit_code == 1
    assert "no user carl, dora; nothing was done" in result.output
    consumer = Consumer({"bootstrap.servers": broker.kafka.bootstrap_servers, "group.id": "g"})
    assert consumer.get_watermark_offsets(TopicPartition(broker.topics.transitions, 0), timeout=10) == (0, 0)
    consumer.close()


def test_no_worker_is_a_server_that_is_away(broker: Settings, store: MemoryGraphStore) -> None:
    result = run("--all", "--patience", "1")
    assert result.exit_code == 3
    assert "is a worker with the role association running?" in result.output


@pytest.mark.parametrize("arguments", [(), ("--all", "ana")])
def test_nobody_and_everybody_with_names_are_refused(arguments: tuple[str, ...], store: MemoryGraphStore) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "--all" in result.output
