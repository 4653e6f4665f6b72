"""A made-up shop in which the item before alone decides what is taken next: neither category, title nor popularity."""

import json
import random
from collections import Counter
from pathlib import Path

from stream.ranker_training.log import Message
from stream.ranker_training.training import Shop
from stream.settings import Settings

ITEMS, CATEGORIES, START_MS = 60, 12, 1_600_000_000_000

HEARSAY = {
    "transition_feature": 0.05,
    "up_sell_transition_feature": 0.05,
    "embedding_feature": 2.0,
    "up_sell_embedding_feature": 2.0,
}
"""Fixed weights that believe in titles."""

SETTINGS = Settings.model_validate({"encoder": {"text": "hashing", "derive_categories": False}})


def category(item: int) -> int:
    return item % CATEGORIES


def catalogue() -> list[tuple[bytes, bytes]]:
    rows = []
    for item in range(ITEMS):
        row = {"item_id": f"i{item}", "title": f"thing {item * 7919 % 104729}", "category": [f"Aisle {category(item)}"]}
        rows.append((row["item_id"].encode(), json.dumps(row).encode()))  # type: ignore[attr-defined]
    return rows


def events(users: int = 50, steps: int = 30, seed: int = 0) -> list[dict[str, object]]:
    """Every user takes a step a minute, each along one fixed round through all items, always to another category."""
    lot = random.Random(seed)
    round_of = list(range(ITEMS))
    while any(category(a) == category(b) for a, b in zip(round_of, round_of[1:] + round_of[:1], strict=True)):
        lot.shuffle(round_of)
        for place in range(ITEMS):
            while category(round_of[place - 1]) == category(round_of[place]):
                other = lot.randrange(ITEMS)
                round_of[place], round_of[other] = round_of[other], round_of[place]
    starts = [lot.randrange(ITEMS) for _ in range(users)]
    return [
        {
            "event_id": f"{user}-{step}",
            "kind": "view",
            "user_id": f"u{user}",
            "item_id": f"i{round_of[(starts[user] + step) % ITEMS]}",
            "occurred_at": START_MS + 60_000 * step + user,
        }
        for step in range(steps)
        for user in range(users)
    ]


def shop() -> Shop:
    sent = [
        Message(int(str(e["occurred_at"])), None, json.dumps(e).encode(), str(e["user_id"]), (str(e["item_id"]),))
        for e in events()
    ]
    return Shop(sent, catalogue(), Counter(), "interestream train ranker", "made up")


def write(folder: Path) -> tuple[Path, Path]:
    """Write the files of the shop: events, items."""
    log, rows = folder / "events.jsonl", folder / "items.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in events()))
    rows.write_bytes(b"".join(value + b"\n" for _, value in catalogue()))
    return log, rows
