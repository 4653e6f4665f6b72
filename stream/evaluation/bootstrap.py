"""How sure a figure is: intervals by resampling whole clusters of cases."""

from dataclasses import dataclass

import numpy as np

from stream.evaluation.interactions import DoubleArray, IntArray

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over cases with its 95 % interval."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Percentile intervals of the Poisson bootstrap: each cluster comes a Poisson(1) number of times.

    Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; Chamandy et al., Estimating uncertainty for
    massive data streams, 2012, on Poisson weights. Every model is resampled alike, so differences are paired.
    """

    def __init__(self, clusters: IntArray, seed: int) -> None:
        """Take the cluster of each case (B,)."""
        _, self._cluster = np.unique(clusters, return_inverse=True)
        n_clusters = int(self._cluster.max(initial=-1)) + 1
        random = np.random.default_rng(seed)
        self._weights = random.poisson(1.0, (RESAMPLES, n_clusters)).astype(np.float32)
        sizes = np.bincount(self._cluster, minlength=n_clusters).astype(np.float32)
        self._totals = np.maximum(self._weights @ sizes, 1).astype(np.float64)

    def interval(self, values: DoubleArray) -> Interval:
        """Return the mean of per-case values (B,) with its interval."""
        sums = np.bincount(self._cluster, values, self._weights.shape[1]).astype(np.float32)
        means = (self._weights @ sums) / self._totals
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Interval(float(values.mean()) if len(values) else 0.0, float(low), float(high))
