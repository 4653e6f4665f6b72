"""What a user bought before and may buy again: repeat purchases, by the user's own habit of making them.

In shops of things that are used up, much of what is bought was bought before, the more often the likelier (Li et al.,
A Next Basket Recommendation Reality Check, TOIS 2023; Bhagat et al., Buy It Again, KDD 2018). Whether a user buys again
at all is no setting: it is read from the user's own purchases, so that where nobody does nothing changes.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from graph.reversals import Action


def repeat_strengths(purchases: Iterable[Action], now: int, away_ms: float, prior: float) -> dict[str, float]:
    """Return item -> strength in (0, 1) of what was last bought longer than ``away_ms`` before ``now`` (ms).

    It is the square root of the share of the user's purchases that were repeats, times how often the item was bought,
    as ln(1 + times) over that of the item bought most often. A purchase could be a repeat if it was made ``away_ms``
    after the user's first one or later; it was one if the item had been bought so long before. ``prior``: so many
    purchases more that were none. What was bought several times at one moment was bought once.

    purchases: those that were not taken back, oldest first. Empty where the user repeated nothing.

    >>> monthly = [Action(at, str(at), "tea") for at in (0, 40, 80)]
    >>> {item: round(strength, 3) for item, strength in repeat_strengths(monthly, 120, 30, 2.0).items()}
    {'tea': 0.707}
    """
    times: defaultdict[str, list[int]] = defaultdict(list)
    first, possible, repeated = None, 0, 0
    for purchase in purchases:
        earlier = times[purchase.item_id]
        if earlier and earlier[-1] == purchase.at:
            continue
        first = purchase.at if first is None else first
        if purchase.at - first >= away_ms:
            possible += 1
            repeated += bool(earlier) and purchase.at - earlier[0] >= away_ms
        earlier.append(purchase.at)
    away = {item_id: len(at) for item_id, at in times.items() if now - at[-1] >= away_ms} if repeated else {}
    if not away:
        return {}
    habit = math.sqrt(repeated / (possible + prior))
    most = math.log1p(max(away.values()))
    return {item_id: habit * math.log1p(count) / most for item_id, count in away.items()}
