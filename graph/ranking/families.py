"""The associations of one level and family, with the sums by target that measures need."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from graph.ranking.codes import IntArray
from graph.ranking.ragged import FloatArray, ranges
from graph.ranking.successors import SuccessorRows
from graph.ranking.sums import OrderFreeSums

Growth = Callable[[IntArray], FloatArray]
"""From record times (ms) to what brings their weights to the landmark."""

_REBUILD_SHARE = 4  # once a quarter of all cells has changed, adding everything up anew is cheaper


class FamilyAssociations:
    """Successors by source, and their weights summed by target at a landmark in time.

    Sums by target are brought up to date when they are asked for, in time linear in what changed since: the former
    terms of changed sources are taken back, the present ones added. Both are exact.
    """

    def __init__(self) -> None:
        self.rows = SuccessorRows()
        self._incoming = OrderFreeSums()
        self._landmark: float | None = None
        self._former: dict[int, tuple[int, NDArray[np.int32], FloatArray]] = {}
        self._changed_cells = 0

    def replace(
        self, source: int, former_at: int, targets: Sequence[int], weights: Sequence[float], users: Sequence[int]
    ) -> None:
        """Set a source's successors, whose former weights were valid at ``former_at`` (ms)."""
        rows = self.rows
        former, former_weights = rows.row(source)
        if not len(targets) and not len(former):
            return
        if source not in self._former:
            self._former[source] = former_at, former.copy(), former_weights.copy()
        self._changed_cells += len(former) + len(targets)
        rows.replace(source, targets, weights, users)

    def incoming(self, landmark: float, growth: Growth, updated_at: IntArray) -> FloatArray:
        """Return (nodes,) the weights that reach each node, at the landmark; updated_at: (nodes,) ms by source."""
        if landmark != self._landmark or self._changed_cells * _REBUILD_SHARE > len(self.rows.weights):
            self._incoming = OrderFreeSums()
            self._incoming.add(self.rows.weights * growth(updated_at)[self.rows.sources], self.rows.targets)
            self._landmark = landmark
        elif self._former:
            self._take_back(growth)
            self._add_present(growth, updated_at)
        self._former.clear()
        self._changed_cells = 0
        return self._incoming.totals(len(updated_at))

    def _take_back(self, growth: Growth) -> None:
        times, targets, weights = zip(*self._former.values(), strict=True)
        factors = np.repeat(growth(np.array(times, dtype=np.int64)), [len(row) for row in targets])
        self._incoming.add(np.concatenate(weights) * factors, np.concatenate(targets), -1.0)

    def _add_present(self, growth: Growth, updated_at: IntArray) -> None:
        sources = np.fromiter(self._former, dtype=np.int64, count=len(self._former))
        cells, owners = ranges(*self.rows.spans(sources))
        self._incoming.add(self.rows.weights[cells] * growth(updated_at[sources])[owners], self.rows.targets[cells])
