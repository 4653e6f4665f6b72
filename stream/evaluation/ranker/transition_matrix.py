"""From pair counts to a matrix of what leads to what."""

import numpy as np
from scipy import sparse

from stream.evaluation.pairs import GAP_BUCKETS, PairCounts
from stream.evaluation.ranker.recipe import TransitionRecipe
from stream.evaluation.ranker.sparse_rows import column_sums, row_sums, scale, without_diagonal

SOURCE_PRIOR = 5.0
TARGET_PRIOR = 1.0


def weigh_pairs(counts: PairCounts, gap_exponent: float, backward: float) -> sparse.csr_matrix:
    """Return (n, n): forward pairs by gap^-gap_exponent, plus ``backward`` times their mirror."""
    forward = sparse.csr_matrix(counts.buckets[0].shape)
    for (nearest, farthest), bucket in zip(GAP_BUCKETS, counts.buckets, strict=False):
        forward = forward + bucket * float(np.mean(np.arange(nearest, farthest + 1.0) ** -gap_exponent))
    return (forward + backward * forward.T).tocsr() if backward else forward.tocsr()


def transition_matrix(counts: PairCounts, recipe: TransitionRecipe) -> sparse.csr_matrix:
    """Return (n, n) float64; see :class:`TransitionRecipe`."""
    pairs = weigh_pairs(counts, recipe.gap_exponent, recipe.backward)
    matrix = scale(
        pairs,
        (row_sums(pairs) + SOURCE_PRIOR) ** -recipe.source,
        (column_sums(pairs) + TARGET_PRIOR) ** -recipe.target,
    )
    return matrix if recipe.repeats else without_diagonal(matrix)
