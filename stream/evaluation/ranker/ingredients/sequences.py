"""What came after what: transitions as the recipe says, and other readings of the same counts."""

from collections.abc import Iterator

from msgspec.structs import replace

from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients.ingredient import FAN_OUT, HOP_FAN_OUT, Ingredient, by_matrix
from stream.evaluation.ranker.recipe import TransitionRecipe
from stream.evaluation.ranker.sparse_rows import normalise_rows, prune_rows, row_sums, scale, without_diagonal
from stream.evaluation.ranker.transition_matrix import transition_matrix


def sequence_ingredients(counts: PairCounts, recipe: TransitionRecipe) -> Iterator[Ingredient]:
    """Yield the readings of the pair counts. All of them are additive: they follow a stream event by event."""
    whole = transition_matrix(counts, recipe)
    yield by_matrix("transitions", prune_rows(whole, FAN_OUT), recipe.decay, recipe.length, absolute=True)
    slow = transition_matrix(counts, replace(recipe, gap_exponent=0.5))
    yield by_matrix("slow transitions", prune_rows(slow, FAN_OUT), 0.9, 20)
    mirrored = transition_matrix(counts, replace(recipe, backward=0.0)).T
    yield by_matrix("predecessors", prune_rows(mirrored, FAN_OUT), recipe.decay, recipe.length)
    nearest = scale(counts.buckets[0], 1 / (row_sums(counts.buckets[0]) + 1))
    nearest = nearest if recipe.repeats else without_diagonal(nearest)
    yield by_matrix("next step", prune_rows(nearest, FAN_OUT), 1.0, 1, absolute=True)
    # The same counts seen from two steps away reach items that few have taken yet.
    hop = prune_rows(whole, HOP_FAN_OUT)
    yield by_matrix("two hops", prune_rows(normalise_rows(hop) @ hop, FAN_OUT), recipe.decay, recipe.length)
    wide = replace(recipe, gap_exponent=0.5, backward=1.0, source=0.5, target=0.25, repeats=False)
    yield by_matrix("nearness", prune_rows(transition_matrix(counts, wide), FAN_OUT), 0.9, 20)
    near = prune_rows(transition_matrix(counts, replace(wide, target=0.5)), HOP_FAN_OUT)
    yield by_matrix("two hops of nearness", prune_rows(normalise_rows(near) @ near, FAN_OUT), 0.9, 20)
