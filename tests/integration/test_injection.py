"""500 hostile texts in every field of events and rows: data they are, in graph, lists, letters and logs alike."""

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from neo4j import Driver, GraphDatabase

from graph.store import GraphStore
from stream.settings import Settings
from tests.integration.deliveries import produce_placed
from tests.integration.shop import Message
from tests.integration.test_end_to_end import drain, produce, workers
from tests.integration.workers import Worker, read_all
from tests.payloads import payloads

__all__ = ["workers"]  # a fixture

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(900)]

LABELS = {"User", "UserState", "Item", "Category", "AssociationState", "StreamOffset", "SchemaVersion"}
TYPES = {"INTERESTED_IN", "VIEWED", "PURCHASED", "VIEWED_NEXT", "BOUGHT_NEXT", "IN_CATEGORY", "CHILD_OF"}
ASSOCIATION_KEYS = {"weight", "users", "confidence", "lift", "updatedAt"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def native(n: int, text: str, now: int) -> dict[str, Any]:
    return {
        "event_id": f"{n}{text}",
        "kind": ("view", "purchase")[n % 2],
        "user_id": text,
        "item_id": text,
        "occurred_at": now - n,
        "category": ["Root", text],
        "order_id": text,
        "list_id": text,
        "recommendation_id": text,
        text: text,
    }


def track(n: int, text: str, now: int) -> dict[str, Any]:
    product = {"product_id": text, "category": text, "coupon": text, text: text}
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"t{n}{text}",
        "anonymousId": text,
        "timestamp": now - n,
        "properties": {"order_id": text, "list_id": text, "products": [product]},
        "context": {text: text},
    }


def schema_of(driver: Driver) -> dict[str, set[str]]:
    def names(query: str) -> set[str]:
        return {str(record[0]) for record in driver.execute_query(query).records}

    return {
        "constraints": names("SHOW CONSTRAINTS YIELD name"),
        "indexes": names("SHOW INDEXES YIELD name"),
        "users": names("SHOW USERS YIELD user"),
        "labels": names("MATCH (n) UNWIND labels(n) AS name RETURN DISTINCT name"),
        "types": names("MATCH ()-[r]->() RETURN DISTINCT type(r)"),
        "keys": names("MATCH (n) UNWIND keys(n) AS key RETURN DISTINCT key"),
        "edge keys": names("MATCH ()-[r]->() UNWIND keys(r) AS key RETURN DISTINCT key"),
    }


def bodies(messages: Iterable[dict[str, Any]]) -> list[Message]:
    return [Message(None, json.dumps(message).encode()) for message in messages]


async def test_hostile_texts_are_data(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    texts = payloads(seed=71, count=500)
    harmless = [native(n, f"harmless-{n % 5}", now) for n in range(50)] + [track(n, "harmless", now) for n in range(5)]
    row: dict[str, Any] = {"price": 1.0, "currency": "EUR"}
    neo4j = settings.neo4j
    workers.append(Worker(settings, tmp_path / "worker.log"))
    produce(settings, settings.topics.catalogue, bodies([{"item_id": "harmless", "category": "Root", **row}]))
    produce_placed(settings, bodies(harmless), 1)
    await drain(settings, store, workers)
    with GraphDatabase.driver(neo4j.uri, auth=(neo4j.user, neo4j.password.get_secret_value())) as driver:
        before = schema_of(driver)
        assert before["labels"] <= LABELS
        rows = bodies({"item_id": text, "title": text, "brand": text, "category": [text], **row} for text in texts)
        produce(settings, settings.topics.catalogue, rows)
        produce_placed(settings, bodies(native(n, text, now) for n, text in enumerate(texts)), 2)
        produce_placed(settings, bodies(track(n, text, now) for n, text in enumerate(texts)), 3)
        await drain(settings, store, workers, seconds=400)
        after = schema_of(driver)
        users = {record["id"] for record in driver.execute_query("MATCH (u:User) RETURN u.userId AS id").records}
        items = {record["id"] for record in driver.execute_query("MATCH (i:Item) RETURN i.itemId AS id").records}

    assert after["labels"] <= LABELS
    assert after["types"] <= TYPES
    assert after["edge keys"] <= before["edge keys"] | ASSOCIATION_KEYS
    for name in ("constraints", "indexes", "users", "keys"):
        assert after[name] == before[name], name

    clean = {text for text in texts if not _CONTROL.search(text)}
    assert 350 < len(clean) < 500
    in_path = {text for text in clean if " > " not in text}  # a label holds no separator
    assert users == in_path | {f"anon:{text}" for text in clean} | {f"harmless-{n}" for n in range(5)} | {
        "anon:harmless"
    }
    assert clean <= items
    assert workers[0].process.poll() is None

    for key, value, _, _ in read_all(settings, settings.topics.recommendations):
        assert key is not None
        record = json.loads(value or b"")
        assert record["user_id"] == key.decode()
        assert record["schema"] == "recommendations/1"
        assert len(record["cross_sell"]) <= 10
    for _, _, headers, _ in read_all(settings, settings.topics.dead_letters):
        assert headers["dlq.errors.topic"].decode() in (settings.topics.interactions, settings.topics.catalogue)
        assert headers["dlq.errors.reason"] == b"bad_character"
        assert not _CONTROL.search(headers["dlq.errors.message"].decode() + headers["dlq.errors.field"].decode())

    log = workers[0].log.read_bytes()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert not any(byte < 32 and byte != 10 for byte in log)
    told = json.dumps(lines, ensure_ascii=False)
    assert not any(text in told for text in texts if len(text) > 12), "no text of an event is ever logged"
