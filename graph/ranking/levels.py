"""The associations of one level (categories or items) with the totals that turn counts into measures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.model import Family, Successor, SuccessorRecord
from graph.ranking.codes import ABSENT, Codes
from graph.ranking.items import grown
from graph.ranking.ragged import FloatArray
from graph.ranking.successors import SuccessorRows
from graph.ranking.sums import order_free_sums

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Marginals:
    """Sums of one family's weights, decayed to the level's newest time.

    factors: (nodes,) what brings a weight of the node's record there; outgoing, incoming: (nodes,); total: of all.
    """

    factors: FloatArray
    outgoing: FloatArray
    incoming: FloatArray
    total: float


class AssociationLevel:
    """Successors of all sources of one level, in both families.

    A weight is kept as its record gives it, together with the record's time, and brought to the newest time of the
    level only when sums are taken: exponents are never positive, so nothing overflows however long a shop lives, and
    no landmark has to be moved. Sums are taken anew from all records, once after a change, so they neither drift nor
    depend on the order of arrival.
    """

    def __init__(self, half_life_seconds: float) -> None:
        self.nodes = Codes()
        self.version = 0
        self.rows = {family: SuccessorRows() for family in Family}
        self._half_life_ms = 1000.0 * half_life_seconds
        self._updated_at = np.full(64, _NEVER, dtype=np.int64)
        self._marginals: dict[Family, tuple[int, Marginals]] = {}

    def upsert(self, record: SuccessorRecord) -> None:
        """Take a source's record in place of its former one."""
        source = self.nodes.add(record.source)
        viewed = self._replace(Family.VIEWED_NEXT, source, record.viewed)
        bought = self._replace(Family.BOUGHT_NEXT, source, record.bought)
        self._updated_at = grown(self._updated_at, len(self.nodes), _NEVER)
        self._updated_at[source] = record.updated_at if viewed or bought else _NEVER
        self.version += 1

    def remove(self, source: str) -> None:
        """Forget a source."""
        code = self.nodes.get(source)
        if code == ABSENT:
            return
        for family in Family:
            self._replace(family, code, ())
        self._updated_at = grown(self._updated_at, len(self.nodes), _NEVER)
        self._updated_at[code] = _NEVER
        self.version += 1

    def updated_at(self, source: int) -> int:
        """Return the time (ms) at which a source's weights are valid."""
        return int(self._updated_at[source])

    def decay(self, age_ms: float) -> float:
        """Return what a weight is multiplied with after ``age_ms``."""
        return float(np.exp2(-age_ms / self._half_life_ms))

    def marginals(self, family: Family) -> Marginals:
        """Return the family's sums at the newest time; computed once after a change, in time linear in all cells."""
        version, marginals = self._marginals.get(family, (-1, None))
        if marginals is None or version != self.version:
            marginals = self._sum(family)
            self._marginals[family] = self.version, marginals
        return marginals

    def _replace(self, family: Family, source: int, successors: Sequence[Successor]) -> bool:
        kept = [successor for successor in successors if successor.weight > 0.0]
        if not kept and not self.rows[family].totals(source + 1)[source]:
            return False
        add = self.nodes.add
        self.rows[family].replace(
            source,
            [add(successor.target) for successor in kept],
            [successor.weight for successor in kept],
            [successor.users for successor in kept],
        )
        return bool(kept)

    def _sum(self, family: Family) -> Marginals:
        size = len(self.nodes)
        rows = self.rows[family]
        self._updated_at = grown(self._updated_at, size, _NEVER)
        updated_at = self._updated_at[:size]
        present = updated_at != _NEVER
        factors = np.zeros(size)
        if present.any():
            ages = updated_at[present].max() - updated_at[present]
            factors[present] = np.exp2(-ages / self._half_life_ms)
        outgoing = rows.totals(size) * factors
        incoming = order_free_sums(rows.weights * factors[rows.sources], rows.targets, size)
        total = float(order_free_sums(outgoing, np.zeros(size, dtype=np.int64), 1)[0])
        return Marginals(factors, outgoing, incoming, total)


def marginal_weights(level: AssociationLevel) -> FloatArray:
    """Return (nodes,) the decayed weights that leave and reach each node, of both families."""
    viewed, bought = level.marginals(Family.VIEWED_NEXT), level.marginals(Family.BOUGHT_NEXT)
    return (viewed.outgoing + viewed.incoming) + (bought.outgoing + bought.incoming)
