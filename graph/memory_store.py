"""The graph in this process's memory: the executable specification of a store, and the demo's.

Nothing here awaits, so every method is one step to the event loop: what it checks first still holds when it writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

import msgspec

from graph.commit import (
    LedgerStanding,
    check_commit,
    check_edges,
    check_items,
    check_partitions,
    check_users,
    judge_ledgers,
    named_categories,
)
from graph.model import AssociationEdge, Family, ItemRow, category_ancestors
from graph.store import (
    CategoryView,
    LedgerCommit,
    LedgerEntry,
    MissingNodes,
    StoredUser,
    UserView,
    UserWrite,
)
from graph.views import by_family, latest_first, strongest_first


class MemoryGraphStore:
    """A :class:`graph.store.GraphStore` that keeps nothing after the process; never Unavailable."""

    def __init__(self) -> None:
        self._partitions: dict[str, int] = {}
        self._ledgers: dict[str, LedgerEntry] = {}
        self._users: dict[str, UserWrite] = {}
        self._categories: dict[str, bool | None] = {}  # derived; None while no catalogue row has named the category
        self._items: dict[str, ItemRow | None] = {}  # None: a stub
        self._association_states: dict[str, bytes] = {}
        self._associations: dict[tuple[Family, str, str], AssociationEdge] = {}
        # Degrees, so that views and removals need not look at everybody.
        self._interested: Counter[str] = Counter()
        self._touched: Counter[str] = Counter()
        self._filed: Counter[str] = Counter()

    async def start(self) -> None:
        """Do nothing: there is no server."""

    async def close(self) -> None:
        """Do nothing: the graph lives as long as this object."""

    async def ping(self) -> None:
        """Do nothing: memory always answers."""

    async def ensure_schema(self, partitions: Mapping[str, int]) -> None:
        """Record the partition counts. Raises Refused when one differs."""
        check_partitions(self._partitions, partitions)
        self._partitions.update(partitions)

    # -- ledgers ------------------------------------------------------------------------------------------------------

    async def claim(self, owners: Mapping[str, str]) -> dict[str, LedgerEntry]:
        """See the protocol."""
        for key, owner in owners.items():
            entry = self._ledgers.get(key, LedgerEntry(key, owner))
            self._ledgers[key] = msgspec.structs.replace(entry, owner=owner)
        return await self.read_ledgers(list(owners))

    async def read_ledgers(self, keys: Sequence[str]) -> dict[str, LedgerEntry]:
        """See the protocol."""
        return {key: self._ledgers[key] for key in sorted(keys) if key in self._ledgers}

    def _judge(self, commit: LedgerCommit) -> None:
        standing: dict[str, LedgerStanding] = {
            move.key: (entry.owner, entry.applied)
            for move in commit.moves
            if (entry := self._ledgers.get(move.key)) is not None
        }
        judge_ledgers(commit, standing)

    def _move_ledgers(self, commit: LedgerCommit) -> None:
        for move in commit.moves:
            owner = commit.owners[move.key]
            self._ledgers[move.key] = LedgerEntry(move.key, owner, move.applied, move.sources, move.outbox)

    # -- users --------------------------------------------------------------------------------------------------------

    async def load_users(self, user_ids: Sequence[str]) -> dict[str, StoredUser]:
        """See the protocol."""
        found = (self._users[user_id] for user_id in user_ids if user_id in self._users)
        return {user.user_id: StoredUser(user.user_id, user.version, user.state) for user in found}

    async def user_ids(self, after: str, limit: int) -> list[str]:
        """See the protocol."""
        return _page(self._users, after, limit)

    async def unresolved_users(self, ledger_key: str, after: str, limit: int) -> list[str]:
        """See the protocol."""
        waiting = (user.user_id for user in self._users.values() if user.unresolved == ledger_key)
        return _page(waiting, after, limit)

    async def interested_users(self, category: str, least: float, limit: int) -> list[str]:
        """See the protocol."""
        found = [
            (-interest.rank_key, user.user_id)
            for user in self._users.values()
            for interest in user.interests
            if interest.category == category and interest.rank_key >= least
        ]
        return [user_id for _, user_id in nsmallest(limit, found)]

    async def ensure_stubs(self, categories: Sequence[str], items: Sequence[str]) -> None:
        """See the protocol."""
        for path in categories:
            for ancestor in category_ancestors(path):
                self._categories.setdefault(ancestor, None)
        for item_id in items:
            self._items.setdefault(item_id, None)

    async def apply_users(self, commit: LedgerCommit, users: Sequence[UserWrite], erased: Sequence[str] = ()) -> None:
        """See the protocol."""
        check_commit(commit)
        check_users(users, erased)
        self._judge(commit)
        self._refuse_missing(
            (interest.category for user in users for interest in user.interests),
            (touch.item_id for user in users for touch in user.touches),
        )
        for user in users:
            self._count_edges(self._users.get(user.user_id), -1)
            self._users[user.user_id] = _own_copy(user)
            self._count_edges(user, 1)
        for user_id in erased:
            self._count_edges(self._users.pop(user_id, None), -1)
        self._move_ledgers(commit)

    def _count_edges(self, user: UserWrite | None, change: int) -> None:
        if user is not None:
            for interest in user.interests:
                self._interested[interest.category] += change
            for touch in user.touches:
                self._touched[touch.item_id] += change

    def _refuse_missing(self, categories: Iterable[str], items: Iterable[str] = ()) -> None:
        missing_categories = set(categories) - self._categories.keys()
        missing_items = set(items) - self._items.keys()
        if missing_categories or missing_items:
            raise MissingNodes(list(missing_categories), list(missing_items))

    # -- associations -------------------------------------------------------------------------------------------------

    async def load_associations(self, keys: Sequence[str]) -> dict[str, bytes]:
        """See the protocol."""
        return {key: self._association_states[key] for key in keys if key in self._association_states}

    async def apply_associations(
        self,
        commit: LedgerCommit,
        states: Mapping[str, bytes],
        edges: Sequence[AssociationEdge],
        dropped: Sequence[AssociationEdge],
    ) -> None:
        """See the protocol."""
        check_commit(commit)
        check_edges(edges)
        self._judge(commit)
        self._refuse_missing(path for edge in edges for path in (edge.source, edge.target))
        for edge in dropped:
            self._associations.pop((edge.family, edge.source, edge.target), None)
        for edge in edges:
            self._associations[edge.family, edge.source, edge.target] = edge
        for key, state in states.items():
            if state:
                self._association_states[key] = state
            else:
                self._association_states.pop(key, None)
        self._move_ledgers(commit)

    # -- catalogue ----------------------------------------------------------------------------------------------------

    async def load_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]:
        """See the protocol."""
        return {item_id: row for item_id in item_ids if (row := self._items.get(item_id)) is not None}

    async def apply_items(self, commit: LedgerCommit, rows: Sequence[ItemRow], removed: Sequence[str]) -> None:
        """See the protocol."""
        check_commit(commit)
        check_items(rows, removed)
        self._judge(commit)
        for path, derived in named_categories(rows).items():
            known = self._categories.get(path)
            self._categories[path] = derived if known is None else known and derived
        for row in rows:
            self._file(row.item_id, row)
        for item_id in removed:
            if item_id in self._items:
                self._file(item_id, None)
                if not self._touched[item_id]:
                    del self._items[item_id]
        self._move_ledgers(commit)

    def _file(self, item_id: str, row: ItemRow | None) -> None:
        former = self._items.get(item_id)
        if former is not None and former.category is not None:
            self._filed[former.category] -= 1
        if row is not None and row.category is not None:
            self._filed[row.category] += 1
        elif row is not None and row.derived:
            row = msgspec.structs.replace(row, derived=False)
        self._items[item_id] = row

    # -- views --------------------------------------------------------------------------------------------------------

    async def view_user(self, user_id: str) -> UserView | None:
        """See the protocol."""
        user = self._users.get(user_id)
        if user is None:
            return None
        return UserView(
            user.user_id,
            user.events,
            user.last_event_at,
            user.version,
            list(user.cross_sell),
            list(user.up_sell),
            strongest_first(user.interests),
            latest_first(user.touches),
        )

    async def category_paths(self, after: str, limit: int) -> list[str]:
        """See the protocol."""
        return _page(self._categories, after, limit)

    async def item_ids(self, after: str, limit: int) -> list[str]:
        """See the protocol."""
        return _page(self._items, after, limit)

    async def view_category(self, path: str) -> CategoryView | None:
        """See the protocol."""
        if path not in self._categories:
            return None
        return CategoryView(
            path,
            self._categories[path] is True,
            self._filed[path],
            self._interested[path],
            by_family(edge for edge in self._associations.values() if edge.source == path),
            by_family(edge for edge in self._associations.values() if edge.target == path),
        )

    async def association_edges(self) -> list[AssociationEdge]:
        """See the protocol."""
        return by_family(self._associations.values())


def _page(keys: Iterable[str], after: str, limit: int) -> list[str]:
    return nsmallest(limit, (key for key in keys if key > after))


def _own_copy(user: UserWrite) -> UserWrite:
    """Copy what the caller could still change behind our back."""
    return msgspec.structs.replace(
        user,
        cross_sell=tuple(user.cross_sell),
        up_sell=tuple(user.up_sell),
        interests=tuple(user.interests),
        touches=tuple(user.touches),
    )
