"""Test-then-learn: which parameters of the ingredients would have served this shop best at an earlier cut?"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import numpy as np

from stream.evaluation.baselines import session_knn, text
from stream.evaluation.baselines.matrix_scorer import MatrixScorer
from stream.evaluation.cases import Candidates, Cases, Split
from stream.evaluation.interactions import DoubleArray, FloatArray
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients.neighbours import neighbour_rule
from stream.evaluation.ranker.ingredients.own import own_scores
from stream.evaluation.ranker.ingredients.texts import text_neighbours
from stream.evaluation.ranker.recipe import NeighbourRecipe, OwnRecipe, Recipe, TransitionRecipe
from stream.evaluation.ranker.transition_matrix import transition_matrix
from stream.evaluation.scoring import Scorer, block_size
from stream.evaluation.steps import has_baskets

CASES = 2000
SLOW_CASES = 500
"""For ingredients whose score is a loop over cases, and where steps hold many items."""

CUTOFF = 20
REPEATS_FROM = 0.01
"""Below this share of repeated items a shop has no ingredient of one's own items."""

TRANSITIONS: dict[str, Sequence[Any]] = {
    "gap_exponent": (0.5, 1.0, 1.5, 2.0),
    "backward": (0.0, 0.25, 0.5, 1.0),
    "source": (0.25, 0.5, 0.75, 1.0),
    "target": (0.0, 0.1, 0.25, 0.5, 0.75),
    "decay": (0.35, 0.5, 0.6, 0.7, 0.8, 0.9),
    "length": (10, 20),
}
OWN: dict[str, Sequence[Any]] = {
    "decay": (0.7, 0.8, 0.9, 0.95, 1.0),
    "popularity_exponent": (0.0, 0.25, 0.5, 0.75, 1.0),
    "half_life_share": (0.0125, 0.025, 0.05, 0.1, 0.2),
}
NEIGHBOURS: dict[str, Sequence[Any]] = {
    "decay": (0.3, 0.5, 0.7, 0.85),
    "distance": (1.0, 2.0, 4.0, 8.0),
    "recency_share": (0.0, 0.1, 0.3, 1.0),
    "by_length": (False, True),
}
TEXT_DECAYS = (0.3, 0.5, 0.7, 0.85, 0.95)
Parameters = TypeVar("Parameters", bound=msgspec.Struct)


def tune(split: Split, seed: int, step: Callable[[], None] = lambda: None, rounds: int = 2) -> Recipe:
    """Return the recipe that ranks the targets of an earlier split best, one ingredient after the other.

    step: called for every setting that was tried. The ingredients of other top categories have nothing to be tuned.
    """
    if split.candidates is Candidates.OTHER_CATEGORIES:
        return Recipe(seed=seed, elsewhere=True)
    knowledge = split.knowledge
    counts = PairCounts.of(knowledge.log, knowledge.n_items)
    baskets = has_baskets(knowledge.log)
    slow = replace(split, cases=split.cases.sample(SLOW_CASES, seed))
    usual = slow if baskets else replace(split, cases=split.cases.sample(CASES, seed))

    def transitions(recipe: TransitionRecipe) -> float:
        step()
        return quality(MatrixScorer(_single(transition_matrix(counts, recipe)), recipe.decay, recipe.length), usual)

    repeats = split.candidates is Candidates.ALL and knowledge.repeat_share >= REPEATS_FROM
    grid = TRANSITIONS | {"repeats": (False, True)} if repeats else TRANSITIONS
    found = search(transitions, TransitionRecipe(repeats=repeats), grid, rounds)
    recipe = Recipe(transitions=found, baskets=baskets, seed=seed)
    if repeats:
        own = search(lambda tried: quality(_Own(split, tried), usual), OwnRecipe(), OWN, rounds)
        recipe = msgspec.structs.replace(recipe, own=own)
    if not baskets:
        neighbours = search(
            lambda tried: quality(session_knn.fit(knowledge, neighbour_rule(knowledge, tried)), slow),
            NeighbourRecipe(), NEIGHBOURS, 1,
        )  # fmt: skip
        recipe = msgspec.structs.replace(recipe, neighbours=neighbours)
    if knowledge.catalogue.has_text:
        alike = text_neighbours(text.tfidf_vectors(knowledge.catalogue))
        decay = max(TEXT_DECAYS, key=lambda tried: quality(MatrixScorer(alike, tried, 20, once=True), usual))
        recipe = msgspec.structs.replace(recipe, text_decay=decay)
    return recipe


def search(
    evaluate: Callable[[Parameters], float], start: Parameters, grid: dict[str, Sequence[Any]], rounds: int
) -> Parameters:
    """Change one parameter at a time to its best value, in ``rounds`` passes; stop when a pass changes nothing."""
    best, best_quality = start, evaluate(start)
    for _ in range(rounds):
        before = best
        for name, values in grid.items():
            for value in values:
                tried = msgspec.structs.replace(best, **{name: value})
                if tried != best and (found := evaluate(tried)) > best_quality:
                    best, best_quality = tried, found
        if best == before:
            break
    return best


def quality(scorer: Scorer, split: Split) -> float:
    """Return the mean NDCG@20 of the targets' expected ranks: equals share their places."""
    total = 0.0
    for block in split.cases.blocks(block_size(split.knowledge.n_items)):
        scores = scorer.score(block)
        scores[split.candidates.banned(block, split.knowledge.catalogue)] = -np.inf
        total += float(_ndcg(scores, block).sum())
    return total / max(1, len(split.cases))


def _ndcg(scores: FloatArray, cases: Cases) -> DoubleArray:
    n_targets = np.diff(cases.target_offsets)
    rows = np.repeat(np.arange(len(cases)), n_targets)
    targets = scores[rows, cases.targets]
    ranks = np.empty(len(rows))
    for place, (row, score) in enumerate(zip(rows, targets, strict=True)):
        ranks[place] = 1 + np.count_nonzero(scores[row] > score) + (np.count_nonzero(scores[row] == score) - 1) / 2
    gains = np.where(ranks <= CUTOFF, 1 / np.log2(ranks + 1), 0)
    ideal = np.cumsum(1 / np.log2(np.arange(CUTOFF) + 2))[np.minimum(n_targets, CUTOFF) - 1]
    found: DoubleArray = np.bincount(rows, gains, len(cases)) / ideal
    return found


class _Own:
    def __init__(self, split: Split, recipe: OwnRecipe) -> None:
        self._scores = own_scores(split.knowledge, recipe)

    def score(self, cases: Cases) -> FloatArray:
        scores: FloatArray = self._scores(cases).toarray()
        return scores


def _single(matrix: Any) -> Any:
    return matrix.astype(np.float32)
