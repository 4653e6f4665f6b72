"""Rows for the statements of :mod:`graph.queries`, and the types their answers become. Pure.

The order of columns here and there is one contract, and so is the order of rows where it decides the order of locks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graph.commit import LedgerStanding
from graph.model import AssociationEdge, Family, Interest, ItemRow, Touch, category_ancestors, category_labels
from graph.store import CategoryView, LedgerCommit, LedgerEntry, StoredUser, UserView, UserWrite
from graph.views import by_family, latest_first, strongest_first

Row = Sequence[Any]


def owner_rows(owners: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a map per ledger to claim."""
    return [{"key": key, "owner": owner} for key, owner in sorted(owners.items())]


def move_rows(commit: LedgerCommit) -> list[dict[str, object]]:
    """Return a map per ledger to move."""
    return [
        {"key": move.key, "applied": move.applied, "sources": move.sources, "outbox": move.outbox}
        for move in sorted(commit.moves, key=lambda move: move.key)
    ]


def ledger_standings(rows: Iterable[Row]) -> dict[str, LedgerStanding]:
    """Read the answer of MOVE_LEDGERS."""
    return {key: (owner, applied) for key, owner, applied in rows}


def ledger_entries(rows: Iterable[Row]) -> dict[str, LedgerEntry]:
    """Read ledgers."""
    return {
        key: LedgerEntry(key, owner, applied, bytes(sources), bytes(outbox))
        for key, owner, applied, sources, outbox in rows
    }


def user_rows(users: Iterable[UserWrite]) -> list[Row]:
    """Return a list per user: everything but the edges."""
    return [
        (
            user.user_id,
            user.events,
            user.last_event_at,
            user.version,
            user.cross_sell,
            user.up_sell,
            user.state,
            user.unresolved,
        )
        for user in sorted(users, key=lambda user: user.user_id)
    ]


def edge_rows(users: Iterable[UserWrite]) -> list[Row]:
    """Return a list per user: its id, then a map from key to edge values for views, purchases and interests."""
    return [
        (
            user.user_id,
            {touch.item_id: (touch.count, touch.last_at) for touch in user.touches if not touch.purchased},
            {touch.item_id: (touch.count, touch.last_at) for touch in user.touches if touch.purchased},
            {i.category: (i.weight, i.updated_at, i.rank_key, i.score, i.views, i.purchases) for i in user.interests},
        )
        for user in sorted(users, key=lambda user: user.user_id)
    ]


def missing_targets(rows: Iterable[Row]) -> tuple[set[str], set[str]]:
    """Read the answer of DRAW_EDGES: (category paths, item ids) that do not exist."""
    categories: set[str] = set()
    items: set[str] = set()
    for missing_categories, missing_items in rows:
        categories.update(missing_categories)
        items.update(missing_items)
    return categories, items


def stored_users(rows: Iterable[Row]) -> dict[str, StoredUser]:
    """Read users to go on with."""
    return {user_id: StoredUser(user_id, version, bytes(state)) for user_id, version, state in rows}


def user_view(user_id: str, row: Row) -> UserView:
    """Read a user with its edges."""
    events, last_event_at, version, cross_sell, up_sell, interests, touches = row
    return UserView(
        user_id,
        events,
        last_event_at,
        version,
        cross_sell,
        up_sell,
        strongest_first(Interest(*interest) for interest in interests),
        latest_first(Touch(*touch) for touch in touches),
    )


def category_rows(paths: Iterable[str]) -> list[dict[str, object]]:
    """Return a map per category and ancestor, each once, ancestors first."""
    rows: dict[str, dict[str, object]] = {}
    for path in sorted(set(paths)):
        parent = None
        for ancestor in category_ancestors(path):
            labels = category_labels(ancestor)
            rows[ancestor] = {"path": ancestor, "name": labels[-1], "level": len(labels), "parent": parent}
            parent = ancestor
    return [rows[path] for path in sorted(rows)]


def derived_rows(categories: Mapping[str, bool]) -> list[dict[str, object]]:
    """Return a map per category that catalogue rows name."""
    return [{"path": path, "derived": derived} for path, derived in sorted(categories.items())]


def item_rows(rows: Iterable[ItemRow]) -> list[Row]:
    """Return a list per catalogue row. The second column is the caption: the title, or the id when there is none."""
    return [
        (
            row.item_id,
            row.title or row.item_id,
            row.title,
            row.category,
            row.derived,
            row.brand,
            row.price,
            row.currency,
            row.available,
            row.quality,
            row.micro_topic,
        )
        for row in sorted(rows, key=lambda row: row.item_id)
    ]


def catalogue_rows(rows: Iterable[Row]) -> dict[str, ItemRow]:
    """Read catalogue rows."""
    return {row[0]: ItemRow(*row) for row in rows}


def association_rows(edges: Iterable[AssociationEdge], family: Family) -> list[Row]:
    """Return a list per association of one family."""
    return [
        (edge.source, edge.target, edge.weight, edge.users, edge.confidence, edge.lift, edge.updated_at)
        for edge in sorted(edges, key=lambda edge: (edge.source, edge.target))
        if edge.family is family
    ]


def association_edges(rows: Iterable[Row]) -> list[AssociationEdge]:
    """Read associations, in the order of every view."""
    return by_family(AssociationEdge(Family(family), *rest) for family, *rest in rows)


def category_view(path: str, row: Row) -> CategoryView:
    """Read a category with the associations that leave and reach it."""
    derived, items, interested_users, outgoing, incoming = row
    return CategoryView(
        path, derived, items, interested_users, association_edges(outgoing), association_edges(incoming)
    )
