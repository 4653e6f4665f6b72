"""EASE: a linear item-to-item model in closed form."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from stream.evaluation.baselines.matrix_scorer import MatrixScorer
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import FloatArray, IntArray, Knowledge

MOST_ITEMS = 15_000
"""The inverse of more items than this takes minutes and gigabytes; the rest of a catalogue gets no score."""


@dataclass(frozen=True)
class Ease:
    """items: (m,) the columns that the model covers. weights: (m, m)."""

    items: IntArray
    model: MatrixScorer
    n_items: int

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32."""
        weights = np.where(cases.latest, cases.decayed(self.model.decay, self.model.length), 0.0)
        histories = cases.history_matrix(self.n_items, weights)[:, self.items]
        scores = np.zeros((len(cases), self.n_items), np.float32)
        scores[:, self.items] = histories @ self.model.matrix
        return scores


def fit(knowledge: Knowledge, ridge: float = 300.0, most_items: int = MOST_ITEMS, decay: float = 1.0) -> Ease:
    """Solve min |X - XB|² + ridge |B|² with a diagonal of zeros: B = I - P / diag(P), P = (XᵀX + ridge I)^-1.

    Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, equation 8.
    """
    items = np.sort(np.argsort(knowledge.tie_ranks)[:most_items])
    items = items[knowledge.counts[items] > 0]
    histories = knowledge.user_items if decay == 1 else decayed_user_items(knowledge, decay)
    matrix = solve(histories[:, items], ridge)
    return Ease(items, MatrixScorer(matrix, decay), knowledge.n_items)


def decayed_user_items(knowledge: Knowledge, decay: float) -> sparse.csr_matrix:
    """Return (n_users, n) float32: decay^(steps since the user last took the item)."""
    log = knowledge.log
    newest = np.zeros(log.n_users, np.int64)
    np.maximum.at(newest, log.users, log.steps)
    last = np.lexsort((-log.steps, log.items, log.users))
    users, items, steps = log.users[last], log.items[last], log.steps[last]
    first = np.r_[True, (np.diff(users) != 0) | (np.diff(items) != 0)][: len(users)]
    users, items, steps = users[first], items[first], steps[first]
    values = np.power(decay, newest[users] - steps, dtype=np.float64).astype(np.float32)
    return sparse.csr_matrix((values, (users, items)), (log.n_users, knowledge.n_items))


def solve(histories: sparse.csr_matrix, ridge: float) -> FloatArray:
    """Return (m, m) float32 weights for histories (users, m)."""
    gram = np.asarray((histories.T @ histories).todense(), np.float32)
    gram[np.diag_indices_from(gram)] += ridge
    factor, _ = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    inverse = lower + np.tril(lower, -1).T
    weights: FloatArray = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights
