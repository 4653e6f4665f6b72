"""The graph in Neo4j: everything a worker learns is in it, together with how far it has read."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from neo4j import AsyncManagedTransaction

from graph import neo4j_rows, queries, schema
from graph.commit import (
    check_commit,
    check_edges,
    check_items,
    check_users,
    has_happened,
    judge_ledgers,
    named_categories,
)
from graph.failpoints import failpoint
from graph.model import AssociationEdge, Family, ItemRow
from graph.neo4j_plans import make_plans
from graph.neo4j_session import Neo4jSession, run
from graph.store import (
    CategoryView,
    LedgerCommit,
    LedgerEntry,
    MissingNodes,
    StoredUser,
    UserView,
    UserWrite,
)

_Write = Callable[[AsyncManagedTransaction], Awaitable[None]]


class Neo4jGraphStore:
    """A :class:`graph.store.GraphStore` on a Neo4j database (Community Edition is enough).

    ``transaction_timeout_seconds`` bounds every call, retries included; ``patience_seconds`` bounds :meth:`start`;
    ``ca_file`` holds the authorities to trust with a ``+s`` scheme, the system's when None.
    Several processes may write at once: ledgers keep them apart, and they draw edges one after another.
    """

    def __init__(
        self,
        uri: str,
        user: str,
        password: str,
        database: str = "neo4j",
        *,
        transaction_timeout_seconds: float = 30.0,
        patience_seconds: float = 300.0,
        ca_file: Path | None = None,
    ) -> None:
        self._session = Neo4jSession(uri, user, password, database, transaction_timeout_seconds, ca_file)
        self._patience_seconds = patience_seconds

    async def start(self) -> None:
        """See the protocol. Raises Refused when the server does not accept the settings."""
        await self._session.open(self._patience_seconds)

    async def close(self) -> None:
        """See the protocol."""
        await self._session.close()

    async def ping(self) -> None:
        """See the protocol."""
        await self._session.ping()

    async def ensure_schema(self, partitions: Mapping[str, int]) -> None:
        """See the protocol."""
        await schema.ensure_schema(self._session, partitions)
        await make_plans(self._session)

    # -- ledgers ------------------------------------------------------------------------------------------------------

    async def claim(self, owners: Mapping[str, str]) -> dict[str, LedgerEntry]:
        """See the protocol."""

        async def work(transaction: AsyncManagedTransaction) -> dict[str, LedgerEntry]:
            claimed = await run(transaction, queries.CLAIM_LEDGERS, owners=neo4j_rows.owner_rows(owners), nothing=b"")
            return neo4j_rows.ledger_entries(claimed)

        return await self._session.write(work)

    async def read_ledgers(self, keys: Sequence[str]) -> dict[str, LedgerEntry]:
        """See the protocol."""
        return neo4j_rows.ledger_entries(await self._session.read(queries.READ_LEDGERS, keys=sorted(keys)))

    async def _apply(self, commit: LedgerCommit, write: _Write) -> None:
        """Lock and judge the ledgers, move them, and write, all in one transaction."""
        moves = neo4j_rows.move_rows(commit)
        may_have_happened = False

        async def work(transaction: AsyncManagedTransaction) -> None:
            nonlocal may_have_happened
            standing = neo4j_rows.ledger_standings(await run(transaction, queries.MOVE_LEDGERS, moves=moves))
            if may_have_happened and has_happened(commit, standing):
                return
            judge_ledgers(commit, standing)
            failpoint("transaction_open")
            await write(transaction)
            failpoint("mid_transaction")
            may_have_happened = True  # what follows is COMMIT: whatever goes wrong now, we cannot know its outcome

        await self._session.write(work)

    # -- users --------------------------------------------------------------------------------------------------------

    async def load_users(self, user_ids: Sequence[str]) -> dict[str, StoredUser]:
        """See the protocol."""
        [[found]] = await self._session.read(queries.LOAD_USERS, userIds=list(user_ids))
        return neo4j_rows.stored_users(found)

    async def user_ids(self, after: str, limit: int) -> list[str]:
        """See the protocol."""
        return [row[0] for row in await self._session.read(queries.USER_IDS, after=after, limit=limit)]

    async def unresolved_users(self, ledger_key: str, after: str, limit: int) -> list[str]:
        """See the protocol."""
        found = await self._session.read(queries.UNRESOLVED_USERS, ledger=ledger_key, after=after, limit=limit)
        return [row[0] for row in found]

    async def interested_users(self, category: str, least: float, limit: int) -> list[str]:
        """See the protocol."""
        rows = await self._session.read(queries.INTERESTED_USERS, path=category, least=least, limit=limit)
        return [row[0] for row in rows]

    async def ensure_stubs(self, categories: Sequence[str], items: Sequence[str]) -> None:
        """See the protocol."""
        category_rows = neo4j_rows.category_rows(categories)

        async def work(transaction: AsyncManagedTransaction) -> None:
            await run(transaction, queries.TAKE_PEN)
            await run(transaction, queries.MERGE_CATEGORIES, categories=category_rows)
            await run(transaction, queries.MERGE_ITEM_STUBS, itemIds=sorted(items))

        await self._session.write(work)

    async def apply_users(self, commit: LedgerCommit, users: Sequence[UserWrite], erased: Sequence[str] = ()) -> None:
        """See the protocol."""
        check_commit(commit)
        check_users(users, erased)
        user_rows = neo4j_rows.user_rows(users)
        edge_rows = neo4j_rows.edge_rows(users)

        async def write(transaction: AsyncManagedTransaction) -> None:
            if not users and not erased:  # the ledgers alone: nothing to wait for
                return
            await run(transaction, queries.WRITE_USERS, users=user_rows)
            await run(transaction, queries.TAKE_PEN)
            if erased:
                await run(transaction, queries.ERASE_USERS, userIds=sorted(erased))
            categories, items = neo4j_rows.missing_targets(await run(transaction, queries.DRAW_EDGES, users=edge_rows))
            if categories or items:
                raise MissingNodes(list(categories), list(items))

        await self._apply(commit, write)

    # -- associations -------------------------------------------------------------------------------------------------

    async def load_associations(self, keys: Sequence[str]) -> dict[str, bytes]:
        """See the protocol."""
        [[found]] = await self._session.read(queries.LOAD_ASSOCIATIONS, keys=list(keys))
        return {key: bytes(state) for key, state in found}

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
        kept = sorted((key, state) for key, state in states.items() if state)
        emptied = sorted(key for key, state in states.items() if not state)
        viewed, bought = (
            neo4j_rows.association_rows(edges, family) for family in (Family.VIEWED_NEXT, Family.BOUGHT_NEXT)
        )
        no_longer_viewed, no_longer_bought = (
            neo4j_rows.association_rows(dropped, family) for family in (Family.VIEWED_NEXT, Family.BOUGHT_NEXT)
        )

        async def write(transaction: AsyncManagedTransaction) -> None:
            await run(transaction, queries.WRITE_ASSOCIATION_STATES, states=kept)
            await run(transaction, queries.DELETE_ASSOCIATION_STATES, keys=emptied)
            await run(transaction, queries.TAKE_PEN)
            await run(transaction, queries.DROP_VIEWED_NEXT, edges=no_longer_viewed)
            await run(transaction, queries.DROP_BOUGHT_NEXT, edges=no_longer_bought)
            missing = await run(transaction, queries.WRITE_VIEWED_NEXT, edges=viewed)
            missing += await run(transaction, queries.WRITE_BOUGHT_NEXT, edges=bought)
            if missing:
                raise MissingNodes(list({row[0] for row in missing}), [])

        await self._apply(commit, write)

    # -- catalogue ----------------------------------------------------------------------------------------------------

    async def load_items(self, item_ids: Sequence[str]) -> dict[str, ItemRow]:
        """See the protocol."""
        [[found]] = await self._session.read(queries.LOAD_ITEMS, itemIds=list(item_ids))
        return neo4j_rows.catalogue_rows(found)

    async def apply_items(self, commit: LedgerCommit, rows: Sequence[ItemRow], removed: Sequence[str]) -> None:
        """See the protocol."""
        check_commit(commit)
        check_items(rows, removed)
        derived = named_categories(rows)
        category_rows = neo4j_rows.category_rows(derived)
        derived_rows = neo4j_rows.derived_rows(derived)
        item_rows = neo4j_rows.item_rows(rows)

        async def write(transaction: AsyncManagedTransaction) -> None:
            await run(transaction, queries.TAKE_PEN)
            await run(transaction, queries.MERGE_CATEGORIES, categories=category_rows)
            await run(transaction, queries.MARK_CATEGORIES, categories=derived_rows)
            await run(transaction, queries.WRITE_ITEMS, rows=item_rows)
            await run(transaction, queries.REMOVE_ITEMS, itemIds=sorted(removed))

        await self._apply(commit, write)

    # -- views --------------------------------------------------------------------------------------------------------

    async def view_user(self, user_id: str) -> UserView | None:
        """See the protocol."""
        found = await self._session.read(queries.VIEW_USER, userId=user_id)
        return neo4j_rows.user_view(user_id, found[0]) if found else None

    async def category_paths(self, after: str, limit: int) -> list[str]:
        """See the protocol."""
        return [row[0] for row in await self._session.read(queries.CATEGORY_PATHS, after=after, limit=limit)]

    async def item_ids(self, after: str, limit: int) -> list[str]:
        """See the protocol."""
        return [row[0] for row in await self._session.read(queries.ITEM_IDS, after=after, limit=limit)]

    async def view_category(self, path: str) -> CategoryView | None:
        """See the protocol."""
        found = await self._session.read(queries.VIEW_CATEGORY, path=path)
        return neo4j_rows.category_view(path, found[0]) if found else None

    async def association_edges(self) -> list[AssociationEdge]:
        """See the protocol."""
        [[found]] = await self._session.read(queries.ASSOCIATION_EDGES)
        return neo4j_rows.association_edges(found)
