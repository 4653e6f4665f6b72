"""Recommenders that are one item-to-item matrix: scores are the decayed history times it."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import FloatArray


@dataclass(frozen=True)
class MatrixScorer:
    """matrix: (n, n) sparse or dense, row = where from. An item ``age`` steps old weighs decay^age, up to ``length``.

    once: an item that a history holds several times counts only where it was last.
    """

    matrix: sparse.csr_matrix | FloatArray
    decay: float = 1.0
    length: int = 1_000_000
    once: bool = False

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32."""
        weights = cases.decayed(self.decay, self.length)
        if self.once:
            weights = np.where(cases.latest, weights, 0.0)
        product = cases.history_matrix(self.matrix.shape[0], weights) @ self.matrix
        scores: FloatArray = product.toarray() if sparse.issparse(product) else np.asarray(product)
        return scores.astype(np.float32, copy=False)
