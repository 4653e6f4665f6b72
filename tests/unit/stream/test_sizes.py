"""Small messages that become large: no record of ours may grow beyond what a topic takes, or the worker dies of it."""

import json
from typing import Any

import pytest

from stream.bundles import decode_bundle
from stream.deadletter import parse_dead_letter
from stream.pipeline import Pipeline
from stream.settings import Settings, TrackerSettings
from stream.topics import MAX_MESSAGE_BYTES
from stream.trackers import Reason, Rejected, decode
from stream.trackers.limits import MAX_INTERACTIONS_BYTES
from tests.unit.stream.test_pipeline import NOW, rest, running, settings, users

__all__ = ["settings"]  # the fixture

WIDE = "🛒"


def order(products: int, category: object = None, text: str = WIDE) -> bytes:
    """Return an order with the longest ids there are, which each of its interactions repeats."""
    longest = text * 128
    entries = [{"product_id": f"p{n}", "category": category} for n in range(products)]
    properties = {"order_id": longest, "list_id": longest, "recommendation_id": longest, "products": entries}
    return _json(
        {
            "type": "track",
            "event": "Order Completed",
            "messageId": text * 124,
            "userId": longest,
            "timestamp": "2025-10-01T12:00:00Z",
            "properties": properties,
        }
    )


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def send(pipeline: Pipeline, value: bytes) -> None:
    pipeline.log.append(pipeline.settings.topics.interactions, None, value)


def largest(pipeline: Pipeline) -> int:
    return max(len(r.value or b"") for logs in pipeline.log.topics.values() for log in logs for r in log)


def test_a_small_message_of_huge_interactions_is_refused() -> None:
    value = order(1_000)
    assert len(value) < 100_000
    with pytest.raises(Rejected) as caught:
        decode(value, record_at=NOW, now=NOW, settings=TrackerSettings())
    assert (caught.value.reason, caught.value.field) == (Reason.TOO_LARGE, "properties.products")
    assert f"the limit is {MAX_INTERACTIONS_BYTES}" in caught.value.message


def test_a_large_cart_of_ordinary_ids_is_not() -> None:
    value = order(1_000, ["Kitchen", "Mugs"], text="x")
    assert len(decode(value, record_at=NOW, now=NOW, settings=TrackerSettings()).interactions) == 1_000


def test_so_many_interactions_always_fit() -> None:
    value = order(200, [WIDE * 250] * 4)
    assert len(decode(value, record_at=NOW, now=NOW, settings=TrackerSettings()).interactions) == 200


async def test_the_largest_orders_stop_nothing(settings: Settings) -> None:
    async with running(settings) as pipeline:
        for products in (1_000, 600, 200):
            send(pipeline, order(products, [WIDE * 100]))
        send(pipeline, order(3))
        await rest(pipeline)
        letters = [r for log in pipeline.log.topics[settings.topics.dead_letters] for r in log]
        assert {parse_dead_letter(letter.headers).reason for letter in letters} == {"too_large"}
        assert len(letters) == 2
        bundles = [decode_bundle(r.value) for log in pipeline.log.topics[settings.topics.bundles] for r in log]
        assert sum(len(bundle.entries) for bundle in bundles) == 203
        (view,) = (await users(pipeline)).values()
        assert view.events == 200  # the order of three repeats the ids of the order of two hundred
        assert largest(pipeline) < MAX_MESSAGE_BYTES


def path(n: int) -> list[str]:
    return [f"{n:04}" + WIDE * 240, WIDE * 250, WIDE * 250, WIDE * 200]


def event(n: int, **more: Any) -> bytes:
    return _json(
        {"event_id": f"e{n}", "kind": "view", "item_id": f"i{n}", "occurred_at": NOW - 9_000_000 + n * 1000} | more
    )


async def test_a_category_that_leads_to_more_than_a_record_can_hold(settings: Settings) -> None:
    """Anybody who sends events may choose categories of 4 KB, and go from one to a thousand others."""
    async with running(settings, max_records=20) as pipeline:
        for n in range(900):
            send(pipeline, event(2 * n, user_id=f"u{n}", category=path(0)))
            send(pipeline, event(2 * n + 1, user_id=f"u{n}", category=path(1 + n)))
        await rest(pipeline)
        assert MAX_MESSAGE_BYTES / 2 < largest(pipeline) < MAX_MESSAGE_BYTES
        assert len(await users(pipeline)) == 900


async def test_a_batch_of_long_categories(settings: Settings) -> None:
    async with running(settings, max_records=1_000) as pipeline:
        for n in range(1_500):
            send(pipeline, event(n, user_id=f"u{n % 20}", category=path(n % 200)))
        await rest(pipeline)
        assert largest(pipeline) < MAX_MESSAGE_BYTES
        assert sum(view.events for view in (await users(pipeline)).values()) == 1_500
