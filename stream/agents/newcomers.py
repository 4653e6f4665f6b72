"""Users whose lists have a place for an item that has just come: they are ranked again without an event of theirs."""

import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from graph.ranking.items import ItemIndex
from graph.ranking.newcomers import leading_categories
from graph.store import GraphStore
from stream.refresher import Refresher
from stream.users import UserCache

_LONGEST_WAIT_SECONDS = 2.0
_MOST_ASKED = 10
"""Categories whose interested users the store is asked for: so many that lead to the new items, so many of theirs."""


class Newcomers:
    """Finds the users whom new items fit, in rounds: for all that came since the last one, once the catalogue pauses.

    In memory only, and once: a round that is lost leaves it to each user's next event.
    """

    def __init__(self, refresher: Refresher, cache: UserCache, most: int) -> None:
        """``most``: users of the whole shop per round; with 0 there are no rounds."""
        self._refresher = refresher
        self._knowledge = refresher.knowledge
        self._cache = cache
        self._most = most
        self._round_at = -math.inf

    async def users(
        self,
        store: GraphStore,
        patiently: Callable[[Callable[[], Awaitable[Any]]], Any],
        ours: Callable[[str], bool],
        share: float,
    ) -> list[str]:
        """Return the users of a round, none unless one is due. ``share``: the part of the shop's users that is ours.

        First those whose last list holds something of a new item's category, where this process made it, the users
        seen last first: such a list is what keeps a place for the item. Then, strongest first, those with an interest
        in a category that leads there, and in the category itself.
        """
        categories = self._due()
        most = math.ceil(self._most * share)
        if not categories or not most:
            return []
        found = dict.fromkeys(islice(_listing(self._cache, _items_in(self._knowledge.items, categories)), most))
        asked = leading_categories(self._knowledge.associations, categories, _MOST_ASKED)
        asked += sorted(categories)[:_MOST_ASKED]
        for category in asked:
            if len(found) >= most:
                break
            interested = await patiently(partial(store.interested_users, category, -math.inf, self._most))
            found.update(dict.fromkeys(filter(ours, interested)))
        return list(found)[:most]

    def _due(self) -> set[str]:
        """Return the categories of the items that came, and forget these; empty while more are coming."""
        came = self._knowledge.newcomers
        if not self._most:
            came.clear()
        if not came:
            return set()
        now = time.monotonic()
        first, last = next(iter(came.values())), next(reversed(came.values()))
        if now - last < self._knowledge.quiet_seconds and now - first < _LONGEST_WAIT_SECONDS:
            return set()
        if now - self._round_at < self._knowledge.rest_seconds:
            return set()
        self._round_at = now
        new = came.keys() & set(self._refresher.newcomers())
        came.clear()
        category_of = self._knowledge.items.category_of
        return {category for item_id in new if (category := category_of(item_id)) is not None}


def _items_in(items: ItemIndex, categories: Collection[str]) -> set[str]:
    rows = np.flatnonzero(np.isin(items.category_codes, items.categories.get_all(categories)))
    return set(items.ids.names(rows.tolist()))


def _listing(cache: UserCache, wanted: set[str]) -> Iterator[str]:
    return (user.user_id for user in cache.latest() if not wanted.isdisjoint(user.cross_sell))
