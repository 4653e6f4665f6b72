"""Fit the projection of text vectors to item vectors on a shop's own titles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.base import ITEM_DIMENSIONS, EncoderError, FloatArray
from encoders.projection import ItemProjection, normalise

WHITENING_EXPONENT = -0.25
"""Directions are scaled by eigenvalue^-0.25, half way from PCA to full whitening, which blows up noise."""

MEASURED_ITEMS = 2000
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class FittedProjection:
    """A projection and what it does to the items it was fitted on."""

    projection: ItemProjection
    metrics: dict[str, float]


def fit_projection(text_vectors: FloatArray) -> FittedProjection:
    """Return the d = 64 principal directions of text vectors (n, D), partly whitened. Deterministic.

    Metrics: ``variance_kept`` (0-1), ``mean_cosine_text`` and ``mean_cosine_items`` over pairs of items (near 0 is
    good: vectors use the whole space), ``neighbours_kept``: share of an item's 10 nearest that stay among its 10
    nearest. Raises EncoderError with fewer items than directions. Source: arXiv:2402.10602.
    """
    count = len(text_vectors)
    if count <= ITEM_DIMENSIONS:
        raise EncoderError(f"{count} items are too few for a projection to {ITEM_DIMENSIONS} dimensions")
    exact = text_vectors.astype(np.float64)
    mean = exact.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(exact - mean, rowvar=False, bias=True))
    values, directions = values[::-1], directions[:, ::-1]
    kept, axes = values[:ITEM_DIMENSIONS], directions[:, :ITEM_DIMENSIONS]
    if kept[-1] <= 1e-9:
        raise EncoderError(f"the texts vary in fewer than {ITEM_DIMENSIONS} directions; give more different items")
    # LAPACK chooses the signs as it likes.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(ITEM_DIMENSIONS)])
    matrix = (axes * signs * kept**WHITENING_EXPONENT).astype(np.float32)
    projection = ItemProjection("fitted", mean.astype(np.float32), matrix)
    before, after = normalise(text_vectors[:MEASURED_ITEMS]), projection.project(text_vectors[:MEASURED_ITEMS])
    neighbours = zip(_nearest(before), _nearest(after), strict=True)
    metrics = {
        "items": float(count),
        "variance_kept": float(kept.sum() / values.sum()),
        "mean_cosine_text": _mean_cosine(before),
        "mean_cosine_items": _mean_cosine(after),
        "neighbours_kept": float(np.mean([len(a & b) / NEIGHBOURS for a, b in neighbours])),
    }
    return FittedProjection(projection, {name: round(value, 4) for name, value in metrics.items()})


def _mean_cosine(vectors: FloatArray) -> float:
    total = vectors.sum(axis=0, dtype=np.float64)
    count = len(vectors)
    return float((total @ total - count) / (count * (count - 1)))


def _nearest(vectors: NDArray[np.float32]) -> list[set[int]]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return [set(row) for row in np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS].tolist()]
