"""What users bought before, as candidates of cross-sell and as a feature of them."""

import numpy as np

from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.likeness import items_at
from graph.ranking.ragged import BoolArray, FloatArray, is_among
from graph.ranking.shop import Shop


def repeat_rows(shop: Shop, batch: ProfileBatch) -> tuple[IntArray, IntArray]:
    """Return (users, rows): the listed items bought before, of other categories than the user's latest item's."""
    users, rows = np.divmod(batch.repeats, max(len(shop.items), 1))
    kept = shop.items.listed[rows] & _elsewhere(shop, batch, users, rows)
    return users[kept], rows[kept]


def bought_before(shop: Shop, batch: ProfileBatch, users: IntArray, rows: IntArray) -> FloatArray:
    """Return the strength of each (user, row) in [0, 1]; 0 for what was not bought before."""
    strengths = np.zeros(len(users))
    if len(batch.repeats):
        keys = users * len(shop.items) + rows
        found = np.flatnonzero(is_among(keys, batch.repeats))
        strengths[found] = batch.repeat_strengths[np.searchsorted(batch.repeats, keys[found])]
    return strengths


def bought_elsewhere(shop: Shop, batch: ProfileBatch, users: IntArray, rows: IntArray) -> FloatArray:
    """Return the same; 0 for what is of the category of the user's latest item, too."""
    return bought_before(shop, batch, users, rows) * _elsewhere(shop, batch, users, rows)


def _elsewhere(shop: Shop, batch: ProfileBatch, users: IntArray, rows: IntArray) -> BoolArray:
    _, latest = items_at(batch, 0)
    categories = shop.items.category_codes[rows]
    found: BoolArray = (categories >= 0) & (categories != latest[users])
    return found
