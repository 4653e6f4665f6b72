"""What the user took before, where people take things again."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from stream.evaluation.baselines.popularity import decayed_counts
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Knowledge
from stream.evaluation.ranker.ingredients.ingredient import EVERYTHING, Ingredient, histories
from stream.evaluation.ranker.items import span_ms
from stream.evaluation.ranker.recipe import OwnRecipe


def own_ingredients(knowledge: Knowledge, recipe: OwnRecipe | None) -> Iterator[Ingredient]:
    """Yield counts of the user's own items: all, decayed, and decayed times recent popularity."""
    if recipe is None:
        return
    n_items = knowledge.n_items
    yield Ingredient("own", lambda cases: histories(cases, n_items, 1.0, EVERYTHING), absolute=True)
    yield Ingredient("own of late", lambda cases: histories(cases, n_items, recipe.decay, EVERYTHING), absolute=True)
    yield Ingredient("own and popular", own_scores(knowledge, recipe))


def own_scores(knowledge: Knowledge, recipe: OwnRecipe) -> Callable[[Cases], sparse.csr_matrix]:
    """Return what scores a user's own items by decayed count times recent popularity."""
    recent = decayed_counts(knowledge, recipe.half_life_share * span_ms(knowledge))
    weights = sparse.diags((recent + 1e-3) ** recipe.popularity_exponent)

    def scores(cases: Cases) -> sparse.csr_matrix:
        own = histories(cases, knowledge.n_items, recipe.decay, EVERYTHING)
        return (own @ weights).tocsr().astype(np.float32)

    return scores
