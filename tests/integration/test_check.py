"""``interestream check`` over the real servers: nothing in a run with crashes, everything that is altered by hand."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from neo4j import Driver, GraphDatabase

from stream.checking.kafka_topics import KafkaTopics
from stream.deadletter import dead_letter
from stream.kafka_config import confluent_config
from stream.settings import Settings
from stream.trackers import Reason, Rejected, Stage
from tests.integration.shop import Message, Shop, make_shop
from tests.integration.workers import Worker, end_offsets, environment, kill_all, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


def produce(settings: Settings, topic: str, messages: list[Message]) -> None:
    producer = Producer({**confluent_config(settings), "linger.ms": 20})
    for message in messages:
        producer.produce(topic, key=message.key, value=message.value)
        producer.poll(0)
    assert producer.flush(60) == 0


def command(settings: Settings, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        env=environment(settings, **variables),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def check(settings: Settings, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and what it printed."""
    done = command(settings, "check", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def named(report: dict[str, Any]) -> list[str]:
    return [
        f"{d['invariant']} {d['where']}: {d['what']}: expected {d['expected']}, found {d['found']}"
        for d in report["found"]
    ]


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    running: list[Worker] = []
    yield running
    kill_all(running)


@pytest.fixture
def driver(settings: Settings) -> Iterator[Driver]:
    neo4j = settings.neo4j
    with GraphDatabase.driver(neo4j.uri, auth=(neo4j.user, neo4j.password.get_secret_value())) as driver:
        yield driver


def shop_and_catalogue(settings: Settings) -> Shop:
    shop = make_shop(seed=23, events=1200, users=40, now=time.time_ns() // 1_000_000)
    produce(settings, settings.topics.catalogue, [Message(key, value) for key, value in shop.catalogue()])
    return shop


def test_a_run_with_crashes_is_clean_and_every_alteration_is_found(
    settings: Settings, driver: Driver, workers: list[Worker], tmp_path: Path
) -> None:
    topics = settings.topics
    shop = shop_and_catalogue(settings)
    half = len(shop.messages) // 2
    workers.extend(Worker(settings, tmp_path / f"worker-{i}.log") for i in range(2))
    produce(settings, topics.interactions, shop.messages[:half])
    wait_until(lambda: sum(end_offsets(settings, topics.recommendations).values()) > 0, 120, "a list", workers)
    workers[0].kill()
    produce(settings, topics.interactions, shop.messages[half:])
    workers[0] = Worker(settings, tmp_path / "worker-2.log")

    assert command(settings, "refresh", "--all", "--patience", "120").returncode == 0
    code, report = check(settings, "--lists", "--patience", "120")
    assert code == 0, "\n".join(named(report))
    assert report["at_rest"]
    assert report["source"]["records"] == len(shop.messages)
    assert report["source"]["dead_letters"] == sum(message.malformed is not None for message in shop.messages)

    for worker in workers:
        assert worker.terminate() == 0, worker.tail()
    altered = [alter(driver) for alter in (weight, crowd, listed, missing)]
    code, report = check(settings)
    found = named(report)
    assert code == 1
    for expected, mend in altered:
        assert any(text.startswith(expected) for text in found), (expected, found)
        mend()
    expected, mend = ledger(driver, settings)
    code, report = check(settings, "--patience", "2")
    assert code == 1
    assert any(text.startswith(expected) for text in named(report)), (expected, named(report))
    mend()
    place = false_letter(settings, shop)
    code, report = check(settings)
    assert code == 1
    assert named(report)
    assert all(text.startswith("I10 dead letter ") and place in text for text in named(report)), named(report)


Mend = Callable[[], object]


def run(driver: Driver, query: Any, **parameters: Any) -> list[Any]:
    return list(driver.execute_query(query, parameters)[0])


def weight(driver: Driver) -> tuple[str, Mend]:
    """Alter the first user's edge: the last one is the user that ``missing`` hides."""
    ((user, category, before),) = run(
        driver,
        "MATCH (u:User)-[i:INTERESTED_IN]->(c:Category) WITH u, i, c ORDER BY u.userId, c.path LIMIT 1 "
        "WITH u, i, c, i.weight AS before "
        "SET i.weight = before * 1.0000001 RETURN u.userId, c.path, before",
    )
    query = "MATCH (:User {userId: $u})-[i:INTERESTED_IN]->(:Category {path: $c}) SET i.weight = $before"
    mended = lambda: run(driver, query, u=user, c=category, before=before)  # noqa: E731 - a mend is called once
    return f"I2 user {user}: interest in {category}: weight", mended


def crowd(driver: Driver) -> tuple[str, Mend]:
    ((source, target),) = run(
        driver,
        "MATCH (a:Category)-[e:BOUGHT_NEXT]->(b:Category) WITH a, e, b LIMIT 1 SET e.users = e.users + 1 "
        "RETURN a.path, b.path",
    )
    query = "MATCH (:Category {path: $a})-[e:BOUGHT_NEXT]->(:Category {path: $b}) SET e.users = e.users - 1"
    where = f"I2 category association {source} -BOUGHT_NEXT-> {target}: users"
    return where, lambda: run(driver, query, a=source, b=target)


def listed(driver: Driver) -> tuple[str, Mend]:
    ((user, before),) = run(
        driver,
        "MATCH (u:User) WHERE size(u.crossSell) > 1 WITH u ORDER BY u.userId LIMIT 1 WITH u, u.crossSell AS before "
        "SET u.crossSell = before[1..] + before[..1] RETURN u.userId, before",
    )
    query = "MATCH (u:User {userId: $u}) SET u.crossSell = $before"
    return f"I2 user {user}: last list ", lambda: run(driver, query, u=user, before=before)


def missing(driver: Driver) -> tuple[str, Mend]:
    """Hide a user under another label, so that it can come back whole."""
    ((user,),) = run(
        driver, "MATCH (u:User) WITH u ORDER BY u.userId DESC LIMIT 1 REMOVE u:User SET u:Hidden RETURN u.userId"
    )
    query = "MATCH (u:Hidden) REMOVE u:Hidden SET u:User"
    return f"I2 user {user}: is missing", lambda: run(driver, query)


def ledger(driver: Driver, settings: Settings) -> tuple[str, Mend]:
    ((key, before),) = run(
        driver,
        "MATCH (l:StreamOffset) WHERE l.key STARTS WITH $topic AND l.applied > 1 WITH l LIMIT 1 "
        "WITH l, l.applied AS before SET l.applied = 0 RETURN l.key, before",
        topic=settings.topics.bundles,
    )
    query = "MATCH (l:StreamOffset {key: $key}) SET l.applied = $before"
    return f"I6 ledger {key}: ", lambda: run(driver, query, key=key, before=before)


def false_letter(settings: Settings, shop: Shop) -> str:
    """Put a good event among the dead letters; return its place in words."""
    bad = {message.value for message in shop.messages if message.malformed}
    topics = KafkaTopics(settings)
    try:
        spans = topics.spans(settings.topics.interactions)
        records = (r for p, s in spans.items() for r in topics.records(settings.topics.interactions, p, *s))
        good = next(record for record in records if record.value not in bad)
    finally:
        topics.close()
    letter = dead_letter(good, Rejected(Stage.DECODE, Reason.NOT_JSON, "", "no"), settings.topics.dead_letters)
    producer = Producer(confluent_config(settings))
    producer.produce(letter.topic, letter.value, letter.key, headers=list(letter.headers))
    assert producer.flush(30) == 0
    return f"{good.topic}/{good.partition}@{good.offset}"


def test_dead_letters_come_back_after_the_rules_were_mended(
    settings: Settings, workers: list[Worker], tmp_path: Path
) -> None:
    """I9: a limit that was too low refuses good events; raised, and sent again, they lead to a clean run."""
    topics = settings.topics
    shop = shop_and_catalogue(settings)
    too_low = {"INTERESTREAM_TRACKERS__MAX_MESSAGE_BYTES": "200"}
    workers.append(Worker(settings, tmp_path / "strict.log", **too_low))
    produce(settings, topics.interactions, shop.messages[:400])
    wait_until(lambda: sum(end_offsets(settings, topics.recommendations).values()) > 0, 120, "a list", workers)
    code, report = check(settings, "--patience", "120")
    good = report["invariants"]["I10"]["differences"]
    assert code == 1
    assert good == report["differences"] > 0, named(report)
    assert all("is a good event by today's rules" in text for text in named(report))

    assert workers[0].terminate() == 0, workers[0].tail()
    workers[0] = Worker(settings, tmp_path / "mended.log")
    replayed = command(settings, "replay", "--from-dlq", "--reason", "too_large", "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert json.loads(replayed.stdout.splitlines()[-1])["delivered"] == good
    code, report = check(settings, "--patience", "120")
    assert (code, named(report)) == (0, [])
    assert report["source"]["replayed_letters"] == good


def test_a_broker_that_is_away_and_a_setting_that_cannot_be_used(settings: Settings) -> None:
    away = command(settings, "check", INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert away.returncode == 3
    assert "127.0.0.1:1" in away.stderr
    wrong = command(settings, "check", INTERESTREAM_STORE="memory")
    assert wrong.returncode == 2
