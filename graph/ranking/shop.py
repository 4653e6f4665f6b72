"""The catalogue and the associations in one numbering: what every user of a micro-batch is ranked against."""

from dataclasses import dataclass

import numpy as np

from graph.model import Family, Level
from graph.ranking.associations import AssociationIndex
from graph.ranking.category_associations import CategoryAssociations
from graph.ranking.codes import Alignment, IntArray
from graph.ranking.exposure import head_items
from graph.ranking.item_weights import ItemWeights
from graph.ranking.items import ItemIndex
from graph.ranking.kept import Kept, Numbered
from graph.ranking.levels import AssociationLevel
from graph.ranking.newcomers import newcomer_rows
from graph.ranking.price_shelves import PriceOrder, PriceShelves
from graph.ranking.ragged import BoolArray, FloatArray, sort_order
from graph.ranking.settings import RankingSettings
from graph.ranking.shelves import Shelves, WeighedItems, fill_shelves, weigh_items
from graph.ranking.successors import SuccessorRows
from graph.settings import ListSettings

ItemScales = dict[Family, FloatArray]


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
    source_scales: ItemScales
    target_scales: ItemScales
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


class ShopView:
    """Builds the :class:`Shop`, each part again only after what it is made of has changed.

    Most parts depend on where items stand (which are listed, in which categories), not on what else the catalogue says:
    another price moves the item on its price shelf and leaves the rest as it is.
    """

    def __init__(
        self, items: ItemIndex, associations: AssociationIndex, settings: ListSettings, ranking: RankingSettings
    ) -> None:
        self._items = items
        self._associations = associations
        self._settings = settings
        self._ranking = ranking
        self._weights = ItemWeights(items, associations)
        self._former: WeighedItems | None = None
        self._catalogue_categories = Alignment(associations.categories, items.categories)
        self._places, self._filled_categories = Numbered(), Numbered()
        self._kept_places = Kept(lambda: self._places.version([items.listed, items.category_codes]))
        self._kept_filled = Kept(lambda: self._filled_categories.version([self._filled()]))
        self._kept_weighed = Kept(self._weigh)
        self._kept_shelves = Kept(self._shelves)
        self._kept_head = Kept(self._head)
        self._kept_newcomers = Kept(self._newcomers)
        self._kept_prices = Kept(PriceOrder(items).current)
        self._kept_category_steps = Kept(self._category_steps)
        self._kept_scales = Kept(self._scales)
        self._kept_item_steps = Kept(self._item_steps)

    def current(self) -> Shop:
        """Return the shop as it is now."""
        catalogue = self._items.version
        of_categories = self._associations.level(Level.CATEGORY).version
        of_items = self._associations.level(Level.ITEM).version
        places = self._kept_places.at(catalogue), len(self._items.categories)
        return Shop(
            items=self._items,
            associations=self._associations,
            ranks=self._items.ids.ranks(),
            shelves=self._kept_shelves.at(*places, of_items),
            head=self._kept_head.at(*places, of_items),
            newcomers=self._kept_newcomers.at(catalogue, of_items),
            prices=self._kept_prices.at(catalogue),
            category_steps=self._kept_category_steps.at(self._kept_filled.at(*places), of_categories),
            item_steps=self._kept_item_steps.at(*places, of_items),
        )

    def _weighed(self) -> WeighedItems:
        return self._kept_weighed.at(len(self._items), self._associations.level(Level.ITEM).version)

    def _weigh(self) -> WeighedItems:
        self._former = weigh_items(self._items, self._weights.current(), self._former)
        return self._former

    def _head(self) -> BoolArray:
        if self._settings.max_head_items is None:
            return np.zeros(len(self._items), dtype=np.bool_)
        return head_items(self._items, self._weighed().weights, self._settings.head_share)

    def _newcomers(self) -> IntArray:
        if not self._settings.new_items or not self._items.since.any():
            return np.empty(0, dtype=np.int64)
        ranking, weights = self._ranking, self._weighed().weights
        return newcomer_rows(self._items, weights, self._settings.new_seconds, ranking.tried_weight, ranking.newcomers)

    def _shelves(self) -> Shelves:
        settings = self._settings
        return fill_shelves(
            self._items, self._weighed(), settings.size, settings.max_per_category, self._ranking.popular_items
        )

    def _filled(self) -> BoolArray:
        """Return (categories + 1,) whether a listed item has the category; the last stands for none."""
        filled = np.zeros(len(self._items.categories) + 1, dtype=np.bool_)
        filled[self._items.category_codes[self._items.listed]] = True
        filled[-1] = False  # where having no category landed
        return filled

    def _category_steps(self) -> CategorySteps:
        associations = self._associations.category_associations()
        sources = np.repeat(np.arange(len(associations.starts) - 1), np.diff(associations.starts))
        categories = self._catalogue_categories.codes()[associations.targets]
        edges = np.flatnonzero(self._filled()[categories])
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
        source_scales, target_scales = self._kept_scales.at(level.version)
        return ItemSteps(level.rows, source_scales, target_scales, rows, categories)

    def _scales(self) -> tuple[ItemScales, ItemScales]:
        level = self._associations.level(Level.ITEM)
        sources = {family: self._source_scale(level, family) for family in Family}
        return sources, {family: self._target_scale(level, family) for family in Family}

    def _source_scale(self, level: AssociationLevel, family: Family) -> FloatArray:
        marginals = level.marginals(family)
        return marginals.factors * (marginals.outgoing + 1.0) ** -self._ranking.source_exponent

    def _target_scale(self, level: AssociationLevel, family: Family) -> FloatArray:
        return (level.marginals(family).incoming + 1.0) ** -self._ranking.target_exponent
