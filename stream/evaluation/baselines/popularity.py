"""The most popular items, of all time or of late."""

from dataclasses import dataclass

import numpy as np

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import DoubleArray, FloatArray, Knowledge

RECENT_HALF_LIFE_MS = 7 * 86_400_000


@dataclass(frozen=True)
class Popularity:
    """The same scores for everyone. weights: (n,)."""

    weights: FloatArray

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32."""
        return np.tile(self.weights, (len(cases), 1))


def fit_all_time(knowledge: Knowledge) -> Popularity:
    """Count every interaction once. What any personal list must beat (Cremonesi et al., RecSys 2010)."""
    return Popularity(knowledge.counts.astype(np.float32))


def fit_recent(knowledge: Knowledge, half_life_ms: float = RECENT_HALF_LIFE_MS) -> Popularity:
    """Count an interaction 2^-(age / half-life). Hard to beat under honest splits in time (Ji et al., SIGIR 2020)."""
    return Popularity(decayed_counts(knowledge, half_life_ms).astype(np.float32))


def decayed_counts(knowledge: Knowledge, half_life_ms: float) -> DoubleArray:
    """Return (n,) counts at the cut."""
    ages = knowledge.now - knowledge.log.times
    weights = np.exp2(-ages / half_life_ms)
    return np.bincount(knowledge.log.items, weights, knowledge.n_items).astype(np.float64)
