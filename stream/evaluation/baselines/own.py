"""What the user took most often."""

from dataclasses import dataclass

import numpy as np

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import FloatArray, Knowledge


@dataclass(frozen=True)
class OwnMostFrequent:
    """Counts the steps that hold an item; ties, and the rest of the list, by popularity.

    The personal top frequency that few learned models beat where people buy again (Li et al., TOIS 2023).
    """

    counts: FloatArray

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32."""
        own = cases.history_matrix(len(self.counts), np.ones(len(cases.items))).toarray()
        # Below one half for everyone: it orders equals and never overtakes a further purchase.
        scores: FloatArray = own + self.counts / np.float32(2 * max(1.0, float(self.counts.max(initial=0))))
        return scores.astype(np.float32)


def fit(knowledge: Knowledge) -> OwnMostFrequent:
    """Keep the popularity that orders equals."""
    return OwnMostFrequent(knowledge.counts.astype(np.float32))
