"""What may stand on a list at all."""

import numpy as np
from numpy.typing import NDArray

from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.ragged import BoolArray, FloatArray, is_among
from graph.ranking.shop import Shop


def not_owned(shop: Shop, batch: ProfileBatch, users: IntArray, rows: IntArray) -> BoolArray:
    """Say whether the user has not bought the item within the settings' time."""
    return ~is_among(users * len(shop.items) + rows, batch.owned)


def away_from_home(batch: ProfileBatch, users: IntArray, categories: NDArray[np.integer]) -> BoolArray:
    """Say whether a category is neither among the user's strongest interests nor that of the user's latest item."""
    at_home = np.zeros(batch.bought_in.shape, dtype=np.bool_)  # a last column for having none, which is nobody's home
    owners, places = np.nonzero(batch.home >= 0)
    at_home[owners, batch.home[owners, places]] = True
    away: BoolArray = ~at_home[users, categories]
    return away


def owned_rows(shop: Shop, batch: ProfileBatch, user: int) -> IntArray:
    """Return the rows that a user bought recently."""
    size = len(shop.items)
    first, last = np.searchsorted(batch.owned, [user * size, (user + 1) * size])
    return batch.owned[first:last] - user * size


def ignored_factors(shop: Shop, batch: ProfileBatch, users: IntArray, rows: IntArray) -> FloatArray:
    """Return what the score is multiplied with because the user was shown the item in vain; 1 where not."""
    factors = np.ones(len(users))
    if len(batch.ignored):
        keys = users * len(shop.items) + rows
        found = np.flatnonzero(is_among(keys, batch.ignored))
        factors[found] = batch.ignored_factors[np.searchsorted(batch.ignored, keys[found])]
    return factors
