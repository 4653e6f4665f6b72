"""All sources' successors of one family, end to end in flat arrays."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graph.ranking.codes import IntArray
from graph.ranking.items import grown
from graph.ranking.ragged import ranges


class SuccessorRows:
    """A growing table of (source, target, weight, users), one slice per source, heaviest first.

    A slice has some room to grow in place; one that outgrows it moves to the end, and the table is packed again when
    more than half of it is abandoned. What is not in use has weight 0, so whole-table sums need no mask. Weights are
    valid at their record's time, which the caller keeps.
    """

    def __init__(self) -> None:
        self._end = 0
        self._reserved = 0
        self._sources = np.zeros(1024, dtype=np.int32)
        self._targets = np.zeros(1024, dtype=np.int32)
        self._weights = np.zeros(1024, dtype=np.float64)
        self._users = np.zeros(1024, dtype=np.int32)
        self._starts = np.zeros(64, dtype=np.int64)
        self._lengths = np.zeros(64, dtype=np.int64)
        self._rooms = np.zeros(64, dtype=np.int64)
        self._totals = np.zeros(64, dtype=np.float64)

    @property
    def sources(self) -> NDArray[np.int32]:
        """Source of every cell, abandoned ones included."""
        return self._sources[: self._end]

    @property
    def targets(self) -> NDArray[np.int32]:
        """Target of every cell."""
        return self._targets[: self._end]

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of every cell, 0 where it is not in use."""
        return self._weights[: self._end]

    @property
    def users(self) -> NDArray[np.int32]:
        """Distinct users of every cell."""
        return self._users[: self._end]

    def totals(self, sources: int) -> NDArray[np.float64]:
        """Return each source's sum of weights, valid at its record's time, for the first ``sources`` sources."""
        self.reserve(sources)
        return self._totals[:sources]

    def row(self, source: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return views of one source's targets and weights."""
        self.reserve(source + 1)
        start = int(self._starts[source])
        stop = start + int(self._lengths[source])
        return self._targets[start:stop], self._weights[start:stop]

    def spans(self, sources: IntArray) -> tuple[IntArray, IntArray]:
        """Return (starts, lengths) of the sources' slices."""
        return self._starts[sources], self._lengths[sources]

    def reserve(self, sources: int) -> None:
        """Make room for sources numbered below ``sources``."""
        self._starts = grown(self._starts, sources, 0)
        self._lengths = grown(self._lengths, sources, 0)
        self._rooms = grown(self._rooms, sources, 0)
        self._totals = grown(self._totals, sources, 0.0)

    def replace(self, source: int, targets: Sequence[int], weights: Sequence[float], users: Sequence[int]) -> None:
        """Set a source's successors; weights are > 0."""
        self.reserve(source + 1)
        length = len(targets)
        if length > self._rooms[source]:
            self._move(source, length + length // 4 + 2)
        start = int(self._starts[source])
        stop = start + length
        heaviest_first = np.argsort(-np.asarray(weights, dtype=np.float64), kind="stable")
        self._targets[start:stop] = np.asarray(targets, dtype=np.int32)[heaviest_first]
        self._weights[start:stop] = np.asarray(weights, dtype=np.float64)[heaviest_first]
        self._users[start:stop] = np.asarray(users, dtype=np.int32)[heaviest_first]
        self._weights[stop : start + int(self._rooms[source])] = 0.0
        self._lengths[source] = length
        self._totals[source] = math.fsum(weights)  # correctly rounded: the order does not matter

    def _move(self, source: int, room: int) -> None:
        start, old_room = int(self._starts[source]), int(self._rooms[source])
        self._weights[start : start + old_room] = 0.0
        self._rooms[source] = self._lengths[source] = 0
        self._reserved += room - old_room
        if self._end + room > 2 * self._reserved + 1024:
            self._pack()
        start, self._end = self._end, self._end + room
        self._sources = grown(self._sources, self._end, 0)
        self._targets = grown(self._targets, self._end, 0)
        self._weights = grown(self._weights, self._end, 0.0)
        self._users = grown(self._users, self._end, 0)
        self._sources[start : self._end] = source
        self._starts[source] = start
        self._rooms[source] = room

    def _pack(self) -> None:
        cells, owners = ranges(self._starts, self._rooms)
        self._sources = owners.astype(np.int32)
        self._targets = self._targets[cells]
        self._weights = self._weights[cells]
        self._users = self._users[cells]
        self._starts = np.cumsum(self._rooms) - self._rooms
        self._end = len(cells)
