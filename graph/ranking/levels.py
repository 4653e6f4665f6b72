"""The associations of one level (categories or items) with the totals that turn counts into measures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.model import Family, Successor, SuccessorRecord
from graph.ranking.codes import ABSENT, Codes, IntArray
from graph.ranking.families import FamilyAssociations
from graph.ranking.items import grown
from graph.ranking.ragged import FloatArray
from graph.ranking.successors import SuccessorRows
from graph.ranking.sums import order_free_sum

_NEVER = np.iinfo(np.int64).min
_LANDMARK_HALF_LIVES = 16

_FORGOTTEN = 2.0**-20
"""Records older than 20 half-lives at the landmark (between 20 and 36 of them at the newest time) count no more."""

_RESIDUE = 1e-9
"""Weights below are what rounding leaves of contributions taken back."""


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

    A weight is kept as its record gives it, together with the record's time. Sums are taken at a landmark (forward
    decay: Cormode et al., ICDE 2009) that is a function of the newest time, a multiple of 16 half-lives at or before
    it: weights grow by 2^16 at most before everything is added up anew at the next landmark, so nothing overflows
    however long a shop lives, and what sums come to does not depend on the order of arrival.
    """

    def __init__(self, half_life_seconds: float) -> None:
        self.nodes = Codes()
        self.version = 0
        self._families = {family: FamilyAssociations() for family in Family}
        self._half_life_ms = 1000.0 * half_life_seconds
        self._updated_at = np.full(64, _NEVER, dtype=np.int64)
        self._marginals: dict[Family, tuple[int, Marginals]] = {}

    @property
    def rows(self) -> dict[Family, SuccessorRows]:
        """The successors of each family."""
        return {family: associations.rows for family, associations in self._families.items()}

    def upsert(self, record: SuccessorRecord) -> None:
        """Take a source's record in place of its former one."""
        source = self.nodes.add(record.source)
        self._replace(source, record.updated_at, record.viewed, record.bought)

    def remove(self, source: str) -> None:
        """Forget a source."""
        code = self.nodes.get(source)
        if code != ABSENT:
            self._replace(code, _NEVER, (), ())

    def updated_at(self, source: int) -> int:
        """Return the time (ms) at which a source's weights are valid."""
        return int(self._updated_at[source])

    def decay(self, age_ms: float) -> float:
        """Return what a weight is multiplied with after ``age_ms``."""
        return math.exp2(-age_ms / self._half_life_ms)

    def marginals(self, family: Family) -> Marginals:
        """Return the family's sums at the newest time; computed once after a change.

        Costs time linear in the nodes and in the successors that changed.
        """
        version, marginals = self._marginals.get(family, (-1, None))
        if marginals is None or version != self.version:
            marginals = self._sum(family)
            self._marginals[family] = self.version, marginals
        return marginals

    def _replace(self, source: int, at: int, viewed: Sequence[Successor], bought: Sequence[Successor]) -> None:
        self._updated_at = grown(self._updated_at, len(self.nodes), _NEVER)
        former_at = int(self._updated_at[source])
        add, filled = self.nodes.add, False
        for family, successors in ((Family.VIEWED_NEXT, viewed), (Family.BOUGHT_NEXT, bought)):
            kept = [successor for successor in successors if successor.weight > _RESIDUE]
            self._families[family].replace(
                source,
                former_at,
                [add(successor.target) for successor in kept],
                [successor.weight for successor in kept],
                [successor.users for successor in kept],
            )
            filled = filled or bool(kept)
        self._updated_at[source] = at if filled else _NEVER
        self.version += 1

    def _sum(self, family: Family) -> Marginals:
        size = len(self.nodes)
        self._updated_at = grown(self._updated_at, size, _NEVER)
        updated_at = self._updated_at[:size]
        newest = int(updated_at.max(initial=_NEVER))
        associations = self._families[family]
        if newest == _NEVER:
            newest = 0
        span = _LANDMARK_HALF_LIVES * self._half_life_ms
        landmark = math.floor(newest / span) * span

        def growth(times: IntArray) -> FloatArray:
            factors = np.zeros(len(times))
            present = times != _NEVER
            factors[present] = np.exp2((times[present] - landmark) / self._half_life_ms)
            factors[factors < _FORGOTTEN] = 0.0
            return factors

        to_newest = self.decay(newest - landmark)
        factors = growth(updated_at)
        outgoing = associations.rows.totals(size) * factors
        incoming = associations.incoming(landmark, growth, updated_at)
        total = order_free_sum(outgoing)
        return Marginals(factors * to_newest, outgoing * to_newest, incoming * to_newest, total * to_newest)


def counts(
    level: AssociationLevel, family: Family, cells: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return (n_ab, n_a, n_b, N) of successor cells, at the newest time; 0 where a record is forgotten.

    What rounding would make impossible (a part larger than its whole) is levelled.
    """
    rows, marginals = level.rows[family], level.marginals(family)
    sources = rows.sources[cells]
    pair = rows.weights[cells] * marginals.factors[sources]
    source = np.maximum(marginals.outgoing[sources], pair)
    target = np.maximum(marginals.incoming[rows.targets[cells]], pair)
    return pair, source, target, max(marginals.total, float(np.maximum(source, target).max(initial=0.0)))


def marginal_weights(level: AssociationLevel) -> FloatArray:
    """Return (nodes,) the decayed weights that leave and reach each node, of both families."""
    viewed, bought = level.marginals(Family.VIEWED_NEXT), level.marginals(Family.BOUGHT_NEXT)
    return (viewed.outgoing + viewed.incoming) + (bought.outgoing + bought.incoming)
