"""Candidates of up-sell: dearer items of the category of something the user looked at or bought."""

from dataclasses import dataclass

import numpy as np

from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, is_among, ranges, sort_order
from graph.ranking.repeats import bought_before
from graph.ranking.rules import not_owned
from graph.ranking.settings import RankingSettings
from graph.ranking.shop import Shop
from graph.ranking.steps import Steps
from graph.settings import ListSettings


@dataclass(frozen=True, slots=True)
class UpCandidates:
    """Distinct (anchor, row) pairs within the anchor's price band.

    anchors: places in the batch's anchors; transitions: strength of all steps from the user's latest items to the row,
    0 if there are none; these are steps[order[first : first + count]]; gains: how moderate the gain in price is, in
    [0, 1]; repeats: strength of having been bought before, in [0, 1].
    """

    anchors: IntArray
    users: IntArray
    rows: IntArray
    transitions: FloatArray
    first: IntArray
    count: IntArray
    order: IntArray
    gains: FloatArray
    repeats: FloatArray
    steps: Steps


def up_candidates(
    shop: Shop,
    batch: ProfileBatch,
    steps: Steps,
    nearest: IntArray,
    settings: ListSettings,
    ranking: RankingSettings,
) -> UpCandidates:
    """Gather what people moved on to, what is near in meaning, what was bought before, what is popular, and more.

    All of an anchor's category and within its price band, whose middle is offered as well; each (anchor, row) once.
    Where purchases are all that is known, what was bought after the user's items, or together with them, says most.
    """
    anchors = batch.anchors
    priced = (anchors.prices > 0.0) & (anchors.categories >= 0)
    chosen = np.flatnonzero((anchors.places < settings.anchors) & priced)
    steps = _steps_back(shop, batch, chosen, steps).weighed(ranking.bought_factor, 1.0)
    is_chosen = np.zeros(len(anchors.places), dtype=np.bool_)
    is_chosen[chosen] = True
    from_anchors = is_chosen[steps.anchors]
    from_anchors &= shop.items.category_codes[steps.rows] == anchors.categories[steps.anchors]
    parts = [
        (steps.anchors[from_anchors], steps.rows[from_anchors]),
        _near(shop, batch, chosen, nearest),
        _band(shop, batch, chosen, settings, ranking.band_items),
        _bought_before(shop, batch, chosen),
        _popular(shop, batch, chosen, ranking.items_per_category),
    ]
    owners = np.concatenate([part[0] for part in parts])
    rows = np.concatenate([part[1] for part in parts])
    fit = np.flatnonzero(_fits(shop, batch, owners, rows, settings))
    order = fit[sort_order([owners[fit], rows[fit], fit])]
    first = order[group_starts((owners * len(shop.items) + rows)[order])]
    owners, rows = owners[first], rows[first]
    users = anchors.users[owners]
    reached = _steps_to(shop, batch, steps, users, rows)
    gains = price_gain(shop.items.prices[rows] / anchors.prices[owners], settings) * anchors.decays[owners]
    return UpCandidates(owners, users, rows, *reached, gains, bought_before(shop, batch, users, rows), steps)


def _steps_back(shop: Shop, batch: ProfileBatch, chosen: IntArray, steps: Steps) -> Steps:
    """Return the steps to items of a category of the user's chosen anchors: to no other can anything be an up-sell."""
    anchors = batch.anchors
    home = np.zeros((batch.size, len(shop.items.categories)), dtype=np.bool_)
    home[anchors.users[chosen], anchors.categories[chosen]] = True
    return steps.select(home[anchors.users[steps.anchors], shop.items.category_codes[steps.rows]])


def _steps_to(
    shop: Shop, batch: ProfileBatch, steps: Steps, users: IntArray, rows: IntArray
) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    """Return, for each (user, row), transitions, first and count of :class:`UpCandidates`; and its order."""
    size = len(shop.items)
    keys, of = np.unique(users * size + rows, return_inverse=True)
    ends = batch.anchors.users[steps.anchors] * size + steps.rows
    there = np.flatnonzero(is_among(ends, keys))
    places = np.searchsorted(keys, ends[there])
    order = np.argsort(places, kind="stable")
    there, places = there[order], places[order]
    sums = np.bincount(places, weights=steps.values[there], minlength=len(keys))
    counts = np.bincount(places, minlength=len(keys))
    # Of no steps at all the sums are integers.
    return sums.astype(np.float64, copy=False)[of], (np.cumsum(counts) - counts)[of], counts[of], there


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


def _bought_before(shop: Shop, batch: ProfileBatch, chosen: IntArray) -> tuple[IntArray, IntArray]:
    size = len(shop.items)
    users = batch.anchors.users[chosen]
    first = np.searchsorted(batch.repeats, users * size)
    cells, owners = ranges(first, np.searchsorted(batch.repeats, (users + 1) * size) - first)
    owners, rows = chosen[owners], batch.repeats[cells] - batch.anchors.users[chosen[owners]] * size
    kept = shop.items.listed[rows] & (shop.items.category_codes[rows] == batch.anchors.categories[owners])
    return owners[kept], rows[kept]


def _popular(shop: Shop, batch: ProfileBatch, chosen: IntArray, most: int) -> tuple[IntArray, IntArray]:
    shelves, categories = shop.shelves, batch.anchors.categories[chosen]
    starts = shelves.starts[categories]
    cells, owners = ranges(starts, np.minimum(shelves.starts[categories + 1] - starts, most))
    return chosen[owners], shelves.rows[cells]


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
