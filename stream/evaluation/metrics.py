"""Accuracy of lists, case by case.

With R the ranks (from 1) of the targets in a list cut at k, T the number of targets:

- ``HR``: 1 if R is not empty. ``MRR``: 1 / min R, else 0.
- ``Precision``: |R| / k. ``Recall``: |R| / min(k, T), so that a perfect list gets 1. ``RecallOfAll``: |R| / T.
- ``F1``: harmonic mean of ``Precision`` and ``RecallOfAll``.
- ``NDCG``: sum over R of 1 / log2(rank + 1), divided by that of a perfect list (Järvelin & Kekäläinen, TOIS 2002).

With one target per case ``Recall`` equals ``HR``, and ``Precision`` and ``F1`` are multiples of it.
"""

from dataclasses import dataclass

import numpy as np

from stream.evaluation.interactions import BoolArray, DoubleArray, IntArray

CUTOFFS = (5, 10, 20)
METRICS = ("HR", "NDCG", "MRR", "Precision", "Recall", "RecallOfAll", "F1")


@dataclass(frozen=True)
class Outcome:
    """Which places of B lists hold a target. hits: (B, L) bool. n_targets: (B,)."""

    hits: BoolArray
    n_targets: IntArray

    @classmethod
    def of(cls, lists: IntArray, targets: IntArray, target_offsets: IntArray) -> "Outcome":
        """Compare lists (B, L), padded with -1, with ragged targets. An item that a list repeats hits once."""
        width = int(max(lists.max(initial=0), targets.max(initial=0))) + 1
        rows = np.arange(len(lists))[:, None]
        n_targets = np.diff(target_offsets)
        wanted = np.repeat(np.arange(len(lists)), n_targets) * width + targets
        keys = rows * width + lists
        hits = np.isin(keys, wanted[targets >= 0]) & (lists >= 0)
        order = np.argsort(keys, axis=1, kind="stable")
        ordered = np.take_along_axis(keys, order, 1)
        again = np.zeros_like(hits)
        np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], 1)
        return cls(hits & ~again, n_targets)

    def measure(self, cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, DoubleArray]:
        """Return (B,) values of every metric at every cutoff, by names such as ``NDCG@10``."""
        values: dict[str, DoubleArray] = {}
        for k in cutoffs:
            for name, value in zip(METRICS, self._at(k), strict=True):
                values[f"{name}@{k}"] = value
        return values

    def _at(self, k: int) -> tuple[DoubleArray, ...]:
        hits = self.hits[:, :k]
        found = hits.sum(axis=1).astype(np.float64)
        gains = 1 / np.log2(np.arange(k) + 2)
        reachable = np.minimum(k, self.n_targets)
        ideal = np.r_[0.0, np.cumsum(gains)][reachable]
        first = np.where(found > 0, hits.argmax(axis=1) + 1.0, np.inf)
        precision, recall_all = found / k, found / self.n_targets
        both = precision + recall_all
        return (
            (found > 0).astype(np.float64),
            (hits * gains[: hits.shape[1]]).sum(axis=1) / ideal,
            1 / first,
            precision,
            found / reachable,
            recall_all,
            np.divide(2 * precision * recall_all, both, out=np.zeros_like(both), where=both > 0),
        )
