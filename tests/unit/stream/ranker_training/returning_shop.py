"""A made-up shop: everybody comes back every day for a thing of their own, and for two that nobody can foresee."""

import json
import random
from collections import Counter

from stream.ranker_training.log import Message
from stream.ranker_training.training import Shop
from tests.unit.stream.ranker_training.stepping_shop import ITEMS, START_MS, catalogue

DAY_MS = 86_400_000

GRAPH = {"lists": {"owned_seconds": 90.0}, "next_visit": {"repeat_feature": 0.0, "popularity_feature": 6.0}}
"""What was bought two minutes before the latest event may be listed; fixed weights that believe in what is popular."""


def shop(users: int = 30, days: int = 25, seed: int = 0) -> Shop:
    """Return the log: three purchases of each user a day, the first of them always the same."""
    lot, sent = random.Random(seed), []
    for day in range(days):
        for user in range(users):
            for place, item in enumerate((user % ITEMS, lot.randrange(ITEMS), lot.randrange(ITEMS))):
                at = START_MS - START_MS % DAY_MS + day * DAY_MS + 60_000 * place + user
                event = {
                    "event_id": f"{user}-{day}-{place}",
                    "kind": "purchase",
                    "user_id": f"u{user}",
                    "item_id": f"i{item}",
                    "occurred_at": at,
                }
                sent.append(Message(at, None, json.dumps(event).encode(), f"u{user}", (f"i{item}",)))
    sent.sort(key=lambda message: message.at)
    return Shop(sent, catalogue(), Counter(), "interestream train ranker", "made up")
