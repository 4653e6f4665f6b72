"""Sums that do not depend on the order of their terms, and from which a term can be taken back exactly."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from graph.ranking.items import grown
from graph.ranking.ragged import FloatArray

_STEPS = (2.0**-4, 2.0**-33, 2.0**-62)


class OrderFreeSums:
    """Sums of values >= 0 by bin, bit for bit the same for the same terms however they came, went and came again.

    Every value is cut into multiples of three steps, each level exact in float64 as long as a bin stays below 2^49
    and has fewer than 2^24 terms; what is smaller than 2^-63 is dropped. Two replicas that read the same records in
    different order therefore agree exactly, ties included, and nothing drifts.
    Source: the binned sums of Demmel and Nguyen, "Fast Reproducible Floating-Point Summation" (ARITH 2013).
    """

    def __init__(self) -> None:
        self._levels: list[FloatArray] = [np.zeros(64) for _ in _STEPS]

    def add(self, values: FloatArray, bins: NDArray[np.integer], sign: float = 1.0) -> None:
        """Add the values to their bins; with ``sign`` -1, take them back."""
        if not len(values):
            return
        for level, part in enumerate(_parts(values)):
            added = np.bincount(bins, weights=sign * part)
            self._levels[level] = grown(self._levels[level], len(added), 0.0)
            self._levels[level][: len(added)] += added

    def totals(self, size: int) -> FloatArray:
        """Return (size,) sums."""
        self._levels = [grown(level, size, 0.0) for level in self._levels]
        coarse, middle, fine = (level[:size] for level in self._levels)
        totals: FloatArray = coarse + (middle + fine)
        return totals


def order_free_sum(values: FloatArray) -> float:
    """Return the sum of values >= 0, the same in any order: that of a bin of :class:`OrderFreeSums`."""
    coarse, middle, fine = (float(part.sum()) for part in _parts(values))
    return coarse + (middle + fine)


def _parts(values: FloatArray) -> Iterator[FloatArray]:
    """Yield each level's multiples of its step."""
    rest = values
    for step in _STEPS:
        part = np.rint(rest / step) * step
        yield part
        rest = rest - part
