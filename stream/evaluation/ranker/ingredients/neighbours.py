"""Whose past looks like this one: neighbour sequences, or like-minded users where sequences are of baskets."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from stream.evaluation.baselines import session_knn
from stream.evaluation.baselines.session_knn import NeighbourRule
from stream.evaluation.interactions import Knowledge
from stream.evaluation.ranker.ingredients.ingredient import Ingredient
from stream.evaluation.ranker.ingredients.like_minded import LikeMinded
from stream.evaluation.ranker.items import span_ms
from stream.evaluation.ranker.recipe import NeighbourRecipe, Recipe

NEIGHBOURS = 1000
NEWEST = 5000
"""For each item of a history, so many of the latest sequences with it are looked at."""


def neighbour_ingredients(knowledge: Knowledge, recipe: Recipe) -> Iterator[Ingredient]:
    """Yield one of the two: a basket's worth of common items would make everyone a neighbour sequence."""
    if recipe.baskets:
        yield Ingredient("like-minded users", LikeMinded(knowledge).scores)
        return
    scorer = session_knn.fit(knowledge, neighbour_rule(knowledge, recipe.neighbours))
    yield Ingredient("neighbours", lambda cases: sparse.csr_matrix(scorer.score(cases)), absolute=True)


def neighbour_rule(knowledge: Knowledge, recipe: NeighbourRecipe) -> NeighbourRule:
    """Return the rule that the recipe means at this cut."""
    recency = recipe.recency_share * span_ms(knowledge)
    return NeighbourRule(
        history_weight=lambda age, _: recipe.decay**age,
        item_weight=lambda distance, _: np.exp(-np.abs(distance) / recipe.distance),
        neighbours=NEIGHBOURS,
        newest=NEWEST,
        recency_ms=recency or None,
        by_length=recipe.by_length,
        idf=True,
    )
