"""``interestream erase`` over a broker in this process; who consumes what it sends stands for the workers."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from graph.memory_store import MemoryGraphStore
from stream.bundles import ERASING_FORMAT, Bundle, decode_bundle
from stream.commands.erase import erase
from stream.embedded import EmbeddedBroker
from stream.pseudonyms import Pseudonyms
from stream.published import users_with_lists
from stream.sender import TopicMissing, make_producer
from stream.settings import KafkaSettings, Settings
from tests.unit.stream.graphs import commit, small_graph, user
from tests.unit.stream.test_refresh import Worker

KEY = "a key of thirty-two characters !"

app = typer.Typer()
app.command()(erase)


class Eraser(Worker):
    """Does what the interest agent does of an erasure. tells: whether it publishes that users are gone."""

    tells = True

    async def _apply(self, key: str, applied: int) -> None:
        bundle: Bundle = decode_bundle(self.taken[-1].value())
        expected = (await self.store.read_ledgers([key]))[key].applied
        await self.store.apply_users(commit(self.store, key, expected, applied, "worker"), [], bundle.erase)
        if self.tells:
            publish(self._settings, dict.fromkeys(bundle.erase))


def publish(settings: Settings, values: dict[str, bytes | None]) -> None:
    producer: Producer = make_producer(settings)
    for user_id, value in values.items():
        producer.produce(settings.topics.recommendations, value, user_id.encode())
    assert producer.flush(10) == 0


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryGraphStore:
    names = ["ana", "ben", Pseudonyms(Settings(pseudonym_key=KEY).pseudonym_key).of("carl")]
    store = asyncio.run(small_graph(*map(user, names)))
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: store)
    return store


@pytest.fixture
def worker(broker: Settings, store: MemoryGraphStore) -> Iterator[Eraser]:
    partitions = len(make_producer(broker).list_topics(timeout=10).topics[broker.topics.bundles].partitions)
    publish(broker, {"ana": b"{}", "ben": b"{}"})
    running = Eraser(broker, store, [broker.topics.bundles], partitions)
    with running:
        yield running


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=answer)


def users(store: MemoryGraphStore) -> list[str]:
    return asyncio.run(store.user_ids("", 10))


def test_who_is_named_is_erased_and_nobody_else(broker: Settings, store: MemoryGraphStore, worker: Eraser) -> None:
    result = run("ana", "--yes", "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout.splitlines()[-1])
    assert (done["users"], done["unknown"], done["left"]) == (1, [], [])
    assert "ana" not in users(store)
    assert "ben" in users(store)
    assert users_with_lists(broker, ["ana", "ben", "nobody"]) == {"ben"}
    assert [bundle.erase for _, bundle in worker.bundles(broker)] == [("ana",), ()]
    assert worker.bundles(broker)[0][1].format == ERASING_FORMAT


def test_ids_may_come_from_a_file_and_unknown_ones_are_said(
    broker: Settings, store: MemoryGraphStore, worker: Eraser, tmp_path: Path
) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("ben\n\nana\n ben \n")
    result = run("zoe", "--file", str(file), "--yes")
    assert result.exit_code == 0, result.output
    assert "2 users erased" in result.stdout
    assert "zoe: neither the graph nor the lists knew this user" in result.stderr
    assert {"ana", "ben"}.isdisjoint(users(store))


def test_a_person_is_asked_first(broker: Settings, store: MemoryGraphStore, worker: Eraser) -> None:
    result = run("ana", answer="n\n")
    assert result.exit_code == 1
    assert "Erase 1 user? This cannot be undone." in result.stderr
    assert "nothing was done" in result.stderr
    assert "ana" in users(store)
    assert worker.bundles(broker) == []
    assert run("ana", answer="y\n").exit_code == 0
    assert "ana" not in users(store)


def test_what_is_left_is_said(broker: Settings, store: MemoryGraphStore, worker: Eraser) -> None:
    worker.tells = False
    result = run("ana", "--yes")
    assert result.exit_code == 1
    assert "something is left of ana" in result.stderr


def test_an_id_of_trackers_finds_its_pseudonym(
    broker: Settings, store: MemoryGraphStore, worker: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTREAM_PSEUDONYM_KEY", KEY)
    assert len(users(store)) == 3
    result = run("carl", "ana", "--yes", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["unknown"] == []
    assert users(store) == ["ben"]


def test_without_a_worker_the_role_is_named(broker: Settings, store: MemoryGraphStore) -> None:
    result = run("ana", "--yes", "--patience", "1")
    assert result.exit_code == 3
    assert "is a worker with the role interest running?" in result.output


@pytest.mark.parametrize(("arguments", "said"), [((), "name users"), (("--file", "nowhere.txt"), "nowhere.txt")])
def test_nobody_and_a_file_that_is_not_there_are_refused(
    arguments: tuple[str, ...], said: str, store: MemoryGraphStore
) -> None:
    result = run(*arguments, "--yes")
    assert result.exit_code == 2
    assert said in result.output


def test_a_missing_topic_is_said() -> None:
    with EmbeddedBroker() as embedded:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
        with pytest.raises(TopicMissing):
            users_with_lists(settings, ["ana"])
