"""How much an item resembles something that the user took lately, and what that was.

The embedding's cosine compares an item with the whole history at once; where interests are several, what resembles one
of the latest items closely may be far from their mean.
"""

from dataclasses import dataclass

import numpy as np

from graph.ranking.batch import UNKNOWN, ProfileBatch
from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.features import Vectors, closeness
from graph.ranking.ragged import BoolArray, FloatArray
from graph.ranking.settings import RankingSettings
from graph.ranking.shop import Shop


def likeness(
    shop: Shop, batch: ProfileBatch, vectors: Vectors, users: IntArray, rows: IntArray, ranking: RankingSettings
) -> FloatArray:
    """Return, for each (user, row), the largest cosine with one of the latest items of other categories, in [0, 1].

    Each counts as much less than the latest one as its transitions do; negative cosines count as 0.
    """
    best = np.zeros(len(users))
    for place in range(ranking.likeness_items):
        decay = ranking.history_decay**place
        np.maximum(best, decay * _cosines(shop, batch, vectors, users, rows, place), out=best)
    return best


@dataclass(frozen=True, slots=True)
class Likest:
    """anchors: (n,) places in the batch's anchors that a likeness comes from, -1 for none.

    left: (n,) the part of the likeness that would be left without that item.
    """

    anchors: IntArray
    left: FloatArray


def likest_anchors(
    shop: Shop, batch: ProfileBatch, vectors: Vectors, users: IntArray, rows: IntArray, ranking: RankingSettings
) -> Likest:
    """Return which item of the history the likeness of each (user, row) comes from.

    Once an item is gone, those before it move up and count for more.
    """
    most = ranking.likeness_items
    cosines = np.stack([_cosines(shop, batch, vectors, users, rows, place) for place in range(most + 1)])
    decays = ranking.history_decay ** np.arange(most)[:, None]
    weighed = decays * cosines[:most]
    best, largest = np.argmax(weighed, axis=0), weighed.max(axis=0)
    without = np.where(np.arange(most)[:, None] < best, weighed, decays * cosines[1:]).max(axis=0)
    anchors = np.where(largest > 0.0, np.searchsorted(batch.anchors.users, users) + best, ABSENT)
    return Likest(anchors, np.divide(without, largest, out=np.ones(len(users)), where=largest > 0.0))


def _cosines(
    shop: Shop, batch: ProfileBatch, vectors: Vectors, users: IntArray, rows: IntArray, place: int
) -> FloatArray:
    """Return the cosine of each row with the user's item at ``place`` of the history; 0 without one of elsewhere."""
    of_users, categories = items_at(batch, place)
    here = np.flatnonzero(of_users != ABSENT)
    latest = np.zeros((batch.size, vectors.shape[1]), dtype=np.float32)
    latest[here] = vectors[of_users[here]]
    away = is_of_another(categories, shop, users, rows)
    return np.where(away, closeness(latest, vectors, users, rows), 0.0)


def items_at(batch: ProfileBatch, place: int) -> tuple[IntArray, IntArray]:
    """Return (size,) rows of each user's item at ``place`` of the history, 0 the latest, and its category.

    ABSENT and UNKNOWN where there is none, or the catalogue does not have it.
    """
    anchors = batch.anchors
    here = np.flatnonzero((anchors.places == place) & (anchors.rows >= 0))
    rows, categories = np.full(batch.size, ABSENT, dtype=np.int64), np.full(batch.size, UNKNOWN, dtype=np.int64)
    rows[anchors.users[here]] = anchors.rows[here]
    categories[anchors.users[here]] = anchors.categories[here]
    return rows, categories


def is_of_another(categories: IntArray, shop: Shop, users: IntArray, rows: IntArray) -> BoolArray:
    """Say for each (user, row) whether the row's category differs from the user's among ``categories``, a known one."""
    found: BoolArray = (shop.items.category_codes[rows] != categories[users]) & (categories[users] != UNKNOWN)
    return found
