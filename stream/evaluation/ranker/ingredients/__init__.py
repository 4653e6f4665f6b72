"""The ingredients of a list: one file per idea, all built here."""

from stream.evaluation.interactions import Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.encoder import Encoder
from stream.evaluation.ranker.ingredients.elsewhere import elsewhere_ingredients
from stream.evaluation.ranker.ingredients.ingredient import Ingredient
from stream.evaluation.ranker.ingredients.latent import latent_ingredients
from stream.evaluation.ranker.ingredients.neighbours import neighbour_ingredients
from stream.evaluation.ranker.ingredients.own import own_ingredients
from stream.evaluation.ranker.ingredients.sequences import sequence_ingredients
from stream.evaluation.ranker.ingredients.texts import text_ingredients
from stream.evaluation.ranker.ingredients.together import together_ingredients
from stream.evaluation.ranker.ingredients.trained import trained_ingredients
from stream.evaluation.ranker.recipe import Recipe


def build_ingredients(
    knowledge: Knowledge, counts: PairCounts, recipe: Recipe, encoder: Encoder | None
) -> list[Ingredient]:
    """Return the ingredients that this shop's data allows. ``encoder``: that of this cut, if there is one."""
    if recipe.elsewhere:
        return list(elsewhere_ingredients(knowledge, counts))
    return [
        *sequence_ingredients(counts, recipe.transitions),
        *together_ingredients(knowledge, recipe),
        *neighbour_ingredients(knowledge, recipe),
        *own_ingredients(knowledge, recipe.own),
        *latent_ingredients(knowledge, counts),
        *text_ingredients(knowledge, counts, recipe),
        *trained_ingredients(encoder, knowledge.n_items),
    ]
