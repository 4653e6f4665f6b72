"""What a small encoder of histories expects next, trained anew at every cut."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import DoubleArray, IntArray, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.encoder import DIMENSIONS, Encoder, decayed_histories, train
from stream.evaluation.ranker.ingredients.ingredient import FAN_OUT, Ingredient
from stream.evaluation.ranker.ingredients.latent import latent_vectors
from stream.evaluation.ranker.items import span_ms
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.sparse_rows import prune_rows
from stream.evaluation.ranker.transition_matrix import weigh_pairs
from stream.evaluation.steps import rows_of, steps_of

MOST_ITEMS = 200_000
"""Each has a vector and its moments; every list is a softmax over all of them."""

LEAST_POSITIONS = 2_000
HALF_LIFE_SHARE = 0.5
"""In this share of the past, a position is shown half as often."""


def enough_to_train(knowledge: Knowledge) -> bool:
    """Say whether a cut's past holds enough positions to learn from."""
    return int(np.count_nonzero(knowledge.log.steps > 0)) >= LEAST_POSITIONS


def train_encoder(knowledge: Knowledge, counts: PairCounts, recipe: Recipe) -> Encoder | None:
    """Return the encoder of a cut where there is enough to learn from; None where steps are baskets."""
    wanted = recipe.encoder and not recipe.baskets and not recipe.elsewhere
    if not wanted or not DIMENSIONS < knowledge.n_items <= MOST_ITEMS or not enough_to_train(knowledge):
        return None
    positions = np.flatnonzero(knowledge.log.steps > 0)
    start = latent_vectors(weigh_pairs(counts, 0.5, 1.0), DIMENSIONS)
    steps = steps_of(knowledge.log, knowledge.n_items)
    before = rows_of(knowledge.log)[positions] - 1
    targets, shares = knowledge.log.items[positions], _shares(knowledge, positions)
    return train(steps, before, targets, start, shares, recipe.seed)


def trained_ingredients(encoder: Encoder | None, n_items: int) -> Iterator[Ingredient]:
    """Yield the encoder, if there is one."""
    if encoder is None:
        return

    def scores(cases: Cases) -> sparse.csr_matrix:
        found = encoder.probabilities(decayed_histories(cases, n_items))
        return prune_rows(sparse.csr_matrix(np.sqrt(found)), FAN_OUT)

    yield Ingredient("trained encoder", scores, absolute=True)


def _shares(knowledge: Knowledge, positions: IntArray) -> DoubleArray:
    ages = (knowledge.now - knowledge.log.times[positions]) / (HALF_LIFE_SHARE * span_ms(knowledge))
    weights = np.exp2(-ages)
    shares: DoubleArray = weights / weights.sum()
    return shares
