"""The linear blend: which candidate of a case was taken, by conditional logit."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from stream.evaluation.interactions import BoolArray, DoubleArray, FloatArray, IntArray

RIDGE = 1e-4
MOST_STEPS = 150


@dataclass(frozen=True)
class LinearBlend:
    """score = (features - mean) / deviation · weights."""

    mean: FloatArray
    deviation: FloatArray
    weights: FloatArray

    def score(self, values: FloatArray) -> FloatArray:
        """Return (m,) float32 scores of features (m, f)."""
        scaled = self.weights / self.deviation
        scores: FloatArray = values @ scaled - np.float32(self.mean @ scaled)
        return scores


def fit_linear(
    rows: IntArray, values: FloatArray, hits: BoolArray, ridge: float = RIDGE, *, nonnegative: bool = False
) -> LinearBlend:
    """Maximise the likelihood of the hits among each case's candidates, with a small ridge; rows sorted by case.

    P(i) = exp(s_i) / sum exp(s_j) (McFadden, Conditional logit analysis of qualitative choice behavior, 1974); several
    hits of one case share its weight. Cases without a hit say nothing. ``nonnegative``: no weight may be below 0.
    """
    told = np.isin(rows, rows[hits])
    rows, values, hits = rows[told], values[told], hits[told]
    if not len(rows):
        nothing = np.zeros(values.shape[1], np.float32)
        return LinearBlend(nothing, np.ones_like(nothing), nothing)
    mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = values.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-6)
    scaled = (values - mean) / deviation
    starts = np.flatnonzero(np.r_[True, np.diff(rows) != 0])
    case = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(rows)]))
    share = (hits / np.add.reduceat(hits.astype(np.float64), starts)[case]).astype(np.float32)

    def loss(weights: DoubleArray) -> tuple[float, DoubleArray]:
        scores = scaled @ weights.astype(np.float32)
        scores -= np.maximum.reduceat(scores, starts)[case]
        odds = np.exp(scores)
        total = np.add.reduceat(odds, starts)
        likelihood = float(share @ scores) - float(np.log(total).sum())
        gradient = (share - odds / total[case]) @ scaled
        value = -likelihood / len(starts) + ridge / 2 * float(weights @ weights)
        return value, (-gradient / len(starts) + ridge * weights).astype(np.float64)

    start = np.zeros(values.shape[1])
    bounds = [(0.0, None)] * len(start) if nonnegative else None
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MOST_STEPS})
    return LinearBlend(mean, deviation, found.x.astype(np.float32))
