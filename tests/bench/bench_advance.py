"""Time one step of one user, interactions arriving one by one: processor microseconds.

    python tests/bench/bench_advance.py --users 200 --events 10 64

Lives are drawn from a seed: ids are UUIDs, categories are paths of three labels, a user views and clicks (80 %), adds
to the cart (12 %) and buys (8 %) among 150 items, in visits some hours apart; one purchase in ten is refunded. A user
with 64 events has a full history, so that every step also lets one entry fall out of it. Prints one line per figure
and a JSON object last.
"""

import argparse
import json
import random
import statistics
import time
import uuid
from collections.abc import Callable

from graph.advance import advance
from graph.interest import interests, touches
from graph.model import Interaction, Kind
from graph.settings import GraphSettings
from graph.state import UserState, decode_state, encode_state

START = 1_700_000_000_000
HOUR_MS = 3_600_000
SETTINGS = GraphSettings()
CATALOGUE = {f"SKU-{10_000 + i}": f"Home & Garden > Department {i % 5} > Shelf number {i % 40}" for i in range(150)}


class Life:
    """One user who goes on living: every call gives the next interaction."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._at = START
        self._items = dice.sample(sorted(CATALOGUE), 40)
        self._bought: list[str] = []

    def next(self) -> Interaction:
        """Return the next interaction, later than the one before."""
        dice = self._dice
        self._at += dice.randrange(1_000, 90_000) if dice.random() < 0.8 else dice.randrange(HOUR_MS, 72 * HOUR_MS)
        kind = dice.choices([Kind.VIEW, Kind.CLICK, Kind.ADD_TO_CART, Kind.PURCHASE], [60, 20, 12, 8])[0]
        item = dice.choice(self._items)
        if self._bought and dice.random() < 0.008:
            kind, item = Kind.REFUND, self._bought.pop()
        elif kind is Kind.PURCHASE:
            self._bought.append(item)
        event_id = str(uuid.UUID(int=dice.getrandbits(128)))
        return Interaction(event_id, kind, "u1", item, self._at, CATALOGUE[item], 9.99, "GBP")


def microseconds(action: Callable[[], object], calls: int) -> float:
    """Return the processor time of one of an action's ``calls`` calls."""
    start = time.process_time()
    action()
    return 1e6 * (time.process_time() - start) / calls


def measure(events: int, users: int, steps: int, repeats: int, seed: int) -> dict[str, float]:
    """Advance users that have ``events`` interactions by ``steps`` more, one interaction a step."""
    dice = random.Random(seed)
    lives = [Life(dice) for _ in range(users)]
    stored = []
    for life in lives:
        state = UserState()
        advance(state, [life.next() for _ in range(events)], CATALOGUE.get, SETTINGS)
        stored.append(encode_state(state))
    coming = [[life.next() for _ in range(steps)] for life in lives]

    def step(states: list[UserState]) -> None:
        for state, arriving in zip(states, coming, strict=True):
            for interaction in arriving:
                advance(state, [interaction], CATALOGUE.get, SETTINGS)

    def once() -> tuple[float, ...]:
        states = [decode_state(data) for data in stored]
        return (
            microseconds(lambda: step(states), users * steps),
            microseconds(lambda: [interests(state, CATALOGUE.get, SETTINGS.interest) for state in states], users),
            microseconds(lambda: [touches(state) for state in states], users),
            microseconds(lambda: [encode_state(state) for state in states], users),
            microseconds(lambda: [decode_state(data) for data in stored], users),
        )

    names = ("advance_us", "interests_us", "touches_us", "encode_state_us", "decode_state_us")
    figures = zip(*(once() for _ in range(repeats)), strict=True)
    result = {name: statistics.median(values) for name, values in zip(names, figures, strict=True)}
    return {"events": events, **result, "state_bytes": statistics.median(len(data) for data in stored)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10, 64])
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    results = [
        measure(events, arguments.users, arguments.steps, arguments.repeats, arguments.seed)
        for events in arguments.events
    ]
    for result in results:
        for name, value in result.items():
            print(f"{name:20} {value:10.1f}")  # noqa: T201
        print()  # noqa: T201
    print(json.dumps({"advance": results}))  # noqa: T201


if __name__ == "__main__":
    main()
