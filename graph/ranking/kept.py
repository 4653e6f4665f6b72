"""Results that are computed again only after what they are made of has changed."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Part = TypeVar("Part")


class Kept(Generic[Part]):
    """The result of ``build`` with the versions of what it was made of."""

    def __init__(self, build: Callable[[], Part]) -> None:
        self._build = build
        self._kept: tuple[tuple[int, ...], Part] | None = None

    def at(self, *versions: int) -> Part:
        """Return the result, built anew unless these are the versions of the last call."""
        if self._kept is None or self._kept[0] != versions:
            self._kept = versions, self._build()
        return self._kept[1]


class Numbered:
    """Gives arrays a version by what they hold: it grows when they hold something else than at the last call.

    Most changes of a catalogue are none for most of what is made of it. The arrays are compared with copies.
    """

    def __init__(self) -> None:
        self._version = 0
        self._held: list[NDArray[Any]] = []

    def version(self, arrays: Sequence[NDArray[Any]]) -> int:
        """Return the version of what the arrays hold now."""
        same = len(arrays) == len(self._held) and all(map(np.array_equal, arrays, self._held))
        if not same:
            self._held = [array.copy() for array in arrays]
            self._version += 1
        return self._version
