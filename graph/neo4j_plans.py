"""Plans of the hot statements, made before anybody waits for them.

A database that has just started plans, and compiles, each statement at its first use: seconds on a busy machine, inside
a transaction that holds locks. So a worker sends every hot statement once, with nothing to do, before it claims.
"""

from typing import LiteralString

from neo4j import AsyncManagedTransaction

from graph import queries
from graph.neo4j_session import Neo4jSession, run

HOT: tuple[tuple[LiteralString, tuple[str, ...]], ...] = (
    (queries.TAKE_PEN, ()),
    (queries.READ_LEDGERS, ("keys",)),
    (queries.MOVE_LEDGERS, ("moves",)),
    (queries.LOAD_USERS, ("userIds",)),
    (queries.WRITE_USERS, ("users",)),
    (queries.DRAW_EDGES, ("users",)),
    (queries.MERGE_CATEGORIES, ("categories",)),
    (queries.MERGE_ITEM_STUBS, ("itemIds",)),
    (queries.MARK_CATEGORIES, ("categories",)),
    (queries.WRITE_ITEMS, ("rows",)),
    (queries.REMOVE_ITEMS, ("itemIds",)),
    (queries.LOAD_ASSOCIATIONS, ("keys",)),
    (queries.WRITE_ASSOCIATION_STATES, ("states",)),
    (queries.DELETE_ASSOCIATION_STATES, ("keys",)),
    (queries.DROP_VIEWED_NEXT, ("edges",)),
    (queries.DROP_BOUGHT_NEXT, ("edges",)),
    (queries.WRITE_VIEWED_NEXT, ("edges",)),
    (queries.WRITE_BOUGHT_NEXT, ("edges",)),
)
"""Statements with the parameters that are lists of rows: empty, they touch nothing."""


async def make_plans(session: Neo4jSession) -> None:
    """Have every hot statement planned. Changes nothing. Raises Unavailable."""
    for query, lists in HOT:
        await session.write(_Once(query, {name: [] for name in lists}))


class _Once:
    """One statement as a transaction's work."""

    def __init__(self, query: LiteralString, parameters: dict[str, list[object]]) -> None:
        self._query = query
        self._parameters = parameters

    async def __call__(self, transaction: AsyncManagedTransaction) -> None:
        await run(transaction, self._query, **self._parameters)
