"""Item neighbours by the cosine of who took them."""

import numpy as np
from scipy import sparse

from stream.evaluation.baselines.matrix_scorer import MatrixScorer
from stream.evaluation.interactions import Knowledge


def fit(knowledge: Knowledge, shrinkage: float = 10.0, decay: float = 1.0) -> MatrixScorer:
    """Cosine of binary user vectors, shrunk where few users stand behind it.

    Sarwar et al., WWW 2001; Deshpande & Karypis, TOIS 22(1), 2004; shrinkage as in Bell & Koren, ICDM 2007.
    """
    return MatrixScorer(cosine(knowledge.user_items, shrinkage), decay, once=True)


def cosine(user_items: sparse.csr_matrix, shrinkage: float) -> sparse.csr_matrix:
    """Return (n, n) similarities of the columns without the diagonal."""
    together = (user_items.T @ user_items).tocoo()
    lengths = np.sqrt(np.asarray(user_items.power(2).sum(axis=0)).ravel())
    apart = together.row != together.col
    row, column, value = together.row[apart], together.col[apart], together.data[apart]
    similarity = value / (lengths[row] * lengths[column] + shrinkage)
    return sparse.csr_matrix((similarity.astype(np.float32), (row, column)), together.shape)
