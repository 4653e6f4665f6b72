"""Users who wait for the catalogue to give one of their items a category, per worker and owned partition."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from graph.advance import awaited_items
from graph.state import decode_state
from graph.store import GraphStore
from stream.knowledge import EVERY_ITEM, Knowledge

_LONGEST_WAIT_SECONDS = 2.0
_PAGE = 500
_MOST_PER_ROUND = 2000


class WaitingUsers:
    """Who waits for which item; hands out those whose wait is over, once the catalogue pauses for a moment.

    In memory only: the store marks waiting users, and :meth:`recheck` finds them again after a claim.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._by_item: defaultdict[str, set[str]] = defaultdict(set)
        self._items_of: dict[str, tuple[str, ...]] = {}
        self._partition_of: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self._due_since = 0.0
        self._to_check: list[tuple[str, str]] = []

    def clear(self) -> None:
        """Forget everybody."""
        self._by_item.clear()
        self._items_of.clear()
        self._partition_of.clear()
        self._due.clear()
        self._to_check.clear()

    def set(self, user_id: str, partition: int, items: Iterable[str]) -> None:
        """Replace what a user, just refreshed, waits for; a category that came meanwhile ends the wait at once."""
        self._due.pop(user_id, None)
        for item_id in self._items_of.pop(user_id, ()):
            waiting = self._by_item[item_id]
            waiting.discard(user_id)
            if not waiting:
                del self._by_item[item_id]
        self._partition_of.pop(user_id, None)
        wanted = tuple(items)
        if not wanted:
            return
        self._items_of[user_id] = wanted
        self._partition_of[user_id] = partition
        for item_id in wanted:
            self._by_item[item_id].add(user_id)
            if item_id != EVERY_ITEM and self._knowledge.items.category_of(item_id) is not None:
                self._mark_due(user_id)

    def recheck(self, ledger_keys: Iterable[str]) -> None:
        """Look through the store's waiting users of these partitions, page by page, on the next rounds."""
        self._to_check = [(key, "") for key in ledger_keys]

    async def look_again(self, store: GraphStore, patiently: Callable[[Callable[[], Awaitable[Any]]], Any]) -> None:
        """Read one page of what :meth:`recheck` asked for."""
        if not self._to_check:
            return
        key, after = self._to_check.pop()
        page: list[str] = await patiently(lambda: store.unresolved_users(key, after, _PAGE))
        if not page:
            return
        if len(page) == _PAGE:
            self._to_check.append((key, page[-1]))
        partition = int(key.rpartition("/")[2])
        for user_id, stored in (await patiently(lambda: store.load_users(page))).items():
            if user_id not in self._items_of:
                missing = awaited_items(decode_state(stored.state), self._knowledge.items.category_of)
                self.set(user_id, partition, missing or [EVERY_ITEM])
                if not missing:
                    self._mark_due(user_id)

    def resolved(self) -> dict[int, list[str]]:
        """Return partition -> users whose wait is over, and forget them; empty while the catalogue is still busy."""
        arrived = self._knowledge.arrived
        if arrived:
            for item_id in arrived:
                for user_id in self._by_item.get(item_id, ()):
                    self._mark_due(user_id)
            arrived.clear()
            for user_id in self._by_item.get(EVERY_ITEM, ()):
                self._mark_due(user_id)
        if not self._due:
            return {}
        now = time.monotonic()
        busy = now - self._knowledge.last_arrival < self._knowledge.quiet_seconds
        if busy and now - self._due_since < _LONGEST_WAIT_SECONDS:
            return {}
        ready: defaultdict[int, list[str]] = defaultdict(list)
        for user_id in list(self._due)[:_MOST_PER_ROUND]:
            ready[self._due.pop(user_id)].append(user_id)
        self._due_since = now
        return dict(ready)

    def _mark_due(self, user_id: str) -> None:
        if not self._due:
            self._due_since = time.monotonic()
        self._due[user_id] = self._partition_of[user_id]
