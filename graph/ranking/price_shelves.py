"""The catalogue by category and price: what up-sell takes its candidates from."""

from dataclasses import dataclass

import numpy as np

from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.items import ItemIndex
from graph.ranking.ragged import FloatArray, bisect, group_starts, is_among

_SORT_SHARE = 8  # once an eighth of the items has moved, sorting all anew is cheaper


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


class PriceOrder:
    """Keeps the listed items that have a category and a price in order: only those that moved find their place anew.

    Which moved is seen by comparing all (n,) groups and prices with those of the last call: a group is a category and
    a currency, -1 for an item that does not stand here.
    """

    def __init__(self, items: ItemIndex) -> None:
        self._items = items
        self._rows: IntArray = np.empty(0, dtype=np.int64)
        self._groups: IntArray = np.empty(0, dtype=np.int64)
        self._prices: FloatArray = np.empty(0)

    def current(self) -> PriceShelves:
        """Return the shelves as they are now."""
        items = self._items
        currencies = len(items.currencies)
        stand = items.listed & (items.category_codes >= 0) & ~np.isnan(items.prices)
        codes = items.category_codes.astype(np.int64) * (currencies + 1) + items.currency_codes + 1
        groups, prices = np.where(stand, codes, -1), np.where(stand, items.prices, 0.0)
        self._rows = self._sorted(groups, prices)
        self._groups, self._prices = groups, prices
        ordered = groups[self._rows]
        starts = group_starts(ordered)
        rows = self._rows
        return PriceShelves(ordered[starts], np.append(starts, len(rows)), rows, items.prices[rows], currencies)

    def _sorted(self, groups: IntArray, prices: FloatArray) -> IntArray:
        ranks, former = self._items.ids.ranks(), len(self._groups)
        moved = groups >= 0
        moved[:former] = (groups[:former] != self._groups) | (prices[:former] != self._prices)
        rows = np.flatnonzero(moved)
        if len(rows) * _SORT_SHARE > len(groups):
            kept, rows = self._rows[:0], np.flatnonzero(groups >= 0)
        else:
            kept, rows = self._rows[~moved[self._rows]], rows[groups[rows] >= 0]
        rows = rows[np.lexsort((ranks[rows], prices[rows], groups[rows]))]
        if not len(kept):
            return rows
        first, last = (np.searchsorted(groups[kept], groups[rows], side) for side in ("left", "right"))
        cheaper = bisect(prices[kept], first, last, prices[rows], right=False)
        dearer = bisect(prices[kept], first, last, prices[rows], right=True)
        return np.insert(kept, bisect(ranks[kept], cheaper, dearer, ranks[rows], right=False), rows)
