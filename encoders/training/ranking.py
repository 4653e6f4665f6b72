"""Full ranking: every item of the catalogue competes, none is sampled."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from encoders.base import FloatArray, IntArray

STEP_USERS = 256


def target_ranks(
    users: FloatArray, items: FloatArray, targets: IntArray, excluded: Sequence[IntArray] | None = None
) -> IntArray:
    """Return (B,): the place, from 1, of each user's target among all items; ties count against it.

    users: (B, d); items: (n, d), rows of zero do not compete; excluded: per user, rows that do not compete, such as
    the history. A target without a vector, one that is excluded, or a user without one, ranks behind all items.
    """
    ranks = np.full(len(users), len(items) + 1, np.int64)
    present = items.any(axis=1)
    for start in range(0, len(users), STEP_USERS):
        part = slice(start, start + STEP_USERS)
        scores = users[part] @ items.T
        scores[:, ~present] = -np.inf
        if excluded is not None:
            for row, gone in enumerate(excluded[part]):
                scores[row, gone] = -np.inf
        wanted = scores[np.arange(len(scores)), targets[part]]
        able = np.isfinite(wanted) & users[part].any(axis=1)
        ranks[part] = np.where(able, (scores >= wanted[:, None]).sum(axis=1), len(items) + 1)
    return ranks


def ranking_metrics(ranks: IntArray, k: int = 10) -> dict[str, float]:
    """Return HR@k, NDCG@k and MRR of ranks (B,), one target each; NDCG then is 1/log2(1 + rank)."""
    hits = ranks <= k
    gains: NDArray[np.float64] = np.where(hits, 1 / np.log2(1 + ranks), 0)
    return {
        f"hr@{k}": float(hits.mean()) if len(ranks) else 0.0,
        f"ndcg@{k}": float(gains.mean()) if len(ranks) else 0.0,
        "mrr": float((1 / ranks).mean()) if len(ranks) else 0.0,
    }
