"""News of items for the users whose interest fits: a new item, a drop in price. See docs/signals.md."""

import math

from graph.model import ItemRow
from graph.settings import GraphSettings
from graph.store import GraphStore
from stream.bundles import ItemRecord
from stream.signals import Signal, item_signal

NEW = math.inf
"""Stands for the former price of an item that there was not."""


class ItemNews:
    """Compares rows with what was known of their items before, by this process since its claim or by the replica."""

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        """Forget: another worker may have written."""
        self._written: dict[str, ItemRow] = {}

    def former_price(self, record: ItemRecord, known: ItemRecord | None) -> float | None:
        """Return the price before a drop worth telling, NEW for a new item with a category, None for no news.

        ``known``: what the replica says of the item. Takes the record as written.
        """
        row, former = record.row, self._written.get(record.row.item_id, known.row if known else None)
        if former is None or row.category is not None:  # a category that is still to be derived anew changes nothing
            self._written[row.item_id] = row
        if not row.available or row.category is None:
            return None
        if record.since and (former is None or former.category is None):
            return NEW
        if former is None or former.price is None or row.price is None or former.currency != row.currency:
            return None
        return former.price if row.price <= former.price * (1.0 - self._settings.signals.min_price_drop) else None

    async def signals(self, store: GraphStore, row: ItemRow, at: int, former: float) -> list[Signal]:
        """Return the signals about an item to those most interested in its category at ``at`` (ms)."""
        settings = self._settings.signals
        half_life = self._settings.interest.half_life_seconds * 1000.0
        least = math.log2(settings.min_interest) + at / half_life
        users = await store.interested_users(row.category or "", least, settings.max_users)
        return [item_signal(user_id, row, at, None if former == NEW else former) for user_id in users]
