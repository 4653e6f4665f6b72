"""What a moment teaches beside the next item: the next of another category, a dearer one, whether it is bought."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.base import KIND_CODES, IntArray
from encoders.training.events import Histories, TrainingItems

HORIZON = 20
"""How many interactions ahead a target is looked for."""

DEARER = 1.05
"""An up-sell target costs at least this many times its anchor, as in the lists."""

NONE = -1


@dataclass(frozen=True, slots=True)
class Targets:
    """By place (E,) of the next interaction; the anchor is the one before it.

    cross_sell: row of the first later item of another category than the anchor's, -1 for none within the horizon;
    up_sell: of the first later item of the anchor's category that is dearer; bought: whether the next item was
    bought then or within the horizon; learns_purchase: whether that differs often enough to be learned.
    """

    cross_sell: IntArray
    up_sell: IntArray
    bought: NDArray[np.bool_]
    learns_purchase: bool


def find_targets(histories: Histories, items: TrainingItems) -> Targets:
    """Look ahead from every place."""
    rows = histories.items
    category, price = items.categories[rows], items.prices[rows]
    known = category >= 0

    def crosses(anchor: IntArray, later: IntArray) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = known[anchor] & known[later] & (category[anchor] != category[later])
        return found

    def climbs(anchor: IntArray, later: IntArray) -> NDArray[np.bool_]:
        dearer = price[later] >= DEARER * price[anchor]  # False when a price is missing
        found: NDArray[np.bool_] = dearer & known[anchor] & (category[anchor] == category[later])
        return found

    purchases = histories.kinds == KIND_CODES["purchase"]

    def buys(anchor: IntArray, later: IntArray) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (rows[anchor] == rows[later]) & purchases[later]
        return found

    bought = purchases | (_first_within(histories, buys) >= 0)
    share = float(bought.mean()) if len(bought) else 0.0
    return Targets(
        cross_sell=_before(histories, _first_within(histories, crosses)),
        up_sell=_before(histories, _first_within(histories, climbs)),
        bought=bought,
        learns_purchase=0.01 < share < 0.99,
    )


def _first_within(histories: Histories, holds: Callable[[IntArray, IntArray], NDArray[np.bool_]]) -> IntArray:
    """Return (E,) the row of the first later item of the same user for which something holds, -1 for none."""
    user_of = histories.user_of()
    found = np.full(len(histories), NONE, np.int64)
    for gap in range(1, min(HORIZON, len(histories) - 1) + 1):
        anchor, later = np.arange(len(histories) - gap), np.arange(gap, len(histories))
        takes = (found[anchor] == NONE) & (user_of[anchor] == user_of[later]) & holds(anchor, later)
        found[anchor[takes]] = histories.items[later[takes]]
    return found


def _before(histories: Histories, by_anchor: IntArray) -> IntArray:
    """Move targets from their anchors to the places after them; first places have none."""
    moved = np.concatenate([[NONE], by_anchor[:-1]])
    moved[histories.starts[:-1][histories.lengths > 0]] = NONE
    return moved


class CheaperItems:
    """Draws, for an item, one of its category that costs no more: what an up-sell must beat."""

    def __init__(self, items: TrainingItems) -> None:
        priced = np.flatnonzero((items.categories >= 0) & np.isfinite(items.prices))
        order = priced[np.lexsort((items.prices[priced], items.categories[priced]))]
        self._order = order
        self._first = np.zeros(len(items.ids), np.int64)
        self._count = np.zeros(len(items.ids), np.int64)
        category, price = items.categories[order], items.prices[order]
        starts = np.searchsorted(category, category, side="left")
        # Within a category prices ascend: the last place of an item's price closes what costs no more.
        changes = np.flatnonzero(np.diff(category) | (np.diff(price) != 0))
        ends = np.concatenate([changes + 1, [len(order)]])
        self._first[order] = starts
        self._count[order] = ends[np.searchsorted(ends, np.arange(len(order)), side="right")] - starts

    def draw(self, anchors: IntArray, random: np.random.Generator) -> IntArray:
        """Return (B,) rows: one cheaper or equally dear item for each anchor (B,), -1 for one without a price."""
        counts = self._count[anchors]
        if not len(self._order):
            return np.full(len(anchors), NONE, np.int64)
        drawn = self._order[
            np.minimum(self._first[anchors] + random.integers(0, np.maximum(counts, 1)), len(self._order) - 1)
        ]
        return np.where(counts > 0, drawn, NONE)
