"""Counts of what came after what: additive, so one event at a time and all at once give the same numbers."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from stream.evaluation.interactions import Log
from stream.evaluation.steps import has_baskets, steps_of

GAP_BUCKETS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 20))
"""Pairs of items are counted by how many steps lie between them: first and last gap of each bucket."""

BASKET_BUCKETS = 3
"""Where a step holds several items, pairs beyond four steps are too many and say little."""


@dataclass(frozen=True)
class PairCounts:
    """buckets: one (n, n) float64 matrix per gap bucket; entry (a, b) counts that b came so many steps after a."""

    buckets: tuple[sparse.csr_matrix, ...]

    @classmethod
    def of(cls, log: Log, n_items: int) -> Self:
        """Count a whole log. Pairs of steps with several items count 1 / sqrt(sizes' product)."""
        steps = steps_of(log, n_items)
        buckets = []
        for nearest, farthest in GAP_BUCKETS[: BASKET_BUCKETS if has_baskets(log) else None]:
            total = sparse.csr_matrix((n_items, n_items))
            for gap in range(nearest, farthest + 1):
                total = total + steps.pairs_at(gap)
            buckets.append(_in_order(total))
        return cls(tuple(buckets))


class PairCounter:
    """The same counts, one interaction at a time, of sequences whose every interaction is a step."""

    def __init__(self, n_items: int) -> None:
        self._n_items = n_items
        self._recent: defaultdict[int, deque[int]] = defaultdict(lambda: deque(maxlen=GAP_BUCKETS[-1][1]))
        self._counts: list[defaultdict[tuple[int, int], int]] = [defaultdict(int) for _ in GAP_BUCKETS]

    def learn(self, user: int, item: int) -> None:
        """Count one interaction; a user's must come in their order, users may come in any."""
        recent = self._recent[user]
        for counts, (nearest, farthest) in zip(self._counts, GAP_BUCKETS, strict=True):
            for gap in range(nearest, min(farthest, len(recent)) + 1):
                counts[recent[-gap], item] += 1
        recent.append(item)

    def counts(self) -> PairCounts:
        """Return what was counted so far."""
        return PairCounts(tuple(self._matrix(counts) for counts in self._counts))

    def _matrix(self, counts: dict[tuple[int, int], int]) -> sparse.csr_matrix:
        pairs = np.array(list(counts), np.int64).reshape(-1, 2)
        values = np.array(list(counts.values()), np.float64)
        shape = (self._n_items, self._n_items)
        return _in_order(sparse.csr_matrix((values, (pairs[:, 0], pairs[:, 1])), shape))


def _in_order(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    # Sums over a row must not depend on the order in which its entries came.
    matrix = matrix.tocsr()
    matrix.sort_indices()
    return matrix
