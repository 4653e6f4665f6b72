"""The one protocol behind which a graph is kept, and the errors it speaks.

StoreError
├── Unavailable        the server is away or too slow: wait and try again, never a dead letter
├── Fenced             another worker has claimed the partition: stop, drop the caches, restart
├── StaleLedger        the ledger moved since the batch was computed: drop the caches, reload, compute again
├── MissingNodes       an edge points to a node that is not there: forget which stubs exist, create them, write again
└── Refused            the graph cannot be used as it is (partition counts differ, newer format): an operator acts

Exactly-once effect rests on one rule: **the transaction that writes the data carries the offset.** Every ``apply_*``
takes the :class:`LedgerCommit`, and either all of it happens or nothing does.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from graph.model import AssociationEdge, Interest, ItemRow, Touch


class StoreError(Exception):
    """Whatever a store can fail with."""


class Unavailable(StoreError):
    """The server cannot be reached, or did not answer in time. Wait, then try again."""


class Fenced(StoreError):
    """Another worker owns the partition. This process must not go on with it."""


class StaleLedger(StoreError):
    """``applied`` in the store is not what the batch was computed from."""


class MissingNodes(StoreError):
    """Edges point to nodes that do not exist: ``categories`` (paths) and ``items`` (ids), each sorted.

    It can happen to whoever remembers that a stub exists: the catalogue deletes removed items no user points to.
    """

    def __init__(self, categories: Sequence[str], items: Sequence[str]) -> None:
        super().__init__(f"edges point to {len(categories)} categories and {len(items)} items that do not exist")
        self.categories = sorted(categories)
        self.items = sorted(items)


class Refused(StoreError):
    """The graph cannot be used as it is; the message says what an operator does."""


class LedgerEntry(msgspec.Struct, frozen=True):
    """One ``(:StreamOffset)``: how far a partition has been applied, and by whom.

    ``applied`` is the offset of the next record to apply, -1 before the first. ``sources`` holds the last cause
    applied per source partition, ``outbox`` what the last transaction still had to publish; both are opaque bytes.
    """

    key: str
    owner: str
    applied: int = -1
    sources: bytes = b""
    outbox: bytes = b""


class LedgerMove(msgspec.Struct, frozen=True):
    """A ledger's move from ``expected`` to ``applied``, with the new ``sources`` and ``outbox``."""

    key: str
    expected: int
    applied: int
    sources: bytes
    outbox: bytes


class LedgerCommit(msgspec.Struct, frozen=True):
    """Whose transaction it is, and which ledgers it moves. Owner tokens are per claim: ``owners[key]``."""

    owners: Mapping[str, str]
    moves: Sequence[LedgerMove]


class UserWrite(msgspec.Struct, frozen=True):
    """Everything that is written of one user: absolute values, so that writing twice changes nothing.

    ``interests`` and ``touches`` are *all* edges the user has from now on; others are deleted.
    ``unresolved`` is the ledger key of the owner while the user waits for a catalogue row, else None.
    """

    user_id: str
    events: int
    last_event_at: int
    version: int
    cross_sell: Sequence[str]
    up_sell: Sequence[str]
    state: bytes
    interests: Sequence[Interest]
    touches: Sequence[Touch]
    unresolved: str | None = None


class StoredUser(msgspec.Struct, frozen=True):
    """What is read back to go on with a user."""

    user_id: str
    version: int
    state: bytes


class UserView(msgspec.Struct, frozen=True):
    """A user as an analyst sees it."""

    user_id: str
    events: int
    last_event_at: int
    version: int
    cross_sell: list[str]
    up_sell: list[str]
    interests: list[Interest]
    touches: list[Touch]


class CategoryView(msgspec.Struct, frozen=True):
    """A category as an analyst sees it, with the associations that leave and reach it."""

    path: str
    derived: bool
    items: int
    interested_users: int
    outgoing: list[AssociationEdge]
    incoming: list[AssociationEdge]


class GraphStore(Protocol):
    """Where users, items, categories, associations and ledgers live.

    Implementations: :class:`graph.memory_store.MemoryGraphStore` (the executable specification) and
    :class:`graph.neo4j_store.Neo4jGraphStore`. One contract suite runs against both. All methods belong to the event
    loop that called :meth:`start`. Text is ordered by code points everywhere. A call that contradicts itself (a user
    twice in one batch, say) raises StoreError before anything is written. A cancelled ``apply_*`` has happened
    entirely or not at all.
    """

    async def start(self) -> None:
        """Connect and wait for the server. Raises Unavailable after the configured patience."""

    async def close(self) -> None:
        """Release every connection."""

    async def ping(self) -> None:
        """Raise Unavailable when the server does not answer now."""

    async def ensure_schema(self, partitions: Mapping[str, int]) -> None:
        """Create constraints and indexes (may run twice), record the internal topics' partition counts.

        Raises Refused when a recorded count differs (keys would move to other owners) or a newer version of this
        program has written the schema.
        """

    async def claim(self, owners: Mapping[str, str]) -> dict[str, LedgerEntry]:
        """Write a new owner token on each ledger (key -> token), creating missing ones; return them as they stand."""

    async def read_ledgers(self, keys: Sequence[str]) -> dict[str, LedgerEntry]:
        """Return the ledgers that exist among ``keys``; locks nothing."""

    async def load_users(self, user_ids: Sequence[str]) -> dict[str, StoredUser]:
        """Return the users that exist among ``user_ids``."""

    async def user_ids(self, after: str, limit: int) -> list[str]:
        """Page through all user ids in order: those greater than ``after``, at most ``limit``."""

    async def unresolved_users(self, ledger_key: str, after: str, limit: int) -> list[str]:
        """Page through the users of a partition that wait for a catalogue row."""

    async def interested_users(self, category: str, least: float, limit: int) -> list[str]:
        """Return the users with an interest in a category whose rank key is at least ``least``.

        Strongest first (rank key, then user id), at most ``limit``.
        """

    async def ensure_stubs(self, categories: Sequence[str], items: Sequence[str]) -> None:
        """Create missing category and item nodes, in a transaction of their own (ancestors included).

        A stub says nothing about whether its category is derived: the first catalogue row does.
        """

    async def apply_users(self, commit: LedgerCommit, users: Sequence[UserWrite], erased: Sequence[str] = ()) -> None:
        """Write users, their edges and the ledgers in one transaction. Nodes they point to must exist.

        ``erased`` users lose their node, state and edges; they need not exist.
        Raises Fenced, StaleLedger, MissingNodes, Unavailable. A lost connection during COMMIT is resolved inside by
        reading the ledger under its write lock; if the server stays away longer than that takes, Unavailable leaves
        the outcome open, and a repeated call raises StaleLedger when the first one had happened.
        """

    async def load_associations(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the association states that exist among ``keys`` (opaque bytes)."""

    async def apply_associations(
        self,
        commit: LedgerCommit,
        states: Mapping[str, bytes],
        edges: Sequence[AssociationEdge],
        dropped: Sequence[AssociationEdge],
    ) -> None:
        """Write association states (by key), upsert ``edges``, delete ``dropped`` and move the ledgers.

        An empty state deletes its node. Dropped edges need not exist, and an edge both dropped and given stays.
        Category nodes must exist. Raises like :meth:`apply_users`.
        """

    async def load_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]:
        """Return the catalogue rows that exist among ``item_ids`` (stubs are not rows)."""

    async def apply_items(self, commit: LedgerCommit, rows: Sequence[ItemRow], removed: Sequence[str]) -> None:
        """Write catalogue rows and their categories (path, name, level, derived, CHILD_OF, IN_CATEGORY).

        An item has one category; the former edge is deleted. ``removed`` items lose their row and their edge to the
        category, and their node when no user points to it. A category is derived, with its ancestors, as long as
        every row that ever named it or something below it was; ``derived`` without a category is ignored.
        Raises like :meth:`apply_users`.
        """

    async def view_user(self, user_id: str) -> UserView | None:
        """Return a user with all edges, or None.

        Interests come strongest first (rank key, then path), touches latest first (then item, views before purchases).
        """

    async def category_paths(self, after: str, limit: int) -> list[str]:
        """Page through all category paths in order: those greater than ``after``, at most ``limit``."""

    async def item_ids(self, after: str, limit: int) -> list[str]:
        """Page through all item ids in order, stubs included: those greater than ``after``, at most ``limit``."""

    async def view_category(self, path: str) -> CategoryView | None:
        """Return a category with its association edges (ordered as in :meth:`association_edges`), or None."""

    async def association_edges(self) -> list[AssociationEdge]:
        """Return every association edge of the graph, ordered by family, source, target."""
