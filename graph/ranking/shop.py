"""The catalogue and the associations in one numbering: what every user of a micro-batch is ranked against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from graph.model import Family, Level
from graph.ranking.associations import AssociationIndex
from graph.ranking.category_associations import CategoryAssociations
from graph.ranking.codes import Alignment, IntArray
from graph.ranking.exposure import head_items
from graph.ranking.item_weights import ItemWeights
from graph.ranking.items import ItemIndex
from graph.ranking.levels import AssociationLevel
from graph.ranking.newcomers import newcomer_rows
from graph.ranking.ragged import BoolArray, FloatArray, sort_order
from graph.ranking.settings import RankingSettings
from graph.ranking.shelves import PriceShelves, Shelves, fill_price_shelves, fill_shelves
from graph.ranking.successors import SuccessorRows
from graph.settings import ListSettings

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class CategorySteps:
    """Associations that end in a category with listed items.

    starts: (association categories + 1,) by source; sorted by source, then category. categories: catalogue codes;
    scores; edges: where each is in ``associations``; keys: source * (catalogue categories) + category, ascending.
    """

    associations: CategoryAssociations
    starts: IntArray
    categories: IntArray
    scores: FloatArray
    edges: IntArray
    keys: IntArray


@dataclass(frozen=True, slots=True)
class ItemSteps:
    """Item transitions with what it takes to follow them to listed items that have a category.

    rows, categories: (nodes,) of the catalogue, categories -1 where a node cannot be listed. A transition's strength
    is weight * source_scales[source] * target_scales[target]: the decayed weight, damped by how much leaves its
    source and how much reaches its target.
    """

    successors: dict[Family, SuccessorRows]
    source_scales: dict[Family, FloatArray]
    target_scales: dict[Family, FloatArray]
    rows: IntArray
    categories: IntArray


@dataclass(frozen=True, slots=True)
class Shop:
    """See the module. Valid until items or associations change."""

    items: ItemIndex
    associations: AssociationIndex
    ranks: IntArray
    shelves: Shelves
    newcomers: IntArray
    head: BoolArray
    prices: PriceShelves
    category_steps: CategorySteps
    item_steps: ItemSteps


class _Kept(Generic[Part]):
    def __init__(self, build: Callable[[], Part]) -> None:
        self._build = build
        self._kept: tuple[tuple[int, ...], Part] | None = None

    def at(self, *versions: int) -> Part:
        if self._kept is None or self._kept[0] != versions:
            self._kept = versions, self._build()
        return self._kept[1]


class ShopView:
    """Builds the :class:`Shop`, each part again only after what it is made of has changed."""

    def __init__(
        self, items: ItemIndex, associations: AssociationIndex, settings: ListSettings, ranking: RankingSettings
    ) -> None:
        self._items = items
        self._associations = associations
        self._settings = settings
        self._ranking = ranking
        self._weights = ItemWeights(items, associations)
        self._catalogue_categories = Alignment(associations.categories, items.categories)
        self._kept_shelves = _Kept(self._shelves)
        self._kept_head = _Kept(self._head)
        self._kept_newcomers = _Kept(self._newcomers)
        self._kept_prices = _Kept(lambda: fill_price_shelves(items))
        self._kept_category_steps = _Kept(self._category_steps)
        self._kept_item_steps = _Kept(self._item_steps)

    def current(self) -> Shop:
        """Return the shop as it is now."""
        catalogue = self._items.version
        of_categories = self._associations.level(Level.CATEGORY).version
        of_items = self._associations.level(Level.ITEM).version
        return Shop(
            items=self._items,
            associations=self._associations,
            ranks=self._items.ids.ranks(),
            shelves=self._kept_shelves.at(catalogue, of_items),
            head=self._kept_head.at(catalogue, of_items),
            newcomers=self._kept_newcomers.at(catalogue, of_items),
            prices=self._kept_prices.at(catalogue),
            category_steps=self._kept_category_steps.at(catalogue, of_categories),
            item_steps=self._kept_item_steps.at(catalogue, of_items),
        )

    def _head(self) -> BoolArray:
        if self._settings.max_head_items is None:
            return np.zeros(len(self._items), dtype=np.bool_)
        return head_items(self._items, self._weights.current(), self._settings.head_share)

    def _newcomers(self) -> IntArray:
        if not self._settings.new_items or not self._items.since.any():
            return np.empty(0, dtype=np.int64)
        ranking = self._ranking
        return newcomer_rows(
            self._items, self._weights.current(), self._settings.new_seconds, ranking.tried_weight, ranking.newcomers
        )

    def _shelves(self) -> Shelves:
        settings = self._settings
        return fill_shelves(
            self._items, self._weights.current(), settings.size, settings.max_per_category, self._ranking.popular_items
        )

    def _category_steps(self) -> CategorySteps:
        associations = self._associations.category_associations()
        sources = np.repeat(np.arange(len(associations.starts) - 1), np.diff(associations.starts))
        categories = self._catalogue_categories.codes()[associations.targets]
        filled = np.zeros(len(self._items.categories) + 1, dtype=np.bool_)
        filled[self._items.category_codes[self._items.listed]] = True
        filled[-1] = False  # where having no category landed
        edges = np.flatnonzero(filled[categories])
        edges = edges[sort_order([sources[edges], categories[edges]])]
        sources, categories = sources[edges], categories[edges]
        return CategorySteps(
            associations=associations,
            starts=np.searchsorted(sources, np.arange(len(associations.starts))),
            categories=categories,
            scores=associations.scores[edges],
            edges=edges,
            keys=sources * len(self._items.categories) + categories,
        )

    def _item_steps(self) -> ItemSteps:
        level = self._associations.level(Level.ITEM)
        rows = self._weights.rows_of_nodes.codes()
        categories = np.full(len(rows), -1, dtype=np.int64)
        listed = np.flatnonzero(rows >= 0)
        listed = listed[self._items.listed[rows[listed]]]
        categories[listed] = self._items.category_codes[rows[listed]]
        for successors in level.rows.values():
            successors.reserve(len(rows))
        return ItemSteps(
            successors=level.rows,
            source_scales={family: self._source_scale(level, family) for family in Family},
            target_scales={family: self._target_scale(level, family) for family in Family},
            rows=rows,
            categories=categories,
        )

    def _source_scale(self, level: AssociationLevel, family: Family) -> FloatArray:
        marginals = level.marginals(family)
        return marginals.factors * (marginals.outgoing + 1.0) ** -self._ranking.source_exponent

    def _target_scale(self, level: AssociationLevel, family: Family) -> FloatArray:
        return (level.marginals(family).incoming + 1.0) ** -self._ranking.target_exponent
