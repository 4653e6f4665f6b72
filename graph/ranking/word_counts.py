"""How often every item has each of its words: the items' entries end to end, mended only where one changed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.ranking.codes import IntArray
from graph.ranking.ragged import FloatArray

CodeArray = NDArray[np.int32]

Entries = tuple[CodeArray, FloatArray]
"""An item's words by code, and a number of each."""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """starts: (n + 1,) where each row's entries begin in the others; codes: of words; frequencies: one of each."""

    starts: IntArray
    codes: CodeArray
    frequencies: FloatArray

    def of(self, row: int) -> Entries:
        """Return a row's entries, none of a row that is not there."""
        start, stop = self._span(row)
        return self.codes[start:stop], self.frequencies[start:stop]

    def mended(self, changed: Mapping[int, Entries], rows: int) -> "WordCounts":
        """Return the counts of ``rows`` rows, no fewer than before, with the entries of those that changed."""
        lengths = np.zeros(rows, dtype=np.int64)
        lengths[: len(self.starts) - 1] = np.diff(self.starts)
        codes, frequencies, kept = [], [], 0
        for row in sorted(changed):
            start, stop = self._span(row)
            codes += [self.codes[kept:start], changed[row][0]]
            frequencies += [self.frequencies[kept:start], changed[row][1]]
            lengths[row], kept = len(changed[row][0]), stop
        codes.append(self.codes[kept:])
        frequencies.append(self.frequencies[kept:])
        return WordCounts(np.append(0, np.cumsum(lengths)), np.concatenate(codes), np.concatenate(frequencies))

    def _span(self, row: int) -> tuple[int, int]:
        last = len(self.starts) - 1
        return int(self.starts[min(row, last)]), int(self.starts[min(row + 1, last)])


NO_COUNTS = WordCounts(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0))
