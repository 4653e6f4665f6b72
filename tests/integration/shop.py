"""A made-up shop with known answers: catalogue, events in both dialects, duplicates, bad messages, early refunds."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DAY_MS = 86_400_000

MALFORMED: tuple[tuple[bytes | None, str], ...] = (
    (b"", "empty_value"),
    (None, "null_value"),
    (b"{", "not_json"),
    (b"[1,2]", "not_object"),
    (b'{"event_id":"x","kind":"view","user_id":"u","item_id":"i"}', "missing_field"),
    (b'{"event_id":"x","kind":"view","user_id":7,"item_id":"i","occurred_at":1700000000000}', "wrong_type"),
    (b'{"event_id":"x","kind":"view","user_id":"u","item_id":"i","occurred_at":1700000000}', "bad_timestamp_unit"),
    (b"\xff\xfe", "not_utf8"),
)


@dataclass
class Message:
    """One record as a tracker would produce it."""

    key: bytes | None
    value: bytes | None
    malformed: str | None = None
    at: int = 0  # when it happened, in ms


@dataclass
class Shop:
    """Everything that was produced, and what of it counts."""

    rows: list[dict[str, Any]]
    messages: list[Message]
    good: list[dict[str, Any]] = field(default_factory=list)

    def catalogue(self) -> Iterator[tuple[bytes, bytes]]:
        """Return the catalogue's records."""
        for row in self.rows:
            yield row["item_id"].encode(), json.dumps(row).encode()


def make_shop(
    seed: int,
    events: int,
    users: int = 60,
    items: int = 80,
    categories: int = 8,
    now: int = 0,
    duplicates: float = 0.03,
    malformed: float = 0.01,
) -> Shop:
    """Make a shop's log of about ``events`` interactions that ended at ``now`` (ms).

    ``duplicates`` and ``malformed`` are shares of its good messages: delivered once more, and no event at all.
    """
    random_ = random.Random(seed)
    rows = [
        {
            "item_id": f"item-{i}",
            "title": f"{random_.choice(['red', 'blue', 'green', 'small', 'large'])} thing {i}",
            "category": f"Shop > Aisle {i % categories % 3} > Shelf {i % categories}",
            "brand": f"Brand {i % 5}",
            "price": round(random_.uniform(1, 50), 2),
            "currency": "gbp" if i % 2 else "GBP",
        }
        for i in range(items)
    ]
    shop = Shop(rows, [])
    start = now - 40 * DAY_MS
    bought: list[tuple[str, str, str, int]] = []
    n = 0
    while n < events:
        user = f"user-{int(random_.random() ** 2 * users)}"  # the first quarter makes half of the events
        at = start + int(random_.random() * 39 * DAY_MS)
        roll = random_.random()
        if roll < 0.15:
            basket = random_.sample(range(items), random_.randint(1, 4))
            order = f"order-{n}"
            shop.messages.append(_order(shop, random_, f"m{n}", "Order Completed", user, basket, order, at))
            bought.extend((user, f"item-{i}", order, at) for i in basket)
            n += len(basket)
        elif roll < 0.20 and bought:
            buyer, item, order, bought_at = random_.choice(bought)
            with_order = random_.random() < 0.6
            refunded_at = min(now - 1000, bought_at + random_.randint(0, 5 * DAY_MS))
            event = _event(f"e{n}", "refund", buyer, item, refunded_at)
            if with_order:
                event["order_id"] = order
            shop.messages.append(_native(shop, event))
            n += 1
        else:
            kind = random_.choices(
                ["view", "click", "add_to_cart", "remove_from_cart", "purchase", "impression"],
                [50, 15, 12, 4, 12, 7],
            )[0]
            item = f"item-{random_.randrange(items)}"
            event = _event(f"e{n}", kind, user, item, at)
            if kind == "purchase":
                event["order_id"] = f"order-{n}"
                event["quantity"] = random_.randint(1, 5)
                bought.append((user, item, event["order_id"], at))
            if random_.random() < 0.3:
                shop.messages.append(_track(shop, random_, event))
            else:
                shop.messages.append(_native(shop, event))
            n += 1
    good = list(shop.messages)
    shop.messages.extend(random_.choices(good, k=int(duplicates * len(good))))
    for i in range(max(len(MALFORMED), int(malformed * len(good))) if malformed else 0):
        value, reason = MALFORMED[i % len(MALFORMED)]
        shop.messages.append(Message(None, value, reason))
    random_.shuffle(shop.messages)  # refunds before their purchase, any order at all
    return shop


def _event(event_id: str, kind: str, user: str, item: str, at: int) -> dict[str, Any]:
    return {"event_id": event_id, "kind": kind, "user_id": user, "item_id": item, "occurred_at": at}


def _native(shop: Shop, event: dict[str, Any]) -> Message:
    shop.good.append(event)
    return Message(None, json.dumps(event).encode(), at=event["occurred_at"])


_NAMES = {
    "view": "Product Viewed",
    "click": "Product Clicked",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
}


def _track(shop: Shop, random_: random.Random, event: dict[str, Any]) -> Message:
    if event["kind"] not in _NAMES:
        return _native(shop, event)
    shop.good.append({**event, "event_id": f"{event['event_id']}#0"})
    message = _envelope(event["event_id"], _NAMES[event["kind"]], event["user_id"], event["occurred_at"])
    message["properties"] = {"product_id": event["item_id"], "price": 3.5, "currency": "usd"}
    return Message(None, json.dumps(message).encode(), at=event["occurred_at"])


def _order(
    shop: Shop, random_: random.Random, message_id: str, name: str, user: str, basket: list[int], order: str, at: int
) -> Message:
    for index, i in enumerate(basket):
        event = _event(f"{message_id}#{index}", "purchase", user, f"item-{i}", at)
        shop.good.append({**event, "order_id": order})
    message = _envelope(message_id, name, user, at)
    message["properties"] = {
        "order_id": order,
        "products": [{"product_id": f"item-{i}", "quantity": random_.randint(1, 3)} for i in basket],
    }
    return Message(None, json.dumps(message).encode(), at=at)


def _envelope(message_id: str, name: str, user: str, at: int) -> dict[str, Any]:
    when = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": "track", "messageId": message_id, "event": name, "userId": user, "timestamp": when}


@dataclass
class Answer:
    """What one user's part of the graph must be: category -> (views, purchases, [(weight, ms)])."""

    events: int
    views: dict[str, int]
    purchases: dict[str, int]
    parts: dict[str, list[tuple[float, int]]]

    def weight(self, category: str, at: int) -> float:
        """Return the category's weight at a time (ms)."""
        return math.fsum(w * math.exp2(-(at - t) / (7 * DAY_MS)) for w, t in self.parts[category])


WEIGHTS = {"view": 1.0, "click": 1.0, "add_to_cart": 3.0, "purchase": 5.0}


def answers(shop: Shop) -> dict[str, Answer]:
    """Recompute every user from the log, in order of time, without a line of the product."""
    category = {row["item_id"]: row["category"] for row in shop.rows}
    by_user: dict[str, dict[str, dict[str, Any]]] = {}
    for event in shop.good:
        by_user.setdefault(event["user_id"], {}).setdefault(event["event_id"], event)
    found = {}
    for user, events in by_user.items():
        ordered = sorted(events.values(), key=lambda e: (e["occurred_at"], e["event_id"]))
        taken = _taken_back(ordered, "purchase", "refund") | _taken_back(ordered, "add_to_cart", "remove_from_cart")
        answer = Answer(len(events), {}, {}, {})
        for event in ordered:
            if event["kind"] not in WEIGHTS or event["event_id"] in taken:
                continue
            path = category[event["item_id"]]
            answer.views.setdefault(path, 0)
            answer.purchases.setdefault(path, 0)
            answer.views[path] += event["kind"] in ("view", "click")
            answer.purchases[path] += event["kind"] == "purchase"
            answer.parts.setdefault(path, []).append((WEIGHTS[event["kind"]], event["occurred_at"]))
        found[user] = answer
    return found


def _taken_back(ordered: list[dict[str, Any]], addition: str, reversal: str) -> set[str]:
    taken: set[str] = set()
    open_: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []

    def fits(back: dict[str, Any], there: dict[str, Any]) -> bool:
        order = back.get("order_id")
        return back["item_id"] == there["item_id"] and (order is None or order == there.get("order_id"))

    for event in ordered:
        if event["kind"] == addition:
            for back in waiting:
                if fits(back, event):
                    waiting.remove(back)
                    taken.add(event["event_id"])
                    break
            else:
                open_.append(event)
        elif event["kind"] == reversal:
            for there in reversed(open_):
                if fits(event, there):
                    open_.remove(there)
                    taken.add(there["event_id"])
                    break
            else:
                waiting.append(event)
    return taken
