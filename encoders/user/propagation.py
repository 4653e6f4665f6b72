"""G_t = G_φ(G ∪ ΔG), bounded: after new edges, only the users they touch take in what lies one hop away."""

import numpy as np
from scipy.sparse import csr_array

from encoders.base import FloatArray, IntArray
from encoders.projection import normalise

ALPHA = 0.1
"""Share of the neighbourhood in a user's vector."""


def propagate(
    users: FloatArray,
    edge_users: IntArray,
    edge_categories: IntArray,
    weights: FloatArray,
    categories: FloatArray,
    alpha: float = ALPHA,
) -> FloatArray:
    """Return (B, d) float32: u = normalise((1 - alpha)·h + alpha·Σ ŵ·v_category) over each user's interest edges.

    users: (B, d), h. Edges, in any order: edge_users (E,) in 0..B-1, edge_categories (E,) in 0..C-1, weights (E,) >= 0
    valid at one common time; ŵ are the weights divided by their sum over the user's edges to categories that have a
    vector. categories: (C, d), zero rows where unknown. A user without such an edge keeps h; one without h gets the
    direction of the edges. Source: one linear propagation as in SGC (Wu et al., ICML 2019), on the touched nodes only.
    """
    known = np.any(categories != 0, axis=1)
    useful = known[edge_categories] & (weights > 0)
    edge_users, edge_categories, weights = edge_users[useful], edge_categories[useful], weights[useful]
    graph = csr_array((weights, (edge_users, edge_categories)), shape=(len(users), len(categories)), dtype=np.float64)
    total = np.asarray(graph.sum(axis=1)).reshape(-1, 1)
    around = (graph @ categories) / np.where(total > 0, total, 1)
    return normalise(np.where(total > 0, (1 - alpha) * users + alpha * around, users))
