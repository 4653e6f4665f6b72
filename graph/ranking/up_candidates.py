"""Candidates of up-sell: dearer items of the category of something the user looked at or bought."""

from dataclasses import dataclass

import numpy as np

from graph.model import Family
from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.ragged import BoolArray, FloatArray, first_of_largest, group_starts, ranges, sort_order
from graph.ranking.rules import not_owned
from graph.ranking.settings import RankingSettings
from graph.ranking.shop import Shop
from graph.ranking.steps import follow_items, join_steps
from graph.settings import ListSettings


@dataclass(frozen=True, slots=True)
class UpCandidates:
    """Distinct (anchor, row) pairs within the anchor's price band.

    anchors: places in the batch's anchors; transitions: strength of the steps from the anchor, one per family, 0 if
    there is none; ``cells``: where the stronger one is in its family's successors, -1 if there is none, and
    ``bought``: that family; gains: how moderate the gain in price is, in [0, 1].
    """

    anchors: IntArray
    users: IntArray
    rows: IntArray
    transitions: FloatArray
    cells: IntArray
    bought: BoolArray
    gains: FloatArray


def up_candidates(
    shop: Shop, batch: ProfileBatch, nearest: IntArray, settings: ListSettings, ranking: RankingSettings
) -> UpCandidates:
    """Gather what people moved on to, what is near in meaning, and the middle of the price band; merge and filter.

    Where purchases are all that is known, what was bought after the anchor, or together with it, says most.
    """
    anchors = batch.anchors
    priced = (anchors.prices > 0.0) & (anchors.categories >= 0)
    chosen = np.flatnonzero((anchors.places < settings.anchors) & priced)
    most = ranking.item_successors
    steps = join_steps(
        [
            follow_items(shop, batch, chosen, Family.VIEWED_NEXT, 1.0, most, within=True),
            follow_items(shop, batch, chosen, Family.BOUGHT_NEXT, ranking.bought_factor, most, within=True),
        ]
    )
    near_anchors, near_rows = _near(shop, batch, chosen, nearest)
    band_anchors, band_rows = _band(shop, batch, chosen, settings, ranking.band_items)
    owners = np.concatenate([steps.anchors, near_anchors, band_anchors])
    rows = np.concatenate([steps.rows, near_rows, band_rows])
    fit = np.flatnonzero(_fits(shop, batch, owners, rows, settings))
    order = fit[sort_order([owners[fit], rows[fit], fit])]
    keys = (owners * len(shop.items) + rows)[order]
    first = group_starts(keys)
    values = np.zeros(len(owners))
    values[: len(steps.values)] = steps.values
    transitions = np.add.reduceat(values[order], first) if len(first) else values[:0]
    strongest = order[first_of_largest(values[order], keys)]  # the step itself, where there is one
    owners, rows = owners[order[first]], rows[order[first]]
    stepped = transitions > 0.0
    cells, bought = np.full(len(first), -1, dtype=np.int64), np.zeros(len(first), dtype=np.bool_)
    cells[stepped], bought[stepped] = steps.cells[strongest[stepped]], steps.bought[strongest[stepped]]
    gains = price_gain(shop.items.prices[rows] / anchors.prices[owners], settings)
    return UpCandidates(owners, anchors.users[owners], rows, transitions, cells, bought, gains * anchors.decays[owners])


def price_gain(ratios: FloatArray, settings: ListSettings) -> FloatArray:
    """Return 1 at the geometric middle of the price band, falling to 0 at both ends with the ratio's logarithm."""
    low, high = np.log(settings.up_sell_min_ratio), np.log(settings.up_sell_max_ratio)
    half = max((high - low) / 2.0, np.finfo(np.float64).tiny)
    gains: FloatArray = 1.0 - np.abs(np.log(ratios) - (low + high) / 2.0) / half
    return np.clip(gains, 0.0, 1.0)


def _near(shop: Shop, batch: ProfileBatch, chosen: IntArray, nearest: IntArray) -> tuple[IntArray, IntArray]:
    rows = nearest[batch.anchors.users[chosen]]
    known = (rows >= 0) & (rows < len(shop.items))
    safe = np.where(known, rows, 0)
    if not len(shop.items):
        return chosen[:0], chosen[:0]
    same = known & shop.items.listed[safe]
    same &= shop.items.category_codes[safe] == batch.anchors.categories[chosen][:, None]
    owners, places = np.nonzero(same)
    return chosen[owners], rows[owners, places]


def _band(
    shop: Shop, batch: ProfileBatch, chosen: IntArray, settings: ListSettings, most: int
) -> tuple[IntArray, IntArray]:
    anchors = batch.anchors
    prices = anchors.prices[chosen]
    starts, lengths = shop.prices.middle(
        anchors.categories[chosen],
        anchors.currencies[chosen],
        prices * settings.up_sell_min_ratio,
        prices * settings.up_sell_max_ratio,
        most,
    )
    cells, owners = ranges(starts, lengths)
    return chosen[owners], shop.prices.rows[cells]


def _fits(shop: Shop, batch: ProfileBatch, owners: IntArray, rows: IntArray, settings: ListSettings) -> BoolArray:
    items, anchors = shop.items, batch.anchors
    anchor_rows = anchors.rows[owners]
    base, price = anchors.prices[owners], items.prices[rows]
    fits = (price >= base * settings.up_sell_min_ratio) & (price <= base * settings.up_sell_max_ratio)
    fits &= (price > base) & (items.currency_codes[rows] == anchors.currencies[owners])  # dearer, so never the anchor
    fits &= not_owned(shop, batch, anchors.users[owners], rows)
    if len(items):
        least = np.where(anchor_rows >= 0, items.quality[np.maximum(anchor_rows, 0)], np.nan)
        fits &= ~(items.quality[rows] < least)  # a comparison with an unknown quality is false
    return fits
