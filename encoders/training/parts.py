"""How a shop's past is divided: what is learned from, what decides when to stop, what judges."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from encoders.base import EncoderError, IntArray
from encoders.training.events import Histories


class HoldOut(StrEnum):
    """Where validation and test come from."""

    PERIOD = "period"
    """The last tenth of the events in time judges, the tenth before it stops: each event of one who acted before."""
    LAST = "last"
    """Each user's last interaction judges, the one before it stops (leave-one-out)."""


SHARE = 0.1
REPEATS_FROM = 0.05
"""A shop where at least this share of interactions is with an item met before is one that repeats."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Users (B,) and the places (B,) of what they did next, to be foretold from everything before."""

    users: IntArray
    places: IntArray

    def sample(self, most: int, seed: int) -> "Cases":
        """Return at most so many of them, drawn by the seed."""
        if len(self.users) <= most:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self.users), most, replace=False))
        return Cases(self.users[chosen], self.places[chosen])


@dataclass(frozen=True, slots=True)
class Parts:
    """The histories to learn from before validation, and before the test; the cases of both."""

    before_validation: Histories
    before_test: Histories
    validation: Cases
    test: Cases


def divide(histories: Histories, hold_out: HoldOut) -> Parts:
    """Divide histories. Raises EncoderError when a part would be empty."""
    ends = histories.starts[1:]
    place = np.arange(len(histories))
    if hold_out is HoldOut.LAST:
        left = ends[histories.user_of()] - place
        enough = (histories.lengths >= 3)[histories.user_of()]
        tested, validated = enough & (left <= 1), enough & (left <= 2)
        users = np.flatnonzero(histories.lengths >= 3)
        cases = Cases(users, ends[users] - 2), Cases(users, ends[users] - 1)
    else:
        first, second = np.quantile(histories.seconds, [1 - 2 * SHARE, 1 - SHARE])
        tested, validated = histories.seconds > second, histories.seconds > first
        cases = _known_of(histories, validated & ~tested), _known_of(histories, tested)
    parts = Parts(histories.where(~validated), histories.where(~tested), *cases)
    if not len(parts.before_validation) or not len(cases[0].users) or not len(cases[1].users):
        raise EncoderError(
            f"{len(histories)} interactions of {histories.users} users cannot be divided by {hold_out.value}: "
            "too few users act again; give more events"
        )
    return parts


def repeats(histories: Histories) -> bool:
    """Tell whether this shop's users come back to items: then a list may hold what they know."""
    user_of = histories.user_of()
    pairs = user_of * (int(histories.items.max(initial=0)) + 1) + histories.items
    again = len(pairs) - len(np.unique(pairs))
    return again >= REPEATS_FROM * max(1, len(pairs) - histories.users)


def _known_of(histories: Histories, among: np.ndarray) -> Cases:
    """Return the places among some before which their users did anything: tested one by one, as a stream meets them."""
    places = np.flatnonzero(among)
    users = histories.user_of()[places]
    known = places > histories.starts[users]
    return Cases(users[known], places[known])
