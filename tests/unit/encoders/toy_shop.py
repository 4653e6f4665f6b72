"""A shop with a rule: whoever takes an item takes its partner next, in another category; titles tell the category."""

import numpy as np

from encoders.hashing import HashingTextEncoder
from encoders.training.events import Event, Histories, TrainingItems, build_histories

THINGS = ("mug", "lantern", "necklace", "clock")
PER_CATEGORY = 10
ITEMS = len(THINGS) * PER_CATEGORY
HOUR_MS = 3_600_000


def toy_items() -> TrainingItems:
    """Return 40 items in 4 categories, dearer by number within each."""
    titles = [f"{thing} number {number}" for thing in THINGS for number in range(PER_CATEGORY)]
    return TrainingItems(
        ids=[f"i{row}" for row in range(ITEMS)],
        text_vectors=HashingTextEncoder().encode(titles),
        categories=np.repeat(np.arange(len(THINGS)), PER_CATEGORY),
        prices=np.tile(np.arange(1.0, PER_CATEGORY + 1), len(THINGS)),
    )


def partner(row: int) -> int:
    """Return what follows an item: the same number of the next category."""
    return (row + PER_CATEGORY) % ITEMS


def toy_events(users: int, length: int, seed: int = 0) -> list[Event]:
    """Return users who walk from partner to partner, and now and then jump."""
    random = np.random.default_rng(seed)
    events = []
    for user in range(users):
        row = int(random.integers(ITEMS))
        at = int(random.integers(1000)) * HOUR_MS
        for step in range(length):
            kind = "purchase" if random.random() < 0.3 else "view"
            events.append(Event(f"u{user:04}", f"i{row}", kind, at, f"e{user}-{step}"))
            row = partner(row) if random.random() < 0.9 else int(random.integers(ITEMS))
            at += int(random.integers(1, 20)) * HOUR_MS
    return events


def toy_histories(users: int = 150, length: int = 8, seed: int = 0) -> Histories:
    """Return their histories."""
    return build_histories(toy_events(users, length, seed), {f"i{row}": row for row in range(ITEMS)})
