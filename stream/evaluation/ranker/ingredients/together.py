"""What the same users took, and what was taken in one basket."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from stream.evaluation.baselines.item_knn import cosine
from stream.evaluation.interactions import Knowledge
from stream.evaluation.ranker.ingredients.ingredient import FAN_OUT, Ingredient, by_matrix
from stream.evaluation.ranker.items import span_ms
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.sparse_rows import prune_rows, row_sums, scale, without_diagonal
from stream.evaluation.steps import steps_of

RECENT_SHARE = 0.1
"""Half-life of what was bought together of late, as a share of the past."""

SHRINKAGE = 10.0


def together_ingredients(knowledge: Knowledge, recipe: Recipe) -> Iterator[Ingredient]:
    """Yield co-occurrence in users and, where steps hold several items, in baskets of all time and of late."""
    similar = prune_rows(cosine(knowledge.user_items, SHRINKAGE), FAN_OUT)
    yield by_matrix("same users", similar, 0.8, 50, once=True)
    if not recipe.baskets:
        return
    steps = steps_of(knowledge.log, knowledge.n_items)
    baskets = steps.matrix
    yield by_matrix("same basket", _baskets(baskets.T @ baskets, 5.0), 0.8, 20)
    of_late = np.exp2((steps.times - knowledge.now) / (RECENT_SHARE * span_ms(knowledge)))
    lately = baskets.T @ sparse.diags(of_late) @ baskets
    yield by_matrix("same basket of late", _baskets(lately, 1.0), 0.8, 20)


def _baskets(counts: sparse.csr_matrix, prior: float) -> sparse.csr_matrix:
    counts = without_diagonal(counts)
    sums = row_sums(counts) + prior
    return prune_rows(scale(counts, sums**-0.6, sums**-0.5), FAN_OUT)
