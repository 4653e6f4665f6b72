"""The catalogue as arrays: one row number per item, for ever."""

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from graph.model import ItemRow
from graph.ranking.codes import ABSENT, Codes
from graph.ranking.words import ItemWords, words_of

Scalar = TypeVar("Scalar", bound=np.generic)


def grown(array: NDArray[Scalar], length: int, fill: Any) -> NDArray[Scalar]:
    """Return the array with room for ``length`` elements: itself, or a copy of at least twice its size."""
    if length <= len(array):
        return array
    larger = np.full(max(length, 2 * len(array)), fill, dtype=array.dtype)
    larger[: len(array)] = array
    return larger


class ItemIndex:
    """Every item the catalogue ever named. Rows are append-only; what was removed is blank and unlisted.

    The array properties are views of (len,) in row order, valid until the next :meth:`upsert`.
    """

    def __init__(self) -> None:
        self.ids = Codes()
        self.categories = Codes()
        self.currencies = Codes()
        self.brands = Codes()
        self.micro_topics = Codes()
        self.words = ItemWords()
        self.version = 0
        self._known = np.zeros(64, dtype=np.bool_)
        self._listed = np.zeros(64, dtype=np.bool_)
        self._categories = np.full(64, ABSENT, dtype=np.int32)
        self._currencies = np.full(64, ABSENT, dtype=np.int32)
        self._brands = np.full(64, ABSENT, dtype=np.int32)
        self._micro_topics = np.full(64, ABSENT, dtype=np.int32)
        self._prices = np.full(64, np.nan, dtype=np.float64)
        self._quality = np.full(64, np.nan, dtype=np.float64)
        self._since = np.zeros(64, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def upsert(self, row: ItemRow, since: int = 0) -> int:
        """Take a catalogue row; return the item's row number. ``since``: see the property."""
        number = self.ids.add(row.item_id)
        self._make_room(number + 1)
        self._known[number] = True
        self._listed[number] = row.available
        self._categories[number] = ABSENT if row.category is None else self.categories.add(row.category)
        self._currencies[number] = ABSENT if row.currency is None else self.currencies.add(row.currency)
        self._brands[number] = self.brands.add(row.brand) if row.brand else ABSENT
        self._micro_topics[number] = self.micro_topics.add(row.micro_topic) if row.micro_topic else ABSENT
        self._prices[number] = math.nan if row.price is None else row.price
        self._quality[number] = math.nan if row.quality is None else row.quality
        self._since[number] = since
        self.words.put(number, words_of(row))
        self.version += 1
        return number

    def remove(self, item_id: str) -> None:
        """Forget what the catalogue said of an item; its number stays its own."""
        number = self.ids.get(item_id)
        if number == ABSENT:
            return
        self._known[number] = self._listed[number] = False
        self._categories[number] = self._currencies[number] = self._brands[number] = ABSENT
        self._micro_topics[number] = ABSENT
        self._prices[number] = self._quality[number] = math.nan
        self.words.put(number, [])
        self.version += 1

    def row(self, item_id: str) -> int | None:
        """Return an item's row number, None if the catalogue never named it."""
        number = self.ids.get(item_id)
        return None if number == ABSENT else number

    def item_id(self, row: int) -> str:
        """Return the item of a row number."""
        return self.ids[row]

    def known(self, item_id: str) -> bool:
        """Say whether the item has a catalogue row now."""
        number = self.ids.get(item_id)
        return number != ABSENT and bool(self._known[number])

    def category_of(self, item_id: str) -> str | None:
        """Return the catalogue's current category of an item, None while it has not named one."""
        number = self.ids.get(item_id)
        code = ABSENT if number == ABSENT else int(self._categories[number])
        return None if code == ABSENT else self.categories[code]

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Available and not removed."""
        return self._listed[: len(self)]

    @property
    def category_codes(self) -> NDArray[np.int32]:
        """Codes in ``categories``, -1 for none."""
        return self._categories[: len(self)]

    @property
    def currency_codes(self) -> NDArray[np.int32]:
        """Codes in ``currencies``, -1 for none."""
        return self._currencies[: len(self)]

    @property
    def brand_codes(self) -> NDArray[np.int32]:
        """Codes in ``brands``, -1 for none."""
        return self._brands[: len(self)]

    @property
    def micro_topic_codes(self) -> NDArray[np.int32]:
        """Codes in ``micro_topics``, -1 for none."""
        return self._micro_topics[: len(self)]

    @property
    def prices(self) -> NDArray[np.float64]:
        """Per unit, in the item's currency; NaN for none."""
        return self._prices[: len(self)]

    @property
    def quality(self) -> NDArray[np.float64]:
        """0 to 1; NaN for unknown."""
        return self._quality[: len(self)]

    @property
    def since(self) -> NDArray[np.int64]:
        """When the item came to a shop that already ran, in ms; 0 for those that were there before."""
        return self._since[: len(self)]

    def _make_room(self, length: int) -> None:
        self._known = grown(self._known, length, False)
        self._listed = grown(self._listed, length, False)
        self._categories = grown(self._categories, length, ABSENT)
        self._currencies = grown(self._currencies, length, ABSENT)
        self._prices = grown(self._prices, length, math.nan)
        self._quality = grown(self._quality, length, math.nan)
        self._since = grown(self._since, length, 0)
        self._brands = grown(self._brands, length, ABSENT)
        self._micro_topics = grown(self._micro_topics, length, ABSENT)
