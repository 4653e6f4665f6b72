"""What a user bought before and may buy again: repeat purchases, by the user's own habit of making them.

In shops of things that are used up, much of what is bought was bought before, the more often the likelier (Li et al.,
A Next Basket Recommendation Reality Check, TOIS 2023; Bhagat et al., Buy It Again, KDD 2018). Whether a user buys again
at all is no setting: it is read from the user's own purchases, so that where nobody does nothing changes.
"""

from collections import defaultdict
from collections.abc import Iterable

from graph.reversals import Action

_HALF_TIMES = 2.0
"""An item bought so often has half of the strength that one bought always has."""


def repeat_strengths(purchases: Iterable[Action], now: int, away_ms: float, half_repeats: float) -> dict[str, float]:
    """Return item -> strength in (0, 1) of what was last bought longer than ``away_ms`` before ``now`` (ms).

    It is R / (R + ``half_repeats``) · n / (n + 2), with R the user's repeats and n how often the item was bought. A
    purchase is a repeat if its item had been bought ``away_ms`` before it, or longer. What was bought several times at
    one moment was bought once. So no purchase lowers the strength of another item: what a reason names of the past
    could be taken away, and nothing would rise by it here.

    purchases: those that were not taken back, oldest first. Empty where the user repeated nothing.

    >>> monthly = [Action(at, str(at), "tea") for at in (0, 40, 80)]
    >>> {item: round(strength, 3) for item, strength in repeat_strengths(monthly, 120, 30, 2.0).items()}
    {'tea': 0.3}
    """
    times: defaultdict[str, list[int]] = defaultdict(list)
    repeats = 0
    for purchase in purchases:
        earlier = times[purchase.item_id]
        if earlier and earlier[-1] == purchase.at:
            continue
        repeats += bool(earlier) and purchase.at - earlier[0] >= away_ms
        earlier.append(purchase.at)
    if not repeats:
        return {}
    habit = repeats / (repeats + half_repeats)
    away = {item_id: len(at) for item_id, at in times.items() if now - at[-1] >= away_ms}
    return {item_id: habit * count / (count + _HALF_TIMES) for item_id, count in away.items()}
