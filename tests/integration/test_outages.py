"""A server away under a running worker: it waits, says so, is not ready, blames no event, and catches up."""

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from encoders.settings import EncoderSettings, TextEncoderName
from stream.admin import apply_topics
from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.settings import KafkaSettings, Neo4jSettings, Settings
from stream.stores import open_store
from stream.topics import TopicSettings
from tests.integration.deliveries import produce_placed
from tests.integration.shop import answers, make_shop
from tests.integration.test_end_to_end import all_users, check_dead_letters, check_users, drain, produce_catalogue
from tests.integration.workers import Worker, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(900)]

AWAY_SECONDS = 75
"""Longer than a minute, so that it must be said twice."""


@pytest.fixture
def own_servers(
    new_kafka: Callable[..., KafkaServer],
    new_neo4j: Callable[..., Neo4jServer],
    topic_settings: TopicSettings,
    no_settings_in_environment: None,
) -> tuple[Settings, KafkaServer, Neo4jServer]:
    kafka, neo4j = new_kafka(), new_neo4j()
    for server in (kafka, neo4j):
        server.start()
    for server in (kafka, neo4j):
        server.wait_ready()
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, session_timeout_seconds=6.0),
        neo4j=Neo4jSettings(uri=neo4j.uri, user=neo4j.user, password=SecretStr(neo4j.password)),
        topics=topic_settings,
        encoder=EncoderSettings(text=TextEncoderName.HASHING),
    )
    apply_topics(settings)
    return settings, kafka, neo4j


def events_of(worker: Worker) -> list[dict[str, Any]]:
    return [json.loads(line) for line in worker.log.read_text().splitlines()]


def readiness(worker: Worker) -> dict[str, bool]:
    url = next(line["url"] for line in events_of(worker) if line["event"] == "metrics")
    try:
        with urllib.request.urlopen(url.replace("/metrics", "/readyz"), timeout=10) as answer:  # noqa: S310
            body, status = answer.read(), answer.status
    except urllib.error.HTTPError as error:
        with error:
            body, status = error.read(), error.code
    report: dict[str, bool] = json.loads(body)
    assert (status == 200) == all(report.values())
    return report


@pytest.mark.parametrize("away", ["neo4j", "kafka"])
async def test_a_server_away(own_servers: tuple[Settings, KafkaServer, Neo4jServer], tmp_path: Path, away: str) -> None:
    settings, kafka, neo4j = own_servers
    server = {"neo4j": neo4j, "kafka": kafka}[away]
    condition = {"neo4j": "store", "kafka": "kafka"}[away]
    shop = make_shop(seed=81, events=600, users=25, now=time.time_ns() // 1_000_000)
    third = len(shop.messages) // 3
    with Worker(settings, tmp_path / "worker.log") as worker:
        produce_catalogue(settings, shop)
        produce_placed(settings, shop.messages[:third], 1)
        wait_until(lambda: any(line["event"] == "metrics" for line in events_of(worker)), 120, "an endpoint", [worker])
        wait_until(lambda: all(readiness(worker).values()), 120, "ready", [worker])

        if away == "neo4j":
            server.kill()
            gone_at = time.monotonic()
            produce_placed(settings, shop.messages[third : 2 * third], 2)
        else:
            produce_placed(settings, shop.messages[third : 2 * third], 2)  # in hand, or still to be fetched
            server.kill()
            gone_at = time.monotonic()
        wait_until(lambda: not readiness(worker)[condition], 60, "not ready", [worker])
        wait_until(lambda: time.monotonic() > gone_at + AWAY_SECONDS, AWAY_SECONDS + 5, "the absence", [worker])
        assert worker.process.poll() is None, worker.tail()
        said = Counter(
            (line["event"], line.get("role")) for line in events_of(worker) if line["event"].endswith("_away")
        )
        assert said, "it must be said"
        assert set(said.values()) <= {1, 2}, "at once, and once a minute"
        assert 2 in said.values()

        server.start()
        server.wait_ready()
        wait_until(lambda: all(readiness(worker).values()), 120, "ready again", [worker])
        produce_placed(settings, shop.messages[2 * third :], 3)
        store = open_store(settings)
        await store.start()
        await drain(settings, store, [worker], seconds=300)
        check_users(await all_users(store), answers(shop))
        check_dead_letters(settings, shop)  # none but the bad ones
        await store.close()
        events = {line["event"] for line in events_of(worker)}
        assert f"{condition}_back" in events
        assert not events & {"crashed", "restarting"}, events
        assert worker.terminate() == 0, worker.tail()
