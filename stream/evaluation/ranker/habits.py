"""How regularly a history goes on, and how regularly each of its items comes back.

What is due again is bought again: times taken and the time since, against the usual time between (Ariannezhad et al.,
ReCANet, SIGIR 2022, for the signal; ours are plain numbers that trees read).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import DoubleArray, FloatArray, IntArray

NEVER = 50.0
"""Age in steps of an item that the history does not hold, and the greatest that is told apart."""

NOT_YET = -1.0
"""Of what the history does not tell: of items that it does not hold, of gaps where there is only one time."""

_DAY_MS = 86_400_000.0
_LEAST_GAP_DAYS = 1 / 86_400
"""A second."""


@dataclass(frozen=True)
class Habits:
    """The steps of B histories, and their items' appearances. n_items: of the catalogue."""

    cases: Cases
    n_items: int

    def of_histories(self) -> dict[str, FloatArray]:
        """Return (B,) per feature: steps, items per step, days since the last, days between, and the one to the other.

        Also the share of the steps that repeat an item of the one before.
        """
        rows, times = self._steps
        block = len(self.cases)
        count = np.bincount(rows, minlength=block)
        first, last = _extremes(rows, times, block)
        since, between = self._rhythm(np.arange(block), count, first, last)
        lengths = np.diff(self.cases.offsets)
        return {
            "history: steps": _log(count),
            "history: items per step": _log(lengths / np.maximum(count, 1)),
            "history: log days since": _log(np.where(count > 0, since, np.expm1(NOT_YET))),
            "history: log days between": _log(between),
            "history: due": _due(since, between),
            "history: repeated steps": (self._repeated_steps() / np.maximum(count - 1, 1)).astype(np.float32),
        }

    def of_items(self, rows: IntArray, items: IntArray) -> dict[str, FloatArray]:
        """Return (m,) per feature of candidates ``items`` of the cases ``rows``, all by the items' own past there.

        Steps and days since the last that held it; steps that did; as a share of all steps, and of those since the
        first; days between them, and the days since the last against that.
        """
        keys, count, first, last, oldest, youngest = self._appearances
        wanted = rows * self.n_items + items
        places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        held = keys[places] == wanted if len(keys) else np.zeros(len(wanted), np.bool_)
        steps = np.bincount(self._steps[0], minlength=len(self.cases))

        def where_held(found: DoubleArray | FloatArray, otherwise: float = NOT_YET) -> FloatArray:
            values = np.full(len(wanted), otherwise, np.float32)
            values[held] = found[places[held]]
            return values

        of = keys // self.n_items
        since, between = self._rhythm(of, count, first, last)
        return {
            "own: steps since": where_held(np.minimum(youngest, NEVER), NEVER),
            "own: log days since": where_held(_log(since)),
            "own: times": where_held(count.astype(np.float64), 0.0),
            "own: share of steps": where_held(count / np.maximum(steps[of], 1), 0.0),
            "own: share since first": where_held(count / (oldest + 1.0), 0.0),
            "own: log days between": where_held(_log(between)),
            "own: due": where_held(_due(since, between)),
        }

    def _rhythm(
        self, rows: IntArray, count: IntArray, first: DoubleArray, last: DoubleArray
    ) -> tuple[DoubleArray, DoubleArray]:
        """Return days since the last of ``count`` times and the mean days between them, which one time has none of."""
        since = np.maximum(self.cases.at[rows] - last, 0) / _DAY_MS
        between = np.where(count > 1, (last - first) / np.maximum(count - 1, 1) / _DAY_MS, np.expm1(NOT_YET))
        return since, between

    def _repeated_steps(self) -> IntArray:
        """Return (B,): how many appearances follow one of the same item in the step before."""
        keys, ages = self._item_steps
        again = (np.diff(keys) == 0) & (np.diff(ages) == -1)
        return np.bincount(keys[1:][again] // self.n_items, minlength=len(self.cases))

    @cached_property
    def _steps(self) -> tuple[IntArray, IntArray]:
        """Row and time of each step."""
        key = self.cases.rows * (int(self.cases.ages.max(initial=0)) + 1) + self.cases.ages
        _, places = np.unique(key, return_index=True)
        return self.cases.rows[places], self.cases.times[places]

    @cached_property
    def _order(self) -> IntArray:
        """Places in the histories, by item, the oldest first, each item once per step."""
        cases = self.cases
        keys = cases.rows * self.n_items + cases.items
        order = np.lexsort((-cases.ages, keys))
        new = (np.diff(keys[order], prepend=-1) != 0) | (np.diff(cases.ages[order], prepend=-1) != 0)
        kept: IntArray = order[new]
        return kept

    @cached_property
    def _item_steps(self) -> tuple[IntArray, IntArray]:
        """Key (row and item) and age of each step of each item, sorted by key, the oldest first."""
        order = self._order
        return self.cases.rows[order] * self.n_items + self.cases.items[order], self.cases.ages[order]

    @cached_property
    def _appearances(self) -> tuple[IntArray, IntArray, DoubleArray, DoubleArray, IntArray, IntArray]:
        """Per key: its steps, the first and the last time, the greatest and the least age."""
        keys, ages = self._item_steps
        times = self.cases.times[self._order].astype(np.float64)
        starts = np.flatnonzero(np.diff(keys, prepend=-1) != 0)
        if not len(starts):
            nothing = np.empty(0, np.int64)
            return nothing, nothing, nothing.astype(np.float64), nothing.astype(np.float64), nothing, nothing
        count = np.diff(np.r_[starts, len(keys)])
        first, last = np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)
        oldest, youngest = np.maximum.reduceat(ages, starts), np.minimum.reduceat(ages, starts)
        return keys[starts], count, first, last, oldest, youngest


def _extremes(rows: IntArray, times: IntArray, block: int) -> tuple[DoubleArray, DoubleArray]:
    first, last = np.full(block, np.inf), np.full(block, -np.inf)
    np.minimum.at(first, rows, times)
    np.maximum.at(last, rows, times)
    nothing = np.isinf(first)
    first[nothing] = last[nothing] = 0
    return first, last


def _log(values: DoubleArray | IntArray) -> FloatArray:
    return np.log1p(values).astype(np.float32)


def _due(since: DoubleArray, between: DoubleArray) -> FloatArray:
    """Return log(1 + since / between)."""
    found = np.log1p(since / np.maximum(between, _LEAST_GAP_DAYS))
    return np.where(between >= 0, found, NOT_YET).astype(np.float32)
