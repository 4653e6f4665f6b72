"""From ingredients to a table: one row per case and candidate, one column per feature."""

from dataclasses import dataclass

import numpy as np

from stream.evaluation.cases import Cases, Listable
from stream.evaluation.interactions import BoolArray, FloatArray, IntArray, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.encoder import Encoder
from stream.evaluation.ranker.habits import Habits
from stream.evaluation.ranker.ingredients import build_ingredients
from stream.evaluation.ranker.ingredients.trained import train_encoder
from stream.evaluation.ranker.items import item_features, log_prices, popular_items
from stream.evaluation.ranker.labels import label_affinities
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.sparse_rows import top_of_rows

CANDIDATES = 60
"""Of each ingredient, and of the popular items."""

SCALE_TOP = 20
"""A score's scale in a case: the mean of its highest so many."""

LOG_FLOOR = 0.03


@dataclass(frozen=True)
class Table:
    """Candidates of B cases, m rows sorted by case, then by item.

    values: (m, f) float32. parts: ingredient to (B, CANDIDATES) codes, best first, -1 pads.
    """

    rows: IntArray
    items: IntArray
    values: FloatArray
    names: tuple[str, ...]
    parts: dict[str, IntArray]

    def hits(self, cases: Cases, n_items: int) -> BoolArray:
        """Mark the rows that are targets."""
        wanted = np.repeat(np.arange(len(cases)), np.diff(cases.target_offsets)) * n_items + cases.targets
        return np.isin(self.rows * n_items + self.items, wanted[cases.targets >= 0])


class FeatureBuilder:
    """Everything that one cut's knowledge says, ready for any cases."""

    def __init__(
        self, knowledge: Knowledge, recipe: Recipe, counts: PairCounts | None = None, encoder: Encoder | None = None
    ) -> None:
        """Build all ingredients.

        counts: what a stream has counted of the knowledge, if it did. encoder: trained on it, if one was; else one is
        trained here, where the recipe wants one.
        """
        counts = counts or PairCounts.of(knowledge.log, knowledge.n_items)
        self.knowledge = knowledge
        self.encoder = encoder or train_encoder(knowledge, counts, recipe)
        self._ingredients = build_ingredients(knowledge, counts, recipe, self.encoder)
        self._labels = [] if recipe.elsewhere else list(label_affinities(knowledge, counts, recipe.transitions))
        self._item_values, self._item_names = item_features(knowledge)
        self._log_prices = log_prices(knowledge)
        self._popular = popular_items(knowledge, CANDIDATES)
        self._repeats = recipe.own is not None
        self._elsewhere = recipe.elsewhere

    def table(self, cases: Cases, candidates: Listable) -> Table:
        """Return the candidates of a block of cases with their features."""
        block = len(cases)
        banned = candidates.banned(cases, self.knowledge.catalogue)
        scored, tops, parts = [], [], {}
        for ingredient in self._ingredients:
            scores = ingredient.scores(cases)
            entry_rows = np.repeat(np.arange(block), np.diff(scores.indptr))
            scores.data[banned[entry_rows, scores.indices]] = 0
            top, values = top_of_rows(scores, CANDIDATES)
            parts[ingredient.name] = self._best_first(top, values)
            tops.append(top)
            level = -np.sort(-values, axis=1)[:, :SCALE_TOP].mean(axis=1) + np.float32(1e-12)
            scored.append((ingredient, scores.toarray(), level))
        tops.append(np.tile(self._popular, (block, 1)))
        rows, items = _union(tops, banned)
        columns: dict[str, FloatArray] = {}
        for ingredient, dense, level in scored:
            score = dense[rows, items]
            columns[ingredient.name] = score / level[rows]
            if not self._elsewhere:
                columns[f"log {ingredient.name}"] = np.log(columns[ingredient.name] + np.float32(LOG_FLOOR))
            if ingredient.absolute:
                columns[f"absolute {ingredient.name}"] = score
        if not self._elsewhere:
            self._add_labels(columns, cases, rows, items)
            for number, name in enumerate(self._item_names):
                columns[f"item: {name}"] = self._item_values[items, number]
            self._add_history(columns, cases, rows, items)
        values = np.stack([column.astype(np.float32, copy=False) for column in columns.values()], axis=1)
        return Table(rows, items, values, tuple(columns), parts)

    def _best_first(self, top: IntArray, values: FloatArray) -> IntArray:
        order = np.lexsort((np.where(top >= 0, self.knowledge.tie_ranks[top], 0), -values), axis=1)
        return np.take_along_axis(top, order, 1)

    def _add_labels(self, columns: dict[str, FloatArray], cases: Cases, rows: IntArray, items: IntArray) -> None:
        for affinity in self._labels:
            held = affinity.held(cases)
            led_to = held @ affinity.led_to
            codes = affinity.codes[items]
            for name, matrix in ((f"same {affinity.name}", held), (f"next {affinity.name}", led_to)):
                found = np.where(codes >= 0, matrix[rows, np.maximum(codes, 0)], np.float32(0))
                columns[name] = found
                columns[f"relative {name}"] = found / (matrix.max(axis=1) + np.float32(1e-12))[rows]

    def _add_history(self, columns: dict[str, FloatArray], cases: Cases, rows: IntArray, items: IntArray) -> None:
        block = len(cases)
        lengths = np.diff(cases.offsets)
        distinct = np.bincount(cases.rows[cases.latest], minlength=block)
        columns["history: length"] = np.log1p(lengths)[rows].astype(np.float32)
        columns["history: distinct share"] = (distinct / np.maximum(lengths, 1))[rows].astype(np.float32)
        habits = Habits(cases, self.knowledge.n_items)
        columns |= {name: values[rows] for name, values in habits.of_histories().items()}
        if self._log_prices is not None:
            known = ~np.isnan(self._log_prices[cases.items])
            weights = cases.decayed(0.8, 20) * known
            total = np.bincount(cases.rows, weights * np.nan_to_num(self._log_prices[cases.items]), block)
            usual = total / (np.bincount(cases.rows, weights, block) + 1e-9)
            over = np.nan_to_num(self._log_prices[items] - usual[rows])
            columns["price over usual"] = over.astype(np.float32)
        if self._repeats:
            columns |= habits.of_items(rows, items)


def _union(tops: list[IntArray], banned: BoolArray) -> tuple[IntArray, IntArray]:
    block, n_items = banned.shape
    codes = np.concatenate(tops, axis=1)
    rows = np.repeat(np.arange(block), codes.shape[1])
    codes = codes.ravel()
    known = codes >= 0
    rows, codes = rows[known], codes[known]
    allowed = ~banned[rows, codes]
    keys = np.unique(rows[allowed] * n_items + codes[allowed])
    return keys // n_items, keys % n_items
