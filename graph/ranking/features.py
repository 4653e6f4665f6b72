"""Features in [0, 1] and what they contribute, in whole millionths of the score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graph.ranking.codes import IntArray
from graph.ranking.ragged import FloatArray

Vectors = NDArray[np.float32]

MILLIONTHS = 1_000_000
"""Scores are integers in this unit until they are published: what is shown is what was compared, ties included."""

_CHUNK = 4096  # vectors gathered at a time: both sides stay in the processor's cache


def closeness(embeddings: Vectors, vectors: Vectors, users: IntArray, rows: IntArray) -> FloatArray:
    """Return the cosine of each user's embedding with an item's vector, in [0, 1]; negative ones count as 0.

    Both are of unit length, or zero when unknown. Every pair is computed on its own, so that the result does not
    depend on the micro-batch.
    """
    cosines = np.empty(len(users), dtype=np.float32)
    for start in range(0, len(users), _CHUNK):
        part = slice(start, start + _CHUNK)
        cosines[part] = np.einsum("ij,ij->i", embeddings[users[part]], vectors[rows[part]])
    return np.clip(cosines.astype(np.float64), 0.0, 1.0)


def saturating(values: FloatArray, half: float) -> FloatArray:
    """Return values >= 0 as value / (value + half), in [0, 1): what a candidate has does not depend on the others."""
    return values / (values + half)


def contributions(features: Sequence[tuple[float, FloatArray]]) -> IntArray:
    """Return (features, candidates) int64: weight * feature, rounded to millionths. The score is the sum."""
    return np.stack([np.rint((weight * MILLIONTHS) * values).astype(np.int64) for weight, values in features])
