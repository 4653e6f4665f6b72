"""Names as dense numbers: what the arrays of the ranking core are indexed by."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

ABSENT = -1
"""The code of a name that is not there."""


class Codes:
    """An append-only table of names. A name keeps its number for ever; numbers differ between replicas."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names: list[str] = []
        self._order: list[int] = []
        self._ranks: IntArray = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, code: int) -> str:
        return self._names[code]

    def add(self, name: str) -> int:
        """Return the code of ``name``, a new one if need be."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._names)
            self._names.append(name)
        return code

    def get(self, name: str) -> int:
        """Return the code of ``name``, ABSENT if it has none."""
        return self._codes.get(name, ABSENT)

    def get_all(self, names: Iterable[str]) -> IntArray:
        """Return the codes of many names, ABSENT where one has none."""
        get = self._codes.get
        return np.array([get(name, ABSENT) for name in names], dtype=np.int64)

    def names(self, codes: Iterable[int]) -> list[str]:
        """Return the names of many codes >= 0."""
        every = self._names
        return [every[code] for code in codes]

    def ranks(self) -> IntArray:
        """Return (len,) int64: each name's place in ascending order, the same in every replica's eyes.

        New names are merged into the order that is already there: about 0.2 µs per name of the whole table.
        """
        known = len(self._order)
        if known < len(self._names):
            self._order.extend(range(known, len(self._names)))
            self._order.sort(key=self._names.__getitem__)
            self._ranks = np.empty(len(self._order), dtype=np.int64)
            self._ranks[self._order] = np.arange(len(self._order))
        return self._ranks


class Alignment:
    """The codes that one table's names have in another; costs only what was added since the last look."""

    def __init__(self, source: Codes, target: Codes) -> None:
        self._source = source
        self._target = target
        self._seen_targets = 0
        self._codes: IntArray = np.empty(0, dtype=np.int64)

    def codes(self) -> IntArray:
        """Return (len(source),) int64 codes of the target table, ABSENT where it lacks the name."""
        seen = len(self._codes)
        if seen < len(self._source):
            fresh = [self._target.get(self._source[code]) for code in range(seen, len(self._source))]
            self._codes = np.concatenate([self._codes, np.array(fresh, dtype=np.int64)])
        for code in range(self._seen_targets, len(self._target)):
            if (source := self._source.get(self._target[code])) != ABSENT:
                self._codes[source] = code
        self._seen_targets = len(self._target)
        return self._codes
