"""From a tracker's bytes to graph and lists, on the real servers, checked against an independent recomputation."""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from graph.store import GraphStore, UserView
from stream.kafka_config import confluent_config
from stream.settings import Settings
from tests.integration.shop import DAY_MS, Answer, Message, Shop, answers, make_shop
from tests.integration.workers import (
    Worker,
    committed_offsets,
    end_offsets,
    environment,
    kill_all,
    read_all,
    wait_until,
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

EVENTS = 2500


def produce(settings: Settings, topic: str, messages: list[Message]) -> None:
    producer = Producer({**confluent_config(settings), "linger.ms": 20})
    for message in messages:
        producer.produce(topic, key=message.key, value=message.value)
        producer.poll(0)
    assert producer.flush(60) == 0


def produce_catalogue(settings: Settings, shop: Shop) -> None:
    produce(settings, settings.topics.catalogue, [Message(key, value) for key, value in shop.catalogue()])


async def ledgers(store: GraphStore, topic: str, partitions: int) -> dict[int, int]:
    keys = [f"{topic}/{p}" for p in range(partitions)]
    entries = await store.read_ledgers(keys)
    return {p: max(entries[key].applied, 0) if key in entries else 0 for p, key in enumerate(keys)}


class Drained:
    """Whether everything that was produced has gone through intake, interest and association."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def reached(self, store: GraphStore) -> bool:
        topics = self.settings.topics
        if committed_offsets(self.settings, topics.interactions, "intake") != end_offsets(
            self.settings, topics.interactions
        ):
            return False
        for topic in (topics.bundles, topics.transitions, topics.catalogue):
            ends = end_offsets(self.settings, topic)
            if await ledgers(store, topic, len(ends)) != ends:
                return False
        return True


async def drain(settings: Settings, store: GraphStore, workers: list[Worker], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    drained = Drained(settings)
    while not await drained.reached(store):
        for worker in workers:
            assert worker.process.poll() is None, worker.tail()
        assert time.monotonic() < deadline, "\n".join(worker.tail() for worker in workers)
        await asyncio.sleep(0.3)


def refresh_all(settings: Settings) -> None:
    command = [sys.executable, "-m", "stream", "refresh", "--all", "--json"]
    done = subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout.splitlines()[-1])


async def all_users(store: GraphStore) -> dict[str, UserView]:
    found, after = {}, ""
    while page := await store.user_ids(after, 500):
        for user_id in page:
            view = await store.view_user(user_id)
            assert view is not None
            found[user_id] = view
        after = page[-1]
    return found


def check_users(found: dict[str, UserView], wanted: dict[str, Answer]) -> None:
    assert found.keys() == wanted.keys()
    for user_id, answer in wanted.items():
        view = found[user_id]
        assert view.events == answer.events, user_id
        edges = {interest.category: interest for interest in view.interests}
        assert edges.keys() == answer.parts.keys(), user_id
        for category, edge in edges.items():
            assert (edge.views, edge.purchases) == (answer.views[category], answer.purchases[category])
            assert math.isclose(edge.weight, answer.weight(category, edge.updated_at), rel_tol=1e-9)


def check_dead_letters(settings: Settings, shop: Shop) -> None:
    letters: dict[tuple[str, str], str] = {}
    for _, _, headers, _ in read_all(settings, settings.topics.dead_letters):
        place = headers["dlq.errors.partition"].decode(), headers["dlq.errors.offset"].decode()
        assert headers["dlq.errors.topic"].decode() == settings.topics.interactions
        letters[place] = headers["dlq.errors.reason"].decode()
    assert sorted(letters.values()) == sorted(m.malformed for m in shop.messages if m.malformed)


def current_lists(settings: Settings) -> dict[str, dict[str, Any]]:
    versions: defaultdict[str, list[int]] = defaultdict(list)
    latest: dict[str, dict[str, Any]] = {}
    for key, value, _, _ in read_all(settings, settings.topics.recommendations):
        assert key is not None
        assert value is not None
        record = json.loads(value)
        assert record["user_id"] == key.decode()
        versions[record["user_id"]].append(record["version"])
        latest[record["user_id"]] = record
    for user_id, seen in versions.items():
        assert seen == sorted(set(seen)), f"versions of {user_id} do not grow"
    return latest


async def at_rest(
    settings: Settings, store: GraphStore, workers: list[Worker]
) -> tuple[dict[str, UserView], dict[str, dict[str, Any]]]:
    """Return users and lists of one moment: read again when a refresh came in between, as after a late row.

    Whatever still differs at the deadline is returned as it is, to be judged.
    """
    deadline = time.monotonic() + 120
    while True:
        await drain(settings, store, workers)
        found, records = await all_users(store), current_lists(settings)
        agree = {u: view.version for u, view in found.items()} == {u: r["version"] for u, r in records.items()}
        if time.monotonic() > deadline or (agree and await Drained(settings).reached(store)):
            return found, records
        await asyncio.sleep(0.3)


def check_rules(record: dict[str, Any], shop: Shop, user_events: list[dict[str, Any]], owned: set[str]) -> None:
    rows = {row["item_id"]: row for row in shop.rows}
    assert record["schema"] == "recommendations/1"
    assert record["cross_sell"]
    for listed in record["cross_sell"]:
        row = rows[listed["item_id"]]
        assert listed["item_id"] not in owned
        assert listed["category"] == row["category"]
        assert math.isclose(sum(r["contribution"] for r in listed["because"]), listed["score"], abs_tol=1e-5)
        for reason in listed["because"]:
            assert reason["path"][0] == record["user_id"]
            assert reason["path"][-1] == listed["item_id"]
            assert row["category"] not in reason["path"][1:-2]
    for listed in record["up_sell"]:
        row, anchor = rows[listed["item_id"]], rows[listed["anchor_item_id"]]
        assert listed["item_id"] not in owned
        assert row["category"] == anchor["category"]
        assert row["currency"].upper() == anchor["currency"].upper()
        assert listed["price"] > listed["anchor_price"]
    assert len(record["cross_sell"]) <= 10
    assert len(record["up_sell"]) <= 10


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[list[Worker]]:
    running: list[Worker] = []
    yield running
    kill_all(running)


async def test_every_event_once_whatever_happens_to_the_workers(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    shop = make_shop(seed=11, events=EVENTS, now=now)
    wanted = answers(shop)
    third = len(shop.messages) // 3
    topic = settings.topics.interactions

    # Two workers, the catalogue after the first events.
    workers.extend(Worker(settings, tmp_path / f"worker-{i}.log") for i in range(2))
    produce(settings, topic, shop.messages[:third])
    wait_until(lambda: sum(end_offsets(settings, settings.topics.recommendations).values()) > 0, 120, "a list", workers)
    produce_catalogue(settings, shop)

    # One is stopped, one is killed, in the middle of the rest; others take over with other roles.
    produce(settings, topic, shop.messages[third : 2 * third])
    assert workers[0].terminate() == 0, workers[0].tail()
    workers[1].kill()
    workers[:] = [
        Worker(settings, tmp_path / "worker-2.log", ["intake", "catalogue"]),
        Worker(settings, tmp_path / "worker-3.log", ["interest"]),
        Worker(settings, tmp_path / "worker-4.log", ["association", "interest"]),
    ]
    produce(settings, topic, shop.messages[2 * third :])
    await drain(settings, store, workers)
    refresh_all(settings)

    found, records = await at_rest(settings, store, workers)
    check_users(found, wanted)
    check_dead_letters(settings, shop)
    assert records.keys() == wanted.keys()
    edges = {(e.family.value, e.source, e.target): e for e in await store.association_edges()}
    assert edges
    for user_id, record in records.items():
        view = found[user_id]
        assert [listed["item_id"] for listed in record["cross_sell"]] == view.cross_sell
        assert [listed["item_id"] for listed in record["up_sell"]] == view.up_sell
        assert record["version"] == view.version
        events = [e for e in shop.good if e["user_id"] == user_id]
        check_rules(record, shop, events, owned_items(events, view.last_event_at))
        for listed in (*record["cross_sell"], *record["up_sell"]):
            for reason in listed["because"]:
                edge = edges.get((reason["feature"], *reason["path"][1:3]))
                if edge is not None and "lift" in reason:
                    assert reason["users"] == edge.users
                    assert math.isclose(reason["lift"], edge.lift, rel_tol=1e-6)


def owned_items(events: list[dict[str, Any]], at: int) -> set[str]:
    """Return the items bought in the 30 days before ``at`` and not surely taken back."""
    refunded = {e["item_id"] for e in events if e["kind"] == "refund"}
    since = at - 30 * DAY_MS
    bought = {e["item_id"] for e in events if e["kind"] == "purchase" and e["occurred_at"] >= since}
    return bought - refunded


async def test_a_new_item_needs_nobodys_event(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path
) -> None:
    shop = make_shop(seed=12, events=400, users=40, now=time.time_ns() // 1_000_000)
    workers.extend(Worker(settings, tmp_path / f"worker-{i}.log") for i in range(2))
    produce_catalogue(settings, shop)
    await drain(settings, store, workers)
    produce(settings, settings.topics.interactions, shop.messages)
    await drain(settings, store, workers)
    refresh_all(settings)
    _, before = await at_rest(settings, store, workers)
    shelf = shop.rows[0]["category"]
    led_there = {
        u for u, record in before.items() if any(listed["category"] == shelf for listed in record["cross_sell"])
    }
    assert led_there

    row = {"item_id": "new", "title": "quite a new thing", "category": shelf}
    produce(settings, settings.topics.catalogue, [Message(b"new", json.dumps(row).encode())])

    def listing() -> set[str]:
        lists = current_lists(settings)
        return {u for u, record in lists.items() if any(listed["item_id"] == "new" for listed in record["cross_sell"])}

    wait_until(lambda: led_there <= listing(), 60, "the new item is in the lists that hold its category", workers)
