"""A whole graph as a value, so that two stores, or a graph and its replay, can be compared.

Decayed weights are compared at one common time: two runs may have last touched the same sum at different moments.
Versions and embeddings' scores are left out; lists depend on what other partitions had published and are compared only
on request.
"""

import math
from collections.abc import Awaitable, Callable, Iterator, Set

import msgspec

from graph.decay import decay_factor
from graph.model import AssociationEdge, Interest, ItemRow
from graph.settings import GraphSettings
from graph.store import CategoryView, GraphStore, UserView

_PAGE = 500
_RELATIVE_TOLERANCE = 1e-9


class GraphSnapshot(msgspec.Struct, frozen=True):
    """Everything an analyst can see. ``items`` maps ids to catalogue rows, None for a stub."""

    users: dict[str, UserView]
    categories: dict[str, CategoryView]
    items: dict[str, ItemRow | None]


async def snapshot(store: GraphStore) -> GraphSnapshot:
    """Read a whole graph. Not one transaction: nobody may write meanwhile."""
    users = {}
    for user_id in await _all(store.user_ids):
        user = await store.view_user(user_id)
        if user is not None:
            users[user_id] = user
    categories = {}
    for path in await _all(store.category_paths):
        category = await store.view_category(path)
        if category is not None:
            categories[path] = category
    item_ids = await _all(store.item_ids)
    rows: dict[str, ItemRow] = {}
    for at in range(0, len(item_ids), _PAGE):
        rows.update(await store.load_items(item_ids[at : at + _PAGE]))
    return GraphSnapshot(users, categories, {item_id: rows.get(item_id) for item_id in item_ids})


def differences(
    left: GraphSnapshot, right: GraphSnapshot, settings: GraphSettings, *, lists: bool = False
) -> Iterator[str]:
    """Yield one line per difference between two graphs; nothing when they are the same.

    ``lists`` compares the published lists too. Weights agree within 1e-9, relatively.
    """
    yield from _keys("user", left.users.keys(), right.users.keys())
    for user_id in sorted(left.users.keys() & right.users.keys()):
        yield from _users(left.users[user_id], right.users[user_id], settings, lists)
    yield from _keys("category", left.categories.keys(), right.categories.keys())
    for path in sorted(left.categories.keys() & right.categories.keys()):
        yield from _categories(left.categories[path], right.categories[path], settings)
    yield from _keys("item", left.items.keys(), right.items.keys())
    for item_id in sorted(left.items.keys() & right.items.keys()):
        yield from _value(f"item {item_id}", left.items[item_id], right.items[item_id])


async def _all(page: Callable[[str, int], Awaitable[list[str]]]) -> list[str]:
    keys: list[str] = []
    while batch := await page(keys[-1] if keys else "", _PAGE):
        keys += batch
    return keys


def _users(left: UserView, right: UserView, settings: GraphSettings, lists: bool) -> Iterator[str]:
    name = f"user {left.user_id}"
    yield from _value(f"{name}: events", left.events, right.events)
    yield from _value(f"{name}: last event", left.last_event_at, right.last_event_at)
    yield from _value(f"{name}: touches", left.touches, right.touches)
    if lists:
        yield from _value(f"{name}: cross-sell", left.cross_sell, right.cross_sell)
        yield from _value(f"{name}: up-sell", left.up_sell, right.up_sell)
    mine, theirs = ({interest.category: interest for interest in view.interests} for view in (left, right))
    yield from _keys(f"{name}: interest", mine.keys(), theirs.keys())
    for category in sorted(mine.keys() & theirs.keys()):
        one, other = mine[category], theirs[category]
        what = f"{name}: interest {category}"
        yield from _value(f"{what}: counts", (one.views, one.purchases), (other.views, other.purchases))
        yield from _weights(what, one, other, settings.interest.half_life_seconds)


def _categories(left: CategoryView, right: CategoryView, settings: GraphSettings) -> Iterator[str]:
    name = f"category {left.path}"
    yield from _value(f"{name}: derived", left.derived, right.derived)
    yield from _value(f"{name}: items", left.items, right.items)
    yield from _value(f"{name}: interested users", left.interested_users, right.interested_users)
    # Incoming associations are the outgoing ones of their source.
    mine, theirs = ({(edge.family, edge.target): edge for edge in view.outgoing} for view in (left, right))
    yield from _keys(f"{name}: association", mine.keys(), theirs.keys())
    for key in sorted(mine.keys() & theirs.keys()):
        one, other = mine[key], theirs[key]
        what = f"{name}: association {key}"
        yield from _value(f"{what}: users", one.users, other.users)
        yield from _close(f"{what}: confidence", one.confidence, other.confidence)
        yield from _close(f"{what}: lift", one.lift, other.lift)
        yield from _weights(what, one, other, settings.association.half_life_seconds)


def _weights(
    what: str, left: Interest | AssociationEdge, right: Interest | AssociationEdge, half_life_seconds: float
) -> Iterator[str]:
    at = max(left.updated_at, right.updated_at)
    yield from _close(
        f"{what}: weight at {at}",
        *(edge.weight * decay_factor(at - edge.updated_at, half_life_seconds) for edge in (left, right)),
    )


def _keys(what: str, left: Set[object], right: Set[object]) -> Iterator[str]:
    for key in sorted(left ^ right, key=str):
        yield f"{what} {key}: only in the {'left' if key in left else 'right'} graph"


def _value(what: str, left: object, right: object) -> Iterator[str]:
    if left != right:
        yield f"{what}: {left} and {right}"


def _close(what: str, left: float, right: float) -> Iterator[str]:
    if not math.isclose(left, right, rel_tol=_RELATIVE_TOLERANCE):
        yield f"{what}: {left} and {right}"
