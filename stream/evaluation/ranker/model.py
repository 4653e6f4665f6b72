"""The ranker as a whole: tune, fit on earlier cuts, rank."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stream.evaluation.cases import Cases, Listable, Split
from stream.evaluation.interactions import BoolArray, DoubleArray, FloatArray, IntArray
from stream.evaluation.ranker.families import family_of
from stream.evaluation.ranker.features import FeatureBuilder, Table
from stream.evaluation.ranker.linear import LinearBlend, fit_linear
from stream.evaluation.ranker.mixing import choose_share, mixed
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.trees import DEPTH, MOST_ROWS, Trees, blend_of, fit_trees, tree_columns, tree_input
from stream.evaluation.scoring import LIST_LENGTH, block_size

MOST_CASES_AT_ONCE = 256
LINEAR_CASES = 4000
WITHOUT = "blend without "
Step = Callable[[], None]


@dataclass(frozen=True)
class Ranked:
    """lists: (B, LIST_LENGTH) codes by the ranker's every part: its ingredients, ``blend`` and ``ranker``.

    log_odds: (m,) that a candidate is taken, of all candidates that the trees saw. hits: (m,) which of them were.
    """

    lists: dict[str, IntArray]
    log_odds: DoubleArray
    hits: DoubleArray


@dataclass(frozen=True)
class Ranker:
    """recipe and blend found at earlier cuts. trees: None where too little was taken to learn from.

    share: of the blend in the order of what the trees score.
    without: blends fitted without one family of features each: its columns' places, and the blend of the others.
    """

    recipe: Recipe
    names: tuple[str, ...]
    blend: LinearBlend
    trees: Trees | None
    share: float = 0.0
    without: dict[str, tuple[IntArray, LinearBlend]] = field(default_factory=dict)

    def rank(self, builder: FeatureBuilder, cases: Cases, candidates: Listable, step: Step = lambda: None) -> Ranked:
        """Rank every case among all its candidates; targets are read only to say which candidates were hits."""
        lists: dict[str, list[IntArray]] = {}
        log_odds: list[FloatArray] = []
        hits: list[BoolArray] = []
        for block in cases.blocks(_block(builder)):
            table = builder.table(block, candidates)
            found, near, odds = self._rank_block(table, builder, len(block))
            for name, codes in found.items():
                lists.setdefault(name, []).append(codes)
            log_odds.append(odds)
            hits.append(table.hits(block, builder.knowledge.n_items)[near])
            for _ in range(len(block)):
                step()
        return Ranked(
            {name: np.concatenate(parts) for name, parts in lists.items()},
            np.concatenate([np.empty(0), *log_odds]),
            np.concatenate([np.empty(0), *hits]),
        )

    def _rank_block(
        self, table: Table, builder: FeatureBuilder, block: int
    ) -> tuple[dict[str, IntArray], BoolArray, FloatArray]:
        scored = self.score(table, builder)
        lists = {name: codes[:, :LIST_LENGTH] for name, codes in table.parts.items()}
        for family, (kept, others) in self.without.items():
            _, _, order_of_others = _order(table, others.score(table.values[:, kept]), builder)
            lists[f"{WITHOUT}{family}"] = _lists(table.rows[order_of_others], table.items[order_of_others], block)
        lists["blend"] = _lists(table.rows[scored.blend_order], table.items[scored.blend_order], block)
        lists["ranker"] = _lists(table.rows[scored.order], table.items[scored.order], block)
        return lists, scored.near, scored.odds

    def score(self, table: Table, builder: FeatureBuilder) -> "Scored":
        """Put a block's candidates in order."""
        blend, ranks, order = _order(table, self.blend.score(table.values), builder)
        if self.trees is None or not len(order):
            return Scored(blend, order, order, np.zeros(len(order), np.bool_), np.empty(0, np.float32))
        near = ranks < DEPTH
        odds = self.trees.score(table.values[near], blend[near], ranks[near])
        scores = blend - 1000
        scores[near] = mixed(odds, blend[near], self.share)
        _, _, order_of_all = _order(table, scores, builder)
        return Scored(scores, order_of_all, order, near, odds)


@dataclass(frozen=True)
class Scored:
    """scores: (m,) of a table's candidates; order: rows by case, the best first; blend_order: by the blend alone.

    near, odds: which of them the trees saw, and what these said.
    """

    scores: FloatArray
    order: IntArray
    blend_order: IntArray
    near: BoolArray
    odds: FloatArray


def fit_ranker(
    splits: Sequence[Split], recipe: Recipe, seed: int, step: Step = lambda: None, *, ablate: bool = False
) -> Ranker:
    """Fit blend and trees on earlier splits, the nearest first; ``ablate``: also blends without one family each."""
    nearest = splits[0]
    builder = FeatureBuilder(nearest.knowledge, recipe)
    sample = nearest.cases.sample(LINEAR_CASES, seed)
    names, rows, values, hits = _stack(builder, sample, nearest.candidates, step)
    blend = fit_linear(rows, values, hits)
    without = {}
    for family in sorted({family_of(name) for name in names}) if ablate else ():
        kept = np.flatnonzero([family_of(name) != family for name in names])
        without[family] = kept, fit_linear(rows, values[:, kept], hits)
    columns = tree_columns(names)
    lessons = list(_lessons(splits, builder, recipe, blend, columns, seed, step))
    trees = fit_trees(*_joined(lessons), columns, seed)
    share = 0.0 if trees is None else _share_of_blend(lessons, columns, seed)
    return Ranker(recipe, names, blend, trees, share, without)


def _share_of_blend(lessons: Sequence["_Lesson"], columns: IntArray, seed: int) -> float:
    """Judge trees of all lessons but the nearest one; of its other half where there is no other."""
    judged, others = lessons[0], lessons[1:]
    if not others:
        judged, *others = lessons[0].halves()
    trees = fit_trees(*_joined(others), columns, seed, ensembles=1)
    return 0.0 if trees is None else judged.choose_share(trees)


def _joined(lessons: Sequence["_Lesson"]) -> tuple[FloatArray, BoolArray]:
    return np.concatenate([one.inputs for one in lessons]), np.concatenate([one.hits for one in lessons])


@dataclass(frozen=True)
class _Lesson:
    """What one earlier test teaches the trees. rows: (m,) the case of each candidate, in ``cases``."""

    cases: Cases
    rows: IntArray
    inputs: FloatArray
    hits: BoolArray

    def choose_share(self, trees: Trees) -> float:
        """Return the blend's share for trees that have not seen this test."""
        odds, blend = trees.score_inputs(self.inputs), blend_of(self.inputs)
        n_targets = np.diff(self.cases.target_offsets)
        return choose_share(odds, blend, self.rows, self.hits, n_targets, self.cases.clusters)

    def halves(self) -> tuple["_Lesson", "_Lesson"]:
        """Return every other cluster of the cases, and the rest."""
        first = np.unique(self.cases.clusters, return_inverse=True)[1] % 2 == 0
        return self._part(first), self._part(~first)

    def _part(self, chosen: BoolArray) -> "_Lesson":
        kept, numbers = chosen[self.rows], np.cumsum(chosen) - 1
        cases = self.cases.select(np.flatnonzero(chosen))
        return _Lesson(cases, numbers[self.rows[kept]], self.inputs[kept], self.hits[kept])


def _lessons(
    splits: Sequence[Split],
    nearest: FeatureBuilder,
    recipe: Recipe,
    blend: LinearBlend,
    columns: IntArray,
    seed: int,
    step: Step,
) -> Iterator[_Lesson]:
    most_cases = MOST_ROWS // DEPTH
    for number, split in enumerate(splits):
        if most_cases <= 0:
            return
        builder = nearest if number == 0 else FeatureBuilder(split.knowledge, recipe)
        learned = split.cases.sample(most_cases, seed)
        most_cases -= len(learned)
        rows, inputs, hits, first = [], [], [], 0
        for block in learned.blocks(_block(builder)):
            table = builder.table(block, split.candidates)
            score, ranks, _ = _order(table, blend.score(table.values), builder)
            near = ranks < DEPTH
            rows.append(table.rows[near] + first)
            inputs.append(tree_input(table.values[near][:, columns], score[near], ranks[near]))
            hits.append(table.hits(block, split.knowledge.n_items)[near])
            first += len(block)
            for _ in range(len(block)):
                step()
        yield _Lesson(learned, np.concatenate(rows), np.concatenate(inputs), np.concatenate(hits))


def _stack(
    builder: FeatureBuilder, cases: Cases, candidates: Listable, step: Step
) -> tuple[tuple[str, ...], IntArray, FloatArray, BoolArray]:
    tables, hits, first = [], [], 0
    rows = []
    for block in cases.blocks(_block(builder)):
        table = builder.table(block, candidates)
        tables.append(table.values)
        rows.append(table.rows + first)
        hits.append(table.hits(block, builder.knowledge.n_items))
        first += len(block)
        names = table.names
        for _ in range(len(block)):
            step()
    return names, np.concatenate(rows), np.concatenate(tables), np.concatenate(hits)


def _block(builder: FeatureBuilder) -> int:
    return min(MOST_CASES_AT_ONCE, block_size(builder.knowledge.n_items))


def _order(table: Table, scores: FloatArray, builder: FeatureBuilder) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the scores below each case's best, the ranks (from 0), and the rows' order by case and rank."""
    order = np.lexsort((builder.knowledge.tie_ranks[table.items], -scores, table.rows))
    starts = np.searchsorted(table.rows, table.rows)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - starts
    best = scores[order][starts]
    return scores - best, ranks, order


def first_places(rows: IntArray, block: int, length: int) -> IntArray:
    """Return (block, length): where each row's first entries are in ``rows``, which is sorted; -1 pads."""
    places = np.arange(len(rows)) - np.searchsorted(rows, rows)
    found = np.full((block, length), -1, np.int64)
    near = places < length
    found[rows[near], places[near]] = np.flatnonzero(near)
    return found


def _lists(rows: IntArray, items: IntArray, block: int) -> IntArray:
    places = first_places(rows, block, LIST_LENGTH)
    return np.where(places >= 0, items[places], -1) if len(items) else places
