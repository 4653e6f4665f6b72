"""How trackers deliver a shop's events: more than once, and not in order."""

import random

from tests.integration.shop import DAY_MS, Message


def shuffled_within_a_day(messages: list[Message], seed: int, most_copies: int = 5) -> list[Message]:
    """Return each message one to five times, in the order of arrival, each copy up to a day after it happened."""
    dice = random.Random(seed)
    arrivals = [
        (message.at + dice.randrange(DAY_MS), n, message)
        for n, message in enumerate(messages)
        for _ in range(dice.randint(1, most_copies))
    ]
    return [message for _, _, message in sorted(arrivals, key=lambda arrival: arrival[:2])]
