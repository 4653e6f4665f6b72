"""`report` and `signals` over a broker, and when there is none."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import typer
from typer.testing import CliRunner

from graph.store import GraphStore
from stream.commands import report as report_command
from stream.commands import signals as signals_command
from stream.embedded import EmbeddedBroker
from stream.sender import make_producer
from stream.settings import KafkaSettings, Settings
from tests.unit.stream.graphs import small_graph, user

app = typer.Typer()
app.command("report")(report_command.report)
app.command("signals")(signals_command.signals)


@pytest.fixture
def settings() -> Iterator[Settings]:
    base = Settings()
    with EmbeddedBroker() as broker:
        broker.create_topics(base.topics)
        yield base.model_copy(update={"kafka": KafkaSettings(bootstrap_servers=broker.bootstrap_servers)})


def test_a_report_of_events_without_lists(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_command, "read_secure_settings", lambda: settings)
    event = {"event_id": "e", "kind": "click", "user_id": "u", "item_id": "i", "occurred_at": 1_759_000_000_000}
    producer = make_producer(settings)
    for value in (b"no event", json.dumps({**event, "recommendation_id": "r", "list_id": "up_sell"}).encode()):
        producer.produce(settings.topics.interactions, value)
    assert producer.flush(10) == 0
    result = CliRunner().invoke(app, ["report", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    assert (found["events"], found["lists"]) == (2, 0)
    assert found["feedback"]["by_list"]["up_sell"]["ctr"] == 1.0
    assert found["exposure"]["cross_sell"]["places"] == 0
    assert "up_sell" in CliRunner().invoke(app, ["report"]).stdout


def test_signals_are_sent_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = asyncio.run(small_graph(user()))

    @asynccontextmanager
    async def connected(settings: Settings) -> AsyncIterator[GraphStore]:
        yield store

    monkeypatch.setattr(signals_command, "read_server_settings", lambda: settings)
    monkeypatch.setattr(signals_command, "connected_store", connected)
    found = []
    for until in ("2025-10-10T00:00:00Z", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"):
        result = CliRunner().invoke(app, ["signals", "--until", until, "--json"])
        assert result.exit_code == 0, result.output
        found.append(json.loads(result.stdout.splitlines()[-1])["churn"])
    assert found == [0, 1, 0]


@pytest.mark.parametrize("until", ["yesterday", "2026-03-02T10:00:00"])
def test_a_time_without_a_meaning_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch, until: str) -> None:
    monkeypatch.setattr(signals_command, "read_server_settings", lambda: settings)
    result = CliRunner().invoke(app, ["signals", "--until", until])
    assert result.exit_code == 2
    assert "like 2026-03-02T10:00:00Z" in result.output
