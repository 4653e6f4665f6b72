"""Accuracy where there is little to go by: users with short histories, items with few interactions."""

from dataclasses import dataclass

import numpy as np

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import BoolArray, DoubleArray, IntArray
from stream.evaluation.known_counts import KnownCounts

COLD_USER_ITEMS = 5
COLD_ITEM_COUNT = 5


@dataclass(frozen=True)
class Slice:
    """hit_rate: share of the slice's targets that the lists hold within k. share: the slice's part of all targets."""

    name: str
    targets: int
    share: float
    hit_rate: dict[int, float]


class Slicer:
    """Cuts the targets of one set of cases into slices; a target may be in several."""

    def __init__(self, known: KnownCounts, cases: Cases) -> None:
        """Prepare the slices: ``cold users`` know fewer than 5 items, ``cold items`` have fewer than 5 interactions."""
        self._n_items = known.n_items
        rows = np.repeat(np.arange(len(cases)), np.diff(cases.target_offsets))
        distinct = np.bincount(cases.rows[cases.latest], minlength=len(cases))[rows]
        counts = np.where(cases.targets >= 0, known.of(rows, cases.targets), 0)
        self._keys = rows * self._n_items + cases.targets
        self._masks: dict[str, BoolArray] = {
            "cold users": distinct < COLD_USER_ITEMS,
            "other users": distinct >= COLD_USER_ITEMS,
            "unseen items": counts == 0,
            "cold items": (counts > 0) & (counts < COLD_ITEM_COUNT),
            "other items": counts >= COLD_ITEM_COUNT,
        }

    def slice(self, lists: IntArray, cutoffs: tuple[int, ...]) -> list[Slice]:
        """Return the slices that have targets."""
        held = {k: self._held(lists[:, :k]) for k in cutoffs}
        return [
            Slice(name, int(mask.sum()), float(mask.mean()), {k: float(held[k][mask].mean()) for k in cutoffs})
            for name, mask in self._masks.items()
            if mask.any()
        ]

    def _held(self, lists: IntArray) -> DoubleArray:
        keys = np.arange(len(lists))[:, None] * self._n_items + lists
        return np.isin(self._keys, keys[lists >= 0]).astype(np.float64)
