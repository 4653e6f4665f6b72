"""How many interactions with an item a case could know of, where the cases of several tests are judged as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from stream.evaluation.cases import Split
from stream.evaluation.interactions import DoubleArray, IntArray


@dataclass(frozen=True)
class KnownCounts:
    """counts: (S, n) interactions with each item that each of S tests knew. test: (B,) the test that a case is of."""

    counts: DoubleArray
    test: IntArray

    @classmethod
    def of_splits(cls, splits: Sequence[Split]) -> Self:
        """Return the counts of tests whose cases are joined in this order."""
        lengths = [len(split.cases) for split in splits]
        return cls(np.stack([split.knowledge.counts for split in splits]), np.repeat(np.arange(len(splits)), lengths))

    @property
    def n_items(self) -> int:
        """Width of ``counts``."""
        return int(self.counts.shape[1])

    def of(self, cases: IntArray, items: IntArray) -> DoubleArray:
        """Return (m,) the counts of items (m,), each as known to the case (m,) beside it."""
        found: DoubleArray = self.counts[self.test[cases], items]
        return found
