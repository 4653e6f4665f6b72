"""Which words an item shares with the user's latest one, and what would be left of that without the latest."""

from dataclasses import dataclass

import numpy as np

from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.likeness import Likest, is_of_another, items_at
from graph.ranking.ragged import FloatArray
from graph.ranking.rules import away_from_home
from graph.ranking.shop import Shop
from graph.ranking.words import WordLikeness


@dataclass(frozen=True, slots=True)
class SharedWords:
    """How alike items are, by their words, to each user's latest one.

    categories: (size,) of that one. Items of its own category count as unlike it: they would be no cross-sell.
    """

    likeness: WordLikeness
    categories: IntArray

    def of(self, shop: Shop, users: IntArray, rows: IntArray) -> FloatArray:
        """Return the cosine of each (user, row), in [0, 1]."""
        away = is_of_another(self.categories, shop, users, rows)
        return np.where(away, self.likeness.of(users, rows), 0.0)


def shared_words(shop: Shop, batch: ProfileBatch) -> SharedWords:
    """Compare each user's latest item with the whole shop."""
    rows, categories = items_at(batch, 0)
    return SharedWords(shop.items.words.likeness(rows), categories)


def alike_rows(shop: Shop, batch: ProfileBatch, shared: SharedWords, most: int) -> tuple[IntArray, IntArray]:
    """Return (users, rows): the listed items away from home that share most words, at most ``most`` of each user."""
    users, rows = shared.likeness.owners, shared.likeness.rows
    categories = shop.items.category_codes[rows]
    chosen = shop.items.listed[rows] & (categories >= 0) & is_of_another(shared.categories, shop, users, rows)
    return shared.likeness.nearest(chosen & away_from_home(batch, users, categories), shop.ranks, most)


def left_of_words(shop: Shop, batch: ProfileBatch, shared: SharedWords, users: IntArray, rows: IntArray) -> Likest:
    """Return the latest item of each (user, row) that shares words with it, and what is left once that is gone.

    The item before it is then the latest one; it may share more.
    """
    now, then = shared.of(shop, users, rows), np.zeros(len(users))
    sharing = np.flatnonzero(now > 0.0)
    of_users, categories = items_at(batch, 1)
    away = sharing[is_of_another(categories, shop, users[sharing], rows[sharing])]
    then[away] = shop.items.words.cosines(of_users[users[away]], rows[away])
    anchors = np.where(now > 0.0, np.searchsorted(batch.anchors.users, users), ABSENT)
    return Likest(anchors, np.divide(then, now, out=np.ones(len(users)), where=now > 0.0))
