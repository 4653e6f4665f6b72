"""The catalogue in the orders that candidates are taken in: by popularity and by category."""

from dataclasses import dataclass

import numpy as np

from graph.ranking.codes import IntArray
from graph.ranking.items import ItemIndex
from graph.ranking.ragged import FloatArray, group_starts, place_in_group, sort_order, stable_order


@dataclass(frozen=True, slots=True)
class WeighedItems:
    """All items, listed or not: (n,) decayed weights, ln(1 + weight), and rows, heaviest first, equals by item id."""

    weights: FloatArray
    logarithms: FloatArray
    heaviest: IntArray


def weigh_items(items: ItemIndex, weights: FloatArray, former: WeighedItems | None = None) -> WeighedItems:
    """Sort the items by ``weights`` (n,).

    ``former``: of these items, or of the first of them; it only saves time. A few items' weights or the clock hardly
    change the order, and what is almost sorted is sorted in almost linear time.
    """
    near = np.empty(0, dtype=np.int64) if former is None else former.heaviest
    near = np.append(near, np.arange(len(near), len(items)))
    heaviest = near[np.argsort(-weights[near], kind="stable")]
    return WeighedItems(weights, np.log1p(weights), _equals_by_rank(heaviest, weights[heaviest], items.ids.ranks()))


def _equals_by_rank(order: IntArray, ordered: FloatArray, ranks: IntArray) -> IntArray:
    equal = ordered[1:] == ordered[:-1]
    ranked = ranks[order]
    if not (equal & (ranked[1:] < ranked[:-1])).any():
        return order
    runs = np.append(0, np.cumsum(~equal))
    tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
    order[tied] = order[tied][sort_order([runs[tied], ranked[tied]])]
    return order


@dataclass(frozen=True, slots=True)
class Shelves:
    """Listed items, most popular first, equals by item id.

    popularity: (n,) ln(1 + weight) over that of the most popular listed item, in [0, 1]; everything, uncategorised:
    all rows with and without a category; rows, starts: the same rows by category, (categories + 1,) starts;
    shortlist: popular rows spread over the categories, for everyone.
    """

    popularity: FloatArray
    everything: IntArray
    uncategorised: IntArray
    rows: IntArray
    starts: IntArray
    shortlist: IntArray


def fill_shelves(items: ItemIndex, weighed: WeighedItems, size: int, per_category: int, shortlist: int) -> Shelves:
    """Take the listed items out of all.

    The shortlist takes ``per_category`` items of every category before the next ones of any, ``size`` of one at most.
    """
    listed, categories = items.listed, items.category_codes.astype(np.int64)
    highest = weighed.logarithms[listed].max(initial=0.0)
    popularity = np.minimum(weighed.logarithms / highest, 1.0) if highest > 0.0 else np.zeros(len(items))
    by_popularity = weighed.heaviest[listed[weighed.heaviest]]
    everything = by_popularity[categories[by_popularity] >= 0]
    rows = everything[stable_order(categories[everything])]
    starts = np.searchsorted(categories[rows], np.arange(len(items.categories) + 1))
    places = np.empty(len(items), dtype=np.int64)
    places[rows] = place_in_group(group_starts(categories[rows]), len(rows))
    tops = everything[places[everything] < size]
    spread = tops[stable_order(places[tops] // per_category)]
    return Shelves(
        popularity=popularity,
        everything=everything,
        uncategorised=by_popularity[categories[by_popularity] < 0],
        rows=rows,
        starts=starts,
        shortlist=spread[:shortlist],
    )
