"""Places of a list that are kept for items which their scores alone would not bring in."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from graph.ranking.codes import IntArray
from graph.ranking.cross_candidates import CrossCandidates
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, sort_order


def give_places(
    chosen: IntArray,
    found: CrossCandidates,
    scores: IntArray,
    ranks: IntArray,
    newcomers: IntArray,
    places: int,
) -> None:
    """Give the last ``places`` of each list to the best newcomers that fit, in place.

    chosen: (users, length) places in the candidates, best first, -1 for none; scores, ranks: of the candidates;
    newcomers: rows. Newcomers that were chosen anyway count. One fits a list that holds its category.
    """
    if not len(newcomers) or not places:
        return
    new = np.isin(found.rows, newcomers) & _of_listed_categories(found, chosen)
    places = min(places, chosen.shape[1])
    already = np.where(chosen >= 0, new[np.maximum(chosen, 0)], False)
    taken = np.zeros(len(new), dtype=np.bool_)
    taken[chosen[already]] = True
    rest = np.flatnonzero(new & ~taken)
    if not len(rest):
        return
    order = rest[sort_order([found.users[rest], scores.max(initial=0) - scores[rest], ranks[rest]])]
    starts = group_starts(found.users[order])
    wanted = places - already.sum(axis=1)
    for user, group in zip(found.users[order][starts].tolist(), np.split(order, starts[1:]), strict=True):
        best = group[: max(0, int(wanted[user]))]
        free = np.flatnonzero((chosen[user] < 0) | ~already[user])
        spots = free[chosen[user, free] < 0][: len(best)]
        if len(spots) < len(best):
            spots = np.concatenate([free[chosen[user, free] >= 0][len(spots) - len(best) :], spots])
        chosen[user, spots] = best[: len(spots)]


def _of_listed_categories(found: CrossCandidates, chosen: IntArray) -> BoolArray:
    keys = found.users * (int(found.categories.max(initial=0)) + 1) + found.categories
    listed: BoolArray = np.isin(keys, keys[chosen[chosen >= 0]]) & (found.categories >= 0)
    return listed


def explore(
    chosen: IntArray,
    found: CrossCandidates,
    ranks: IntArray,
    names: Sequence[str],
    nows: Sequence[int],
    probability: float,
) -> FloatArray:
    """Give the last place of some lists to a candidate drawn by lot, in place; return (users,) its propensity.

    The lot falls by the user and the user's latest event (ms), so that ranking again draws the same: with
    ``probability`` the place shows one of the m candidates that were not chosen, each with the same chance. The
    propensity of what stands there is probability / m if it was drawn, else 1 - probability; 1 where nothing could be.
    """
    propensities = np.ones(len(chosen))
    if not probability:
        return propensities
    free = np.ones(len(found.users), dtype=np.bool_)
    free[chosen[chosen >= 0]] = False
    for user, (name, now) in enumerate(zip(names, nows, strict=True)):
        rest = np.flatnonzero(free & (found.users == user))
        last = int((chosen[user] >= 0).sum()) - 1
        if last < 0 or not len(rest):
            continue
        lots = blake2b(f"{now}/{name}".encode(), digest_size=16).digest()
        if int.from_bytes(lots[:8]) / 2.0**64 < probability:
            order = rest[np.argsort(ranks[rest])]  # by item id: rows differ between replicas
            chosen[user, last] = order[int.from_bytes(lots[8:]) % len(order)]
            propensities[user] = probability / len(rest)
        else:
            propensities[user] = 1.0 - probability
    return propensities
