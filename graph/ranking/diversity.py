"""From scored candidates to a short list that does not say the same thing ten times."""

from dataclasses import dataclass

import numpy as np

from graph.ranking.codes import IntArray
from graph.ranking.features import Vectors
from graph.ranking.ragged import group_starts, place_in_group, sort_order


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates of users 0..size-1: one row each, distinct per user. ranks order equal scores."""

    size: int
    users: IntArray
    rows: IntArray
    categories: IntArray
    scores: IntArray
    ranks: IntArray


def choose(scored: Scored, vectors: Vectors, *, length: int, cap: int | None, pool: int, novelty: float) -> IntArray:
    """Return (users, length) places in the candidates, best first, -1 where there are none left.

    Greedy maximal marginal relevance: the next item has the largest (1 - novelty) * score / best score - novelty *
    its largest cosine with those chosen before; equals by score, then rank. No category has more than ``cap`` items
    while the pool holds others; the pool is the best ``pool`` candidates, those within the cap first.
    Source: Carbonell and Goldstein, "The Use of MMR" (SIGIR 1998).
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
    chosen = np.full((scored.size, length), -1, dtype=np.int64)
    for place in range(length):
        allowed = left
        if cap is not None:
            within = left & (taken < cap)
            allowed = np.where(within.any(axis=1, keepdims=True), within, left)
        pick = np.where(allowed, relevance - novelty * nearest, -np.inf).argmax(axis=1)
        found = left.any(axis=1)
        chosen[found, place] = candidates[everyone, pick][found]
        left[everyone, pick] = False
        taken += categories == categories[everyone, pick][:, None]
        nearest = np.maximum(nearest, cosines[everyone, pick])
    return chosen


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
