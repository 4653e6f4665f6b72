"""Named clusters of items: what training makes of them, and how a name outlives a changed catalogue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from encoders.base import FloatArray, IntArray
from encoders.projection import normalise

Encode = Callable[[Sequence[str]], FloatArray]

KEPT_COSINE = 0.9
"""A cluster whose centroid moved less keeps its name."""


@dataclass(frozen=True, slots=True)
class TrainedCentroids:
    """Named centroids (C, D) of unit length, and how many items of the training data each of them gets."""

    names: list[str]
    centroids: FloatArray
    sizes: list[int]
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class FormerCentroids:
    """What an earlier run made: unique names and their centroids (C, D) of unit length, of the same text encoder."""

    names: Sequence[str]
    centroids: FloatArray


def unit_means(vectors: FloatArray, labels: IntArray, otherwise: FloatArray) -> FloatArray:
    """Return (C, D) unit means of each cluster's vectors (n, D); that of ``otherwise`` for one without any."""
    members = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), (len(otherwise), len(labels)))
    means: FloatArray = (members @ vectors.astype(np.float64)).astype(np.float32)
    return normalise(np.where(means.any(axis=1, keepdims=True), means, otherwise))


def kept_names(centroids: FloatArray, former: FormerCentroids) -> dict[int, str]:
    """Return the names of the clusters that are still near the former ones; those are the first of (C, D)."""
    near = np.einsum("cd,cd->c", centroids[: len(former.names)], former.centroids) >= KEPT_COSINE
    return {cluster: former.names[cluster] for cluster in np.flatnonzero(near).tolist()}


def named_share(titles: Sequence[str], labels: IntArray, names: Sequence[str]) -> float:
    """Return the share of items with a word of their cluster's name in the title."""
    return float(np.mean([_is_named(title, names[label]) for title, label in zip(titles, labels, strict=True)]))


def _is_named(title: str, name: str) -> bool:
    return any(word.lower() in title.lower() for word in name.split() if word != "&")
