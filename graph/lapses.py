"""When a user's silence, or that about one category, has become a warning. Pure; times in ms.

Visits are days on which the user did something. They are taken to come at a rate that is Gamma-distributed over users;
old visits and old time count less and less, so that the rate follows the user. With V = sum 2^(-age/H) over the visits
and E = H / ln 2 * (1 - 2^(-T/H)) days since the first one, T days ago, no visit comes in the next h days with
probability

    silence = ((a + E) / (a + E + h)) ^ (r + V)

It only grows while the user stays away, so that there is one moment at which it passes the threshold: that moment is a
function of the visits alone, not of when somebody looked. Source: the negative binomial model of repeat buying
(Ehrenberg 1959; Fader, Hardie and Lee, Marketing Science 2005), with discounted counts.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graph.interest import CategoryOf, category_in_state
from graph.settings import SignalSettings
from graph.state import UserState, active_actions

DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


def silence(visits: Sequence[int], at: int, settings: SignalSettings) -> float:
    """Return the probability of no visit within the horizon after ``at``. visits: ascending, not empty, <= ``at``."""
    half_life = settings.visit_half_life_seconds * 1000.0
    seen = sum(math.exp2(-(at - visit) / half_life) for visit in visits)
    time = half_life / math.log(2.0) * (1.0 - math.exp2(-(at - visits[0]) / half_life))
    prior, horizon = settings.prior_seconds * 1000.0, settings.horizon_seconds * 1000.0
    return float(((prior + time) / (prior + time + horizon)) ** (settings.prior_visits + seen))


def due_at(visits: Sequence[int], before: int, settings: SignalSettings) -> int | None:
    """Return the first hour (ms) at which silence after the last visit passes the threshold, None up to ``before``.

    Rounded up to whole hours since 1970, so that rounding of floats cannot move it.
    """
    low, high = -(-visits[-1] // _HOUR_MS), before // _HOUR_MS
    if high < low or silence(visits, high * _HOUR_MS, settings) < settings.threshold:
        return None
    while low < high:
        middle = (low + high) // 2
        if silence(visits, middle * _HOUR_MS, settings) >= settings.threshold:
            high = middle
        else:
            low = middle + 1
    return low * _HOUR_MS


def visits(times: Iterable[int]) -> list[int]:
    """Return the last time of each UTC day, ascending."""
    days: dict[int, int] = {}
    for at in times:
        days[at // DAY_MS] = max(at, days.get(at // DAY_MS, at))
    return sorted(days.values())


@dataclass(frozen=True, slots=True)
class Lapse:
    """A silence that became a warning at ``due``. ``category`` is None for the user altogether."""

    category: str | None
    due: int
    last_visit: int
    visits: int
    silence: float


def lapses(state: UserState, now: int, category_of: CategoryOf, settings: SignalSettings) -> list[Lapse]:
    """Return the warnings that stand for a user at ``now``: churn, else the categories the user turned from.

    A category is lost while the user still comes; it takes at least ``min_category_visits`` visits to it. Remembered
    are purchases and cart additions that were not taken back, and the history's views. Ordered by due time, then path.
    """
    by_item: dict[tuple[int, str], str] = {(e.at, e.event_id): e.item_id for e in state.history if e.active}
    for additions, reversals in ((state.purchases, state.refunds), (state.cart_additions, state.cart_removals)):
        by_item.update({(a.at, a.event_id): a.item_id for a in active_actions(additions, reversals)})
    by_item = {key: item_id for key, item_id in by_item.items() if key[0] <= now}
    whole = visits(at for at, _ in by_item)
    if not whole:
        return []
    if (due := due_at(whole, now, settings)) is not None:
        return [Lapse(None, due, whole[-1], len(whole), silence(whole, due, settings))]
    of_category: defaultdict[str, list[int]] = defaultdict(list)
    for (at, _), item_id in by_item.items():
        if category := category_in_state(state, item_id, category_of):
            of_category[category].append(at)
    found = []
    for category, times in of_category.items():
        some = visits(times)
        if len(some) < settings.min_category_visits or some[-1] == whole[-1]:
            continue
        if (due := due_at(some, now, settings)) is not None:
            found.append(Lapse(category, due, some[-1], len(some), silence(some, due, settings)))
    return sorted(found, key=lambda lapse: (lapse.due, lapse.category or ""))
