"""New items: nobody has tried them, so no past recommends them."""

from collections.abc import Collection

import numpy as np

from graph.ranking.associations import AssociationIndex
from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.items import ItemIndex
from graph.ranking.ragged import FloatArray


def newcomer_rows(items: ItemIndex, weights: FloatArray, seconds: float, enough: float, most: int) -> IntArray:
    """Return the rows of the newcomers, latest first, at most ``most``, equals by item id.

    A newcomer is listed, has a category, came to a shop that already ran, at most ``seconds`` before the latest one,
    and is untried: the transitions that leave and reach it weigh less than ``enough``. weights: (n,).
    """
    since = items.since
    latest = int(since.max(initial=0))
    if not latest:
        return np.empty(0, dtype=np.int64)
    new = items.listed & (items.category_codes >= 0) & (since > max(0.0, latest - 1000.0 * seconds))
    rows = np.flatnonzero(new & (weights < enough))
    return rows[np.lexsort((items.ids.ranks()[rows], -since[rows]))][:most]


def leading_categories(associations: AssociationIndex, targets: Collection[str], most: int) -> list[str]:
    """Return the categories whose associations lead to any of ``targets``, strongest first, at most ``most``.

    A category counts by the best score of its associations that end there; equals by path.
    """
    matrix, names = associations.category_associations(), associations.categories
    wanted = names.get_all(targets)
    edges = np.flatnonzero(np.isin(matrix.targets, wanted[wanted != ABSENT]))
    strengths = np.zeros(len(names))
    np.maximum.at(strengths, np.searchsorted(matrix.starts, edges, side="right") - 1, matrix.scores[edges])
    found = np.flatnonzero(strengths)
    order = found[np.lexsort((names.ranks()[found], -strengths[found]))]
    return names.names(order[:most].tolist())
