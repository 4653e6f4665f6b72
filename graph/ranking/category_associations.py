"""Which categories lead to which: the gated, scored matrix that cross-sell follows."""

from dataclasses import dataclass

import numpy as np

from graph.model import Family
from graph.ranking.codes import IntArray
from graph.ranking.levels import AssociationLevel, counts
from graph.ranking.measures import lift, log_likelihood_ratio, npmi
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, place_in_group
from graph.settings import AssociationSettings


@dataclass(frozen=True, slots=True)
class CategoryAssociations:
    """A sparse matrix in CSR form over the codes of ``AssociationIndex.categories``; entries sorted by target code.

    starts: (categories + 1,) indptr; targets: indices; scores: data, > 0; bought: whether the entry is a BOUGHT_NEXT
    (else VIEWED_NEXT); users and lift: of that edge.
    """

    starts: IntArray
    targets: IntArray
    scores: FloatArray
    bought: BoolArray
    users: IntArray
    lift: FloatArray


@dataclass(frozen=True, slots=True)
class _Edges:
    sources: IntArray
    targets: IntArray
    scores: FloatArray
    users: IntArray
    lift: FloatArray


def build_category_associations(
    level: AssociationLevel, settings: AssociationSettings, viewed_factor: float, successors: int
) -> CategoryAssociations:
    """Score every association that passes its gates: confidence * max(0, NPMI).

    The gates are the log-likelihood ratio of the decayed counts at the newest time and the number of distinct users.
    A pair of categories takes its BOUGHT_NEXT's score if that one passes, else its VIEWED_NEXT's times
    ``viewed_factor``. Of each source the ``successors`` best are kept (ties by the target's path).
    """
    size = len(level.nodes)
    bought = _scored(level, Family.BOUGHT_NEXT, settings)
    viewed = _scored(level, Family.VIEWED_NEXT, settings)
    keys = np.concatenate([bought.sources * size + bought.targets, viewed.sources * size + viewed.targets])
    keys, first = np.unique(keys, return_index=True)  # the first of equal keys, so BOUGHT_NEXT where there is one
    scores = np.concatenate([bought.scores, viewed.scores * viewed_factor])[first]
    useful = scores > 0.0
    keys, first, scores = keys[useful], first[useful], scores[useful]
    sources, targets = keys // max(size, 1), keys % max(size, 1)
    if np.bincount(sources, minlength=1).max() > successors:
        best_first = np.lexsort((level.nodes.ranks()[targets], -scores, sources))
        places = place_in_group(group_starts(sources[best_first]), len(sources))
        kept = np.sort(best_first[places < successors])
        sources, targets, first, scores = sources[kept], targets[kept], first[kept], scores[kept]
    return CategoryAssociations(
        starts=np.searchsorted(sources, np.arange(size + 1)),
        targets=targets,
        scores=scores,
        bought=first < len(bought.sources),
        users=np.concatenate([bought.users, viewed.users])[first],
        lift=np.concatenate([bought.lift, viewed.lift])[first],
    )


def _scored(level: AssociationLevel, family: Family, settings: AssociationSettings) -> _Edges:
    rows = level.rows[family]
    enough = (rows.weights > 0.0) & (rows.users >= settings.min_users) & (rows.sources != rows.targets)
    cells = np.flatnonzero(enough & (level.marginals(family).factors[rows.sources] > 0.0))
    of_cells = counts(level, family, cells)
    sources = rows.sources[cells].astype(np.int64)
    confidence = rows.weights[cells] / rows.totals(len(level.nodes))[sources]
    scores = confidence * np.maximum(npmi(*of_cells), 0.0)
    passed = np.flatnonzero(log_likelihood_ratio(*of_cells) >= settings.min_log_likelihood_ratio)
    return _Edges(
        sources[passed],
        rows.targets[cells[passed]].astype(np.int64),
        scores[passed],
        rows.users[cells[passed]].astype(np.int64),
        lift(*of_cells)[passed],
    )
