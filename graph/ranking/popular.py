"""What is popular in the shop and in each category: for whoever we know nothing of yet."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graph.model import category_ancestors
from graph.ranking.associations import AssociationIndex
from graph.ranking.codes import Codes, IntArray
from graph.ranking.item_weights import ItemWeights
from graph.ranking.items import ItemIndex
from graph.ranking.ragged import FloatArray, group_starts, place_in_group
from graph.ranking.shelves import fill_shelves, weigh_items


@dataclass(frozen=True, slots=True)
class PopularItem:
    """One listed item. ``popularity``: ln(1 + weight) over that of the shop's most popular item, in [0, 1]."""

    item_id: str
    category: str | None
    popularity: float


@dataclass(frozen=True, slots=True)
class PopularShelf:
    """What one context lists, not yet named: (k,) rows of the item index, codes of their categories, popularity."""

    rows: IntArray
    categories: IntArray
    popularity: FloatArray


WHOLE_SHOP = None
"""The context of whoever stands in no category."""


def popularities(items: ItemIndex, associations: AssociationIndex) -> Mapping[str, float]:
    """Return the popularity of every listed item, as in :class:`PopularItem`."""
    weighed = weigh_items(items, ItemWeights(items, associations).current())
    shelves = fill_shelves(items, weighed, 1, 1, 1)
    rows = np.concatenate([shelves.everything, shelves.uncategorised])
    return dict(zip(items.ids.names(rows.tolist()), shelves.popularity[rows].tolist(), strict=True))


def popular_lists(
    items: ItemIndex, associations: AssociationIndex, size: int, per_category: int
) -> Mapping[str | None, tuple[PopularItem, ...]]:
    """Return what :func:`popular_shelves` finds, with the names of items and categories."""
    shelves = popular_shelves(items, ItemWeights(items, associations).current(), size, per_category)
    return {context: name_shelf(items, shelf) for context, shelf in shelves.items()}


def popular_shelves(
    items: ItemIndex, weights: FloatArray, size: int, per_category: int
) -> Mapping[str | None, PopularShelf]:
    """Return context -> its most popular listed items, best first, equals by item id; weights: of :class:`ItemWeights`.

    Contexts are the whole shop (``WHOLE_SHOP``), of whose items no more than ``per_category`` stand in one category
    while others are left, and every category with those below it. What has no category is in the whole shop alone,
    and only when nothing else is.
    """
    shelves = fill_shelves(items, weigh_items(items, weights), size, per_category, size)
    shortlist = shelves.shortlist if len(shelves.shortlist) else shelves.uncategorised[:size]
    found: dict[str | None, PopularShelf] = {WHOLE_SHOP: _shelf(items, shelves.popularity, shortlist)}
    contexts, ancestors = _contexts(items)
    for depth in range(ancestors.shape[1]):
        codes = ancestors[items.category_codes[shelves.everything], depth]
        order = np.argsort(codes, kind="stable")
        order = order[codes[order] >= 0]
        starts = group_starts(codes[order])
        kept = order[place_in_group(starts, len(order)) < size]
        for start, stop in zip(*_bounds(codes[kept]), strict=True):
            rows = shelves.everything[kept[start:stop]]
            found[contexts[int(codes[kept[start]])]] = _shelf(items, shelves.popularity, rows)
    return found


def name_shelf(items: ItemIndex, shelf: PopularShelf) -> tuple[PopularItem, ...]:
    """Return the shelf's items by name; popularity with six digits."""
    return tuple(
        PopularItem(item_id, items.categories[code] if code >= 0 else None, round(value, 6))
        for item_id, code, value in zip(
            items.ids.names(shelf.rows.tolist()), shelf.categories.tolist(), shelf.popularity.tolist(), strict=True
        )
    )


def _contexts(items: ItemIndex) -> tuple[Codes, IntArray]:
    """Return names of the contexts, and (categories, depth) of each category's ancestors and itself, -1 for none."""
    contexts, paths = Codes(), [items.categories[code] for code in range(len(items.categories))]
    chains = [[contexts.add(ancestor) for ancestor in category_ancestors(path)] for path in paths]
    ancestors = np.full((len(paths), max((len(chain) for chain in chains), default=0)), -1, dtype=np.int64)
    for code, chain in enumerate(chains):
        ancestors[code, : len(chain)] = chain
    return contexts, ancestors


def _bounds(sorted_codes: IntArray) -> tuple[list[int], list[int]]:
    starts = group_starts(sorted_codes)
    return starts.tolist(), np.append(starts[1:], len(sorted_codes)).tolist() if len(starts) else []


def _shelf(items: ItemIndex, popularity: FloatArray, rows: IntArray) -> PopularShelf:
    return PopularShelf(rows, items.category_codes[rows].astype(np.int64), popularity[rows])
