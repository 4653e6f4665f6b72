"""From scored candidates to a short list that does not say the same thing ten times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.ranking.codes import IntArray
from graph.ranking.features import Vectors
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, place_in_group, sort_order


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates of users 0..size-1: one row each, distinct per user. ranks order equal scores."""

    size: int
    users: IntArray
    rows: IntArray
    categories: IntArray
    scores: IntArray
    ranks: IntArray


@dataclass(frozen=True, slots=True)
class Cap:
    """At most ``most`` candidates of one code per list; codes: (candidates,), -1 where the cap does not look."""

    codes: IntArray
    most: int


@dataclass(frozen=True, slots=True)
class Mix:
    """How a list's categories should be mixed, and how much that counts against score and novelty, in [0, 1].

    shares: (candidates,) of the candidate's category in what the user wants, in [0, 1].
    """

    shares: FloatArray
    weight: float


def choose(
    scored: Scored,
    vectors: Vectors,
    *,
    length: int,
    cap: int | None,
    pool: int,
    novelty: float,
    caps: Sequence[Cap] = (),
    mix: Mix | None = None,
) -> IntArray:
    """Return (users, length) places in the candidates, best first, -1 where there are none left.

    Greedy maximal marginal relevance: the next item has the largest (1 - novelty) * score / best score - novelty *
    its largest cosine with those chosen before; equals by score, then rank. No category has more than ``cap`` items
    while the pool holds others; the pool is the best ``pool`` candidates, those within the cap first. Other ``caps``
    hold likewise; where all cannot, the category's does. With a ``mix``, what a candidate adds to the closeness of
    the list's mix of categories to the wanted one, by Kullback-Leibler divergence, takes its weight of the sum.
    Sources: Carbonell and Goldstein, "The Use of MMR" (SIGIR 1998); Steck, "Calibrated Recommendations" (RecSys 2018).
    """
    candidates = _pool(scored, cap, max(pool, length))
    present = candidates >= 0
    safe = np.where(present, candidates, 0)
    if not len(scored.users):
        return np.full((scored.size, length), -1, dtype=np.int64)
    pooled = vectors[scored.rows[safe]]
    cosines = np.maximum(pooled @ pooled.transpose(0, 2, 1), 0.0)
    scores = np.where(present, scored.scores[safe], 0).astype(np.float64)
    best = scores.max(axis=1, keepdims=True)
    relevance = (1.0 - novelty) * np.divide(scores, best, out=np.zeros_like(scores), where=best > 0.0)
    categories = scored.categories[safe]
    taken = np.zeros(categories.shape, dtype=np.int64)
    nearest = np.zeros(categories.shape, dtype=np.float32)
    left = present.copy()
    everyone = np.arange(scored.size)
    wanted = None if mix is None else np.where(present, mix.shares[safe], 0.0)
    others = [_Count(np.where(present, other.codes[safe], -1), other.most) for other in caps]
    chosen = np.full((scored.size, length), -1, dtype=np.int64)
    for place in range(length):
        allowed = left
        if cap is not None:
            within = left & (taken < cap)
            allowed = np.where(within.any(axis=1, keepdims=True), within, left)
        for other in others:
            within = allowed & other.open
            allowed = np.where(within.any(axis=1, keepdims=True), within, allowed)
        values = relevance - novelty * nearest
        if mix is not None and wanted is not None:
            values = (1.0 - mix.weight) * values + mix.weight * _calibration_gains(wanted, taken, place)
        pick = np.where(allowed, values, -np.inf).argmax(axis=1)
        found = left.any(axis=1)
        chosen[found, place] = candidates[everyone, pick][found]
        left[everyone, pick] = False
        taken += categories == categories[everyone, pick][:, None]
        nearest = np.maximum(nearest, cosines[everyone, pick])
        for other in others:
            other.take(pick)
    return chosen


class _Count:
    """How many of each code a list holds; codes: (users, pool)."""

    def __init__(self, codes: IntArray, most: int) -> None:
        self._codes = codes
        self._most = most
        self._taken = np.zeros(codes.shape, dtype=np.int64)

    @property
    def open(self) -> BoolArray:
        """Return (users, pool): whether one more of the candidate's code may be taken."""
        return (self._codes < 0) | (self._taken < self._most)

    def take(self, pick: IntArray) -> None:
        self._taken += self._codes == self._codes[np.arange(len(pick)), pick][:, None]


_SMOOTHING = 0.01
"""Part of the wanted mix in the list's own, so that no logarithm is of nothing; Steck's value."""


def _calibration_gains(wanted: FloatArray, taken: IntArray, place: int) -> FloatArray:
    """Return (users, pool): by how much less the divergence of the wanted mix from the list's grows with a candidate.

    wanted: shares p of the candidates' categories; taken: how many of them the list holds, ``place`` in all. Of
    sum p ln(p / q) only the candidate's own category tells candidates apart, so that term alone is computed.
    """
    with_it = (1.0 - _SMOOTHING) * (taken + 1) / (place + 1) + _SMOOTHING * wanted
    without = (1.0 - _SMOOTHING) * taken / (place + 1) + _SMOOTHING * wanted
    ratios = np.divide(with_it, without, out=np.ones_like(with_it), where=wanted > 0.0)
    gains: FloatArray = wanted * np.log(ratios)
    return gains


def _pool(scored: Scored, cap: int | None, most: int) -> IntArray:
    """Return (users, most) places of the best candidates, by score, then rank; -1 for none."""
    descending = scored.scores.max(initial=0) - scored.scores
    layers = np.zeros(len(scored.users), dtype=np.int64)
    if cap is not None:
        order = sort_order([scored.users, scored.categories + 1, descending, scored.ranks])
        groups = (scored.users * (scored.categories.max(initial=0) + 2) + scored.categories + 1)[order]
        layers[order] = place_in_group(group_starts(groups), len(order)) // cap
    order = sort_order([scored.users, layers, descending, scored.ranks])
    kept = order[place_in_group(group_starts(scored.users[order]), len(order)) < most]
    kept = kept[sort_order([scored.users[kept], descending[kept], scored.ranks[kept]])]
    pool = np.full((scored.size, most), -1, dtype=np.int64)
    pool[scored.users[kept], place_in_group(group_starts(scored.users[kept]), len(kept))] = kept
    return pool
