"""Low-rank and linear models of what goes together: offline jobs, not additive."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from stream.evaluation.baselines import ease
from stream.evaluation.interactions import DoubleArray, FloatArray, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients.ingredient import Ingredient, by_matrix
from stream.evaluation.ranker.sparse_rows import column_sums, prune_rows, row_sums
from stream.evaluation.ranker.transition_matrix import weigh_pairs

EASE_ITEMS = 5_000
EASE_RIDGE = 100.0
EASE_DECAY = 0.9

LATENT_ITEMS = 40_000
DIMENSIONS = 128
CONTEXT_EXPONENT = 0.75
SHARPNESS = 4
"""Cosines are taken to this power, so that a history's items do not drown each other's nearest."""

NEAREST = 200
_CHUNK = 1000


def latent_ingredients(knowledge: Knowledge, counts: PairCounts) -> Iterator[Ingredient]:
    """Yield EASE where the catalogue is small enough to invert, and neighbours in a latent space of the pair counts."""
    if knowledge.n_items <= EASE_ITEMS:
        model = ease.fit(knowledge, EASE_RIDGE, decay=EASE_DECAY)
        yield Ingredient("EASE", lambda cases: sparse.csr_matrix(np.maximum(model.score(cases), 0)))
    if DIMENSIONS < knowledge.n_items <= LATENT_ITEMS:
        vectors = latent_vectors(weigh_pairs(counts, 0.5, 1.0))
        yield by_matrix("latent neighbours", latent_neighbours(vectors), 0.7, 20)


def latent_vectors(pairs: sparse.csr_matrix, dimensions: int = DIMENSIONS) -> FloatArray:
    """Return (n, d) float32 unit vectors, or zeros; see :func:`latent_factors`."""
    return unit_rows(latent_factors(pairs, dimensions))


def latent_factors(pairs: sparse.csr_matrix, dimensions: int) -> DoubleArray:
    """Return (n, d): truncated SVD of positive pointwise mutual information, the longer the more is known of an item.

    Levy & Goldberg, Neural word embedding as implicit matrix factorization, NIPS 2014; contexts smoothed by 0.75 as in
    Levy, Goldberg & Dagan, TACL 3, 2015.
    """
    sources = row_sums(pairs) + 1
    targets = column_sums(pairs) ** CONTEXT_EXPONENT
    entries = pairs.tocoo()
    expected = sources[entries.row] * targets[entries.col] / targets.sum()
    information = np.log(np.maximum(entries.data, 1e-12) / expected)
    positive = information > 0
    places = (entries.row[positive], entries.col[positive])
    matrix = sparse.csr_matrix((information[positive], places), pairs.shape)
    if matrix.nnz == 0:
        return np.zeros((pairs.shape[0], dimensions))
    left, values, _ = svds(matrix, dimensions, v0=np.ones(pairs.shape[0]))
    factors: DoubleArray = left * np.sqrt(values)
    return factors


def unit_rows(vectors: DoubleArray | FloatArray) -> FloatArray:
    """Return the vectors (n, d) with length 1, float32; zeros stay zeros."""
    unit: FloatArray = (vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)).astype(np.float32)
    return unit


def latent_neighbours(vectors: FloatArray) -> sparse.csr_matrix:
    """Return (n, n) cosines to the power of 4 of each item's nearest vectors, itself left out."""
    parts = []
    for start in range(0, len(vectors), _CHUNK):
        near = np.maximum(vectors[start : start + _CHUNK] @ vectors.T, 0) ** SHARPNESS
        near[np.arange(len(near)), np.arange(start, start + len(near))] = 0
        near[near < 1e-4] = 0
        parts.append(prune_rows(sparse.csr_matrix(near), NEAREST))
    return sparse.vstack(parts).tocsr()
