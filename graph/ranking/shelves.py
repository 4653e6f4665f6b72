"""The catalogue in the orders that candidates are taken in: by popularity, by category, by price."""

from dataclasses import dataclass

import numpy as np

from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.items import ItemIndex
from graph.ranking.ragged import FloatArray, bisect, group_starts, is_among, place_in_group


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


def fill_shelves(items: ItemIndex, weights: FloatArray, size: int, per_category: int, shortlist: int) -> Shelves:
    """Sort the listed items by their decayed ``weights`` (n,).

    The shortlist takes ``per_category`` items of every category before the next ones of any, ``size`` of one at most.
    """
    listed, categories, ranks = items.listed, items.category_codes.astype(np.int64), items.ids.ranks()
    logarithms = np.log1p(weights)
    highest = logarithms[listed].max(initial=0.0)
    popularity = np.minimum(logarithms / highest, 1.0) if highest > 0.0 else np.zeros(len(items))
    by_popularity = np.lexsort((ranks, -weights))
    by_popularity = by_popularity[listed[by_popularity]]
    everything = by_popularity[categories[by_popularity] >= 0]
    rows = everything[np.argsort(categories[everything], kind="stable")]
    starts = np.searchsorted(categories[rows], np.arange(len(items.categories) + 1))
    places = np.empty(len(items), dtype=np.int64)
    places[rows] = place_in_group(group_starts(categories[rows]), len(rows))
    tops = everything[places[everything] < size]
    spread = tops[np.argsort(places[tops] // per_category, kind="stable")]
    return Shelves(
        popularity=popularity,
        everything=everything,
        uncategorised=by_popularity[categories[by_popularity] < 0],
        rows=rows,
        starts=starts,
        shortlist=spread[:shortlist],
    )


@dataclass(frozen=True, slots=True)
class PriceShelves:
    """Listed items of each (category, currency), cheapest first, equals by item id."""

    groups: IntArray
    starts: IntArray
    rows: IntArray
    prices: FloatArray
    currencies: int

    def middle(
        self, categories: IntArray, currencies: IntArray, low: FloatArray, high: FloatArray, most: int
    ) -> tuple[IntArray, IntArray]:
        """Return (starts, lengths) into ``rows``: items priced low..high, those about the geometric middle.

        At most ``most`` each. Codes that the catalogue does not have find none; a currency of -1 is the unknown one.
        """
        possible = (categories >= 0) & (currencies >= ABSENT)
        wanted = np.where(possible, categories * (self.currencies + 1) + currencies + 1, -1)
        place = np.searchsorted(self.groups, wanted)
        found = is_among(wanted, self.groups)
        starts = np.where(found, self.starts[place], 0)
        stops = np.where(found, self.starts[np.where(found, place + 1, 0)], 0)
        first = bisect(self.prices, starts, stops, low, right=False)
        last = bisect(self.prices, starts, stops, high, right=True)
        about = bisect(self.prices, starts, stops, np.sqrt(low * high), right=False)
        lengths = np.clip(last - first, 0, most)
        return np.clip(about - most // 2, first, last - lengths), lengths


def fill_price_shelves(items: ItemIndex) -> PriceShelves:
    """Sort the listed items that have a category and a price."""
    currencies = len(items.currencies)
    priced = np.flatnonzero(items.listed & (items.category_codes >= 0) & ~np.isnan(items.prices))
    groups = items.category_codes[priced].astype(np.int64) * (currencies + 1) + items.currency_codes[priced] + 1
    order = np.lexsort((items.ids.ranks()[priced], items.prices[priced], groups))
    rows, groups = priced[order], groups[order]
    starts = group_starts(groups)
    return PriceShelves(groups[starts], np.append(starts, len(rows)), rows, items.prices[rows], currencies)
