"""Places of a list that are kept for items which their scores alone would not bring in."""

import numpy as np

from graph.ranking.codes import IntArray
from graph.ranking.cross_candidates import CrossCandidates
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, sort_order


def fits(associations: FloatArray, strongest: FloatArray, fit: float) -> BoolArray:
    """Say where an association is at least ``fit`` of the user's strongest."""
    enough: BoolArray = (associations > 0.0) & (associations >= fit * strongest)
    return enough


def give_places(
    chosen: IntArray,
    found: CrossCandidates,
    scores: IntArray,
    ranks: IntArray,
    newcomers: IntArray,
    places: int,
    fit: float,
) -> None:
    """Give the last ``places`` of each list to the best newcomers that fit, in place.

    chosen: (users, length) places in the candidates, best first, -1 for none; scores, ranks: of the candidates;
    newcomers: rows. Newcomers that were chosen anyway count. One fits whose category the user's interests lead to
    with ``fit`` of the strength with which they lead anywhere.
    """
    if not len(newcomers) or not places:
        return
    new = np.isin(found.rows, newcomers) & fits(found.associations, found.strongest[found.users], fit)
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
