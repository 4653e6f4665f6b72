"""Arrays of unequal rows laid end to end: gather, group and search them without a loop over rows.

Every result about a row depends on that row alone, never on its neighbours: lists do not depend on the micro-batch.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graph.ranking.codes import IntArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_WORD_BITS = 63


def ranges(starts: IntArray, lengths: IntArray) -> tuple[IntArray, IntArray]:
    """Return (indices, owners): for each i the numbers starts[i] .. starts[i] + lengths[i] - 1, and i itself.

    >>> [part.tolist() for part in ranges(np.array([5, 0]), np.array([2, 1]))]
    [[5, 6, 0], [0, 0, 1]]
    """
    owners = np.repeat(np.arange(len(starts)), lengths)
    skipped = np.cumsum(lengths) - lengths
    return np.arange(len(owners)) - (skipped - starts)[owners], owners


def sort_order(keys: Sequence[IntArray]) -> IntArray:
    """Return the order by integer keys >= 0, the first the most significant. The tuples must be distinct.

    Packed into one word where they fit, which sorts several times faster than one pass per key.
    """
    widths = [int(key.max(initial=0)).bit_length() for key in keys]
    if sum(widths) > _WORD_BITS:
        return np.lexsort(tuple(reversed(keys)))
    packed = np.zeros(len(keys[0]), dtype=np.int64)
    for key, width in zip(keys, widths, strict=True):
        packed <<= width
        packed |= key
    return np.argsort(packed)


def stable_order(keys: NDArray[np.integer]) -> IntArray:
    """Return the order by integer keys >= 0, equals as they stand. Keys below 2^16 are sorted by radix, much faster."""
    narrow = int(keys.max(initial=0)) < 1 << 16
    return np.argsort(keys.astype(np.uint16) if narrow else keys, kind="stable")


def group_starts(sorted_keys: IntArray) -> IntArray:
    """Return where each run of equal keys starts."""
    if not len(sorted_keys):
        return np.empty(0, dtype=np.int64)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(sorted_keys[1:] != sorted_keys[:-1]) + 1])


def place_in_group(starts: IntArray, length: int) -> IntArray:
    """Return each element's place (0, 1, …) in its run, for runs that cover ``length`` elements."""
    sizes = np.diff(np.append(starts, length))
    return np.arange(length) - np.repeat(starts, sizes)


def first_of_largest(values: FloatArray, owners: IntArray) -> IntArray:
    """Return, for each run of equal owners, the index of its first largest value."""
    starts = group_starts(owners)
    if not len(starts):
        return starts
    sizes = np.diff(np.append(starts, len(values)))
    largest = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, starts), sizes))
    return largest[group_starts(owners[largest])]


def is_among(keys: IntArray, sorted_keys: IntArray) -> BoolArray:
    """Say for each key whether it is one of ``sorted_keys``."""
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=np.bool_)
    places = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: BoolArray = sorted_keys[places] == keys
    return found


def bisect(
    values: FloatArray | IntArray, starts: IntArray, stops: IntArray, needles: FloatArray | IntArray, *, right: bool
) -> IntArray:
    """Return the insertion point of each needle in its own ascending slice values[start:stop].

    ``right``: after equal values instead of before them.
    """
    low, high = starts.copy(), stops.copy()
    while (active := low < high).any():
        middle = np.where(active, (low + high) // 2, 0)
        before = values[middle] <= needles if right else values[middle] < needles
        low = np.where(active & before, middle + 1, low)
        high = np.where(active & ~before, middle, high)
    return low
