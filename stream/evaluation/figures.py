"""From lists to figures: every measure of one model over one set of cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.evaluation.bootstrap import Bootstrap, Interval
from stream.evaluation.cases import Split, joined
from stream.evaluation.interactions import DoubleArray, IntArray
from stream.evaluation.known_counts import KnownCounts
from stream.evaluation.list_measures import ListMeter
from stream.evaluation.metrics import CUTOFFS, Outcome
from stream.evaluation.slices import Slice, Slicer


@dataclass(frozen=True)
class Figures:
    """accuracy: by names such as ``NDCG@10``. lists: by names such as ``coverage@10``; what the data tells.

    slices: hit rates of parts of the targets. seconds: to fit and to rank, on the machine at hand.
    """

    accuracy: Mapping[str, Interval]
    lists: Mapping[str, float]
    slices: tuple[Slice, ...]
    seconds: float | None = None
    auc: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values by name, with the intervals and slices under names of their own."""
        found: dict[str, Any] = {name: interval.value for name, interval in self.accuracy.items()}
        if self.auc is not None:
            found["AUC"] = self.auc
        found |= self.lists
        found["intervals"] = {name: [interval.low, interval.high] for name, interval in self.accuracy.items()}
        found["slices"] = {
            part.name: {"targets": part.targets, "share": part.share}
            | {f"hit rate@{k}": rate for k, rate in part.hit_rate.items()}
            for part in self.slices
        }
        if self.seconds is not None:
            found["seconds"] = round(self.seconds, 3)
        return found


class Judge:
    """Measures lists for one set of cases; every model is resampled alike, so differences are paired."""

    def __init__(self, splits: Sequence[Split], seed: int) -> None:
        """Judge the cases of splits of one catalogue, in this order.

        Each split's knowledge decides, for its own cases, which items count as cold and how popular an item is.
        """
        cases = splits[0].cases if len(splits) == 1 else joined([split.cases for split in splits])
        known = KnownCounts.of_splits(splits)
        self.cases = cases
        self._meter = ListMeter(splits[0].knowledge.catalogue, known, cases)
        self._slicer = Slicer(known, cases)
        self._bootstrap = Bootstrap(cases.clusters, seed)

    def figures(self, lists: IntArray, seconds: float | None = None, auc: float | None = None) -> Figures:
        """Measure lists (B, L) of codes, best first, padded with -1."""
        accuracy = self.accuracy(lists)
        of_lists = {
            f"{name}@{k}": value
            for k in CUTOFFS
            for name, value in self._meter.measure(lists, k).by_name().items()
            if value is not None
        }
        return Figures(accuracy, of_lists, tuple(self._slicer.slice(lists, CUTOFFS)), seconds, auc)

    def accuracy(self, lists: IntArray) -> dict[str, Interval]:
        """Return every accuracy with its interval."""
        return {name: self._bootstrap.interval(values) for name, values in self.outcomes(lists).items()}

    def outcomes(self, lists: IntArray) -> dict[str, DoubleArray]:
        """Return every accuracy case by case."""
        return Outcome.of(lists, self.cases.targets, self.cases.target_offsets).measure()

    def lead(self, lists: IntArray, over: IntArray, metric: str) -> Interval:
        """Return by how much lists beat other lists, with the interval of the paired difference."""
        return self._bootstrap.interval(self.outcomes(lists)[metric] - self.outcomes(over)[metric])


def area_under_curve(scores: DoubleArray, hits: DoubleArray) -> float | None:
    """Return the chance that a random hit scores above a random miss, equals counted half; None without either.

    By ranks (Hanley & McNeil, Radiology 143, 1982).
    """
    _, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    ranks = (ends - (sizes - 1) / 2)[place]
    n_hits = float(hits.sum())
    n_misses = len(hits) - n_hits
    if not n_hits or not n_misses:
        return None
    return float((ranks @ hits - n_hits * (n_hits + 1) / 2) / (n_hits * n_misses))
