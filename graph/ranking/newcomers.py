"""New items: nobody has tried them, so no past recommends them."""

import numpy as np

from graph.ranking.codes import IntArray
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
