"""What users with a similar past took of late."""

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Knowledge
from stream.evaluation.ranker.items import span_ms
from stream.evaluation.ranker.sparse_rows import prune_rows, row_sums, scale

DECAY = 0.9
NEIGHBOURS = 100
HALF_LIFE_SHARE = 0.3
MOST_USERS = 50_000
"""Only so many of the users seen last are anyone's neighbours."""


class LikeMinded:
    """User-based neighbours (Resnick et al., CSCW 1994) by the cosine of decayed, idf-weighted items.

    A neighbour recommends what they took, by how lately.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        """Keep a unit vector and the latest items of every user."""
        log = knowledge.log
        newest_step = np.zeros(log.n_users, np.int64)
        np.maximum.at(newest_step, log.users, log.steps)
        with_it = np.asarray(knowledge.user_items.sum(axis=0), np.float64).ravel()
        self._idf = np.log(max(1, log.n_users) / (1 + with_it)).clip(min=0)
        weights = np.power(DECAY, newest_step[log.users] - log.steps) * self._idf[log.items]
        shape = (log.n_users, knowledge.n_items)
        vectors = sparse.csr_matrix((weights, (log.users, log.items)), shape)
        vectors = scale(vectors, 1 / (np.sqrt(row_sums(vectors.multiply(vectors))) + 1e-9))
        ages = (knowledge.now - log.times) / (HALF_LIFE_SHARE * span_ms(knowledge))
        latest = sparse.csr_matrix((np.exp2(-ages), (log.users, log.items)), shape)
        seen = np.full(log.n_users, -1)
        np.maximum.at(seen, log.users, log.times)
        self._users = np.sort(np.argsort(-seen, kind="stable")[:MOST_USERS])
        self._vectors = vectors[self._users].T.tocsr().astype(np.float32)
        self._latest = latest[self._users].astype(np.float32)

    def scores(self, cases: Cases) -> sparse.csr_matrix:
        """Return (B, n); a user is not their own neighbour."""
        weights = cases.decayed(DECAY, 1_000_000) * self._idf[cases.items]
        alike = (cases.history_matrix(len(self._idf), weights) @ self._vectors).tocsr()
        rows = np.repeat(np.arange(len(cases)), np.diff(alike.indptr))
        alike.data[self._users[alike.indices] == cases.users[rows]] = 0
        return (prune_rows(alike, NEIGHBOURS) @ self._latest).tocsr()
