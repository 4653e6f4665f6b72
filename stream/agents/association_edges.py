"""Which category edges of the graph are out of date: compares what was last written with what the records say now."""

from collections.abc import Iterable

from graph.model import AssociationEdge
from graph.ranking.associations import EdgeStatistics
from stream.knowledge import Knowledge

_TOLERANCE = 1e-12

_Key = tuple[str, str, str]


class EdgeLedger:
    """Remembers, per edge, the numbers last written by this process since its last claim."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._written: dict[_Key, AssociationEdge] = {}

    def clear(self) -> None:
        """Forget: another worker may have written."""
        self._written.clear()

    def changed(self, sources: Iterable[str]) -> list[AssociationEdge]:
        """Return the edges of these sources whose numbers differ from what was written, ordered."""
        found = []
        for source in sources:
            for edge in map(_edge, self._knowledge.associations.edge_statistics(source)):
                before = self._written.get(_key(edge))
                if before is None or not _same(before, edge):
                    found.append(edge)
        return sorted(found, key=_key)

    def written(self, edges: Iterable[AssociationEdge], dropped: Iterable[AssociationEdge]) -> None:
        """Note a committed transaction."""
        for edge in edges:
            self._written[_key(edge)] = edge
        for edge in dropped:
            self._written.pop(_key(edge), None)


def _edge(found: EdgeStatistics) -> AssociationEdge:
    return AssociationEdge(
        found.family,
        found.source,
        found.target,
        found.weight,
        found.users,
        found.confidence,
        found.lift,
        found.at,
    )


def _key(edge: AssociationEdge) -> _Key:
    return edge.family.value, edge.source, edge.target


def _same(a: AssociationEdge, b: AssociationEdge) -> bool:
    numbers = zip((a.weight, a.confidence, a.lift), (b.weight, b.confidence, b.lift), strict=True)
    return (a.users, a.updated_at) == (b.users, b.updated_at) and all(
        abs(x - y) <= _TOLERANCE * max(abs(x), abs(y)) for x, y in numbers
    )
