"""The associations topic in memory: what leads to what, at both levels and in both families."""

from dataclasses import dataclass

import numpy as np

from graph.model import Family, Level, SuccessorRecord
from graph.ranking.category_associations import CategoryAssociations, build_category_associations
from graph.ranking.codes import ABSENT, Codes, IntArray
from graph.ranking.levels import AssociationLevel, counts
from graph.ranking.measures import lift, log_likelihood_ratio, npmi
from graph.ranking.settings import RankingSettings
from graph.settings import AssociationSettings


@dataclass(frozen=True, slots=True)
class EdgeStatistics:
    """One directed association with its measures. ``weight`` is valid at ``at`` (ms); see graph.ranking.measures."""

    family: Family
    source: str
    target: str
    weight: float
    at: int
    users: int
    confidence: float
    lift: float
    npmi: float
    log_likelihood_ratio: float


class AssociationIndex:
    """Every record of the associations topic, the latest of each source.

    The same records in any order of arrival give the same numbers, bit for bit. Marginals, totals and the category
    matrix are computed when they are asked for, at most once after a change.
    """

    def __init__(self, settings: AssociationSettings, ranking: RankingSettings | None = None) -> None:
        self._settings = settings
        self._ranking = ranking or RankingSettings()
        self._levels = {level: AssociationLevel(settings.half_life_seconds) for level in Level}
        self._matrix: tuple[int, CategoryAssociations] | None = None

    @property
    def categories(self) -> Codes:
        """Names of the category codes."""
        return self._levels[Level.CATEGORY].nodes

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return sum(level.version for level in self._levels.values())

    def level(self, level: Level) -> AssociationLevel:
        """Return one level's successors and marginals."""
        return self._levels[level]

    def upsert(self, record: SuccessorRecord) -> None:
        """Take a source's record in place of its former one. Successors without weight are left out."""
        self._levels[record.level].upsert(record)

    def remove(self, level: Level, source: str) -> None:
        """Forget a source."""
        self._levels[level].remove(source)

    def statistics(
        self, level: Level, family: Family, source: str, target: str, at: int | None = None
    ) -> EdgeStatistics | None:
        """Return one association, None if there is none.

        ``at`` (ms) is when the weight is to be valid, by default the time of the source's record. The measures do not
        depend on it: ratios are timeless, and the log-likelihood ratio is of the counts at the level's newest time.
        """
        rows = self._levels[level].rows[family]
        nodes = self._levels[level].nodes
        code, wanted = nodes.get(source), nodes.get(target)
        if code == ABSENT or wanted == ABSENT:
            return None
        rows.reserve(len(nodes))
        (start,), (length,) = rows.spans(np.array([code]))
        cells = start + np.flatnonzero(rows.targets[start : start + length] == wanted)
        found = self._statistics(level, family, code, cells, at)
        return found[0] if found else None

    def edge_statistics(self, source: str) -> list[EdgeStatistics]:
        """Return all category associations that leave a category, in both families, ordered by family and target."""
        code = self.categories.get(source)
        if code == ABSENT:
            return []
        edges: list[EdgeStatistics] = []
        for family in Family:
            rows = self._levels[Level.CATEGORY].rows[family]
            rows.reserve(len(self.categories))
            (start,), (length,) = rows.spans(np.array([code]))
            edges += self._statistics(Level.CATEGORY, family, code, np.arange(start, start + length), None)
        return sorted(edges, key=lambda edge: (edge.family, edge.target))

    def category_associations(self) -> CategoryAssociations:
        """Return the gated and scored matrix of categories; see build_category_associations."""
        level = self._levels[Level.CATEGORY]
        if self._matrix is None or self._matrix[0] != level.version:
            matrix = build_category_associations(
                level, self._settings, self._ranking.viewed_factor, self._ranking.category_successors
            )
            self._matrix = level.version, matrix
        return self._matrix[1]

    def _statistics(
        self, level_name: Level, family: Family, source: int, cells: IntArray, at: int | None
    ) -> list[EdgeStatistics]:
        level = self._levels[level_name]
        rows = level.rows[family]
        if not len(cells) or level.marginals(family).factors[source] == 0.0:
            return []
        weights, targets = rows.weights[cells], rows.targets[cells]
        updated_at = level.updated_at(source)
        time = updated_at if at is None else at
        of_cells = counts(level, family, cells)
        measures = zip(
            (weights * level.decay(time - updated_at)).tolist(),
            rows.users[cells].tolist(),
            (weights / rows.totals(len(level.nodes))[source]).tolist(),
            lift(*of_cells).tolist(),
            npmi(*of_cells).tolist(),
            log_likelihood_ratio(*of_cells).tolist(),
            targets.tolist(),
            strict=True,
        )
        name = level.nodes[source]
        return [
            EdgeStatistics(family, name, level.nodes[target], weight, time, users, confidence, up, mutual, evidence)
            for weight, users, confidence, up, mutual, evidence, target in measures
        ]
