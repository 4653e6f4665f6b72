"""From users' latest items along item transitions, and from their interests along category associations."""

from dataclasses import dataclass, replace

import numpy as np

from graph.model import Family
from graph.ranking.batch import UNKNOWN, ProfileBatch
from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.ragged import BoolArray, FloatArray, first_of_largest, ranges
from graph.ranking.settings import RankingSettings
from graph.ranking.shop import Shop


@dataclass(frozen=True, slots=True)
class Steps:
    """Item transitions followed from anchors to listed items.

    anchors: places in the batch's anchors; rows: items reached; values: strength times the anchor's decay; cells:
    where each transition is in its family's successors; bought: its family.
    """

    anchors: IntArray
    rows: IntArray
    values: FloatArray
    cells: IntArray
    bought: BoolArray

    def weighed(self, bought: float, viewed: float) -> "Steps":
        """Return the steps, those of each family times its factor."""
        return replace(self, values=self.values * np.where(self.bought, bought, viewed))

    def select(self, chosen: IntArray | BoolArray) -> "Steps":
        """Return some of the steps, in their order."""
        return Steps(
            self.anchors[chosen], self.rows[chosen], self.values[chosen], self.cells[chosen], self.bought[chosen]
        )


def history_steps(shop: Shop, batch: ProfileBatch, ranking: RankingSettings) -> Steps:
    """Follow the heaviest transitions of each user's latest items that have a category, in both families."""
    chosen = np.flatnonzero(batch.anchors.places < ranking.history_items)
    parts = [
        _follow(shop, batch, chosen, family, ranking.item_successors)
        for family in (Family.BOUGHT_NEXT, Family.VIEWED_NEXT)
    ]
    return Steps(
        np.concatenate([part.anchors for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.bought for part in parts]),
    )


def _follow(shop: Shop, batch: ProfileBatch, chosen: IntArray, family: Family, most: int) -> Steps:
    items, successors = shop.item_steps, shop.item_steps.successors[family]
    anchors = batch.anchors
    chosen = chosen[(anchors.nodes[chosen] != ABSENT) & (anchors.categories[chosen] != UNKNOWN)]
    starts, lengths = successors.spans(anchors.nodes[chosen])
    followed = np.ceil(most * anchors.decays[chosen]).astype(np.int64)  # what counts less need not be followed as far
    cells, owners = ranges(starts, np.minimum(lengths, followed))
    kept = np.flatnonzero(items.categories[successors.targets[cells]] >= 0)
    cells, owners = cells[kept], chosen[owners[kept]]
    targets = successors.targets[cells]
    scales = items.source_scales[family][anchors.nodes[owners]] * anchors.decays[owners]
    values = successors.weights[cells] * items.target_scales[family][targets] * scales
    bought = np.full(len(cells), family is Family.BOUGHT_NEXT)
    return Steps(owners, items.rows[targets], values, cells, bought)


def category_strengths(shop: Shop, batch: ProfileBatch) -> FloatArray:
    """Return (users, categories): sum over a user's interests c of I(c) * A(c -> c'), c' never c itself."""
    steps, interests = shop.category_steps, batch.interests
    size = len(shop.items.categories)
    starts = steps.starts[interests.sources]
    edges, owners = ranges(starts, steps.starts[interests.sources + 1] - starts)
    keys = interests.users[owners] * size + steps.categories[edges]
    values = interests.weights[owners] * steps.scores[edges]
    strengths = np.bincount(keys, weights=values, minlength=batch.size * size)
    return np.asarray(strengths, dtype=np.float64).reshape(batch.size, size)


def strongest_sources(
    shop: Shop, batch: ProfileBatch, users: IntArray, categories: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return, for each (user, category) that some interest leads to: the strongest interest's source code, its edge.

    Edges are places in the category associations; last, what that interest adds to the category's strength.
    """
    steps, interests = shop.category_steps, batch.interests
    first = np.searchsorted(interests.users, users)
    chosen, owners = ranges(first, np.searchsorted(interests.users, users, side="right") - first)
    keys = interests.sources[chosen] * len(shop.items.categories) + categories[owners]
    places = np.minimum(np.searchsorted(steps.keys, keys), max(len(steps.keys) - 1, 0))
    values = np.where(steps.keys[places] == keys, interests.weights[chosen] * steps.scores[places], -1.0)
    best = first_of_largest(values, owners)
    return interests.sources[chosen[best]], steps.edges[places[best]], values[best]
