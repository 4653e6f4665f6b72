"""What reads alike, and what leads to or from it: the way to items that few have taken."""

from collections.abc import Iterator

from scipy import sparse

from stream.evaluation.baselines import text
from stream.evaluation.interactions import Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients.ingredient import FAN_OUT, HOP_FAN_OUT, Ingredient, by_matrix
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.sparse_rows import normalise_rows, prune_rows
from stream.evaluation.ranker.transition_matrix import transition_matrix

NEAREST = 200
NEAREST_TO_FOLLOW = 30
FOLLOWED = 100
_CHUNK = 500


def text_ingredients(knowledge: Knowledge, counts: PairCounts, recipe: Recipe) -> Iterator[Ingredient]:
    """Yield similar texts, where similar texts lead, and what reads like where the history leads."""
    if not knowledge.catalogue.has_text:
        return
    alike = text_neighbours(text.tfidf_vectors(knowledge.catalogue))
    yield by_matrix("text", alike, recipe.text_decay, 20, once=True)
    nearest = normalise_rows(prune_rows(alike, NEAREST_TO_FOLLOW))
    whole = transition_matrix(counts, recipe.transitions)
    decay, length = recipe.transitions.decay, recipe.transitions.length
    from_alike = prune_rows(nearest @ prune_rows(whole, FOLLOWED), FAN_OUT)
    yield by_matrix("transitions of similar text", from_alike, decay, length)
    to_alike = prune_rows(prune_rows(whole, HOP_FAN_OUT) @ nearest, FAN_OUT)
    yield by_matrix("text of transitions", to_alike, decay, length)


def text_neighbours(vectors: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return (n, n) float32: squared cosines of each item's nearest texts, itself left out."""
    parts = []
    for start in range(0, vectors.shape[0], _CHUNK):
        part = (vectors[start : start + _CHUNK] @ vectors.T).tocoo()
        apart = part.row + start != part.col
        part = sparse.csr_matrix((part.data[apart] ** 2, (part.row[apart], part.col[apart])), part.shape)
        parts.append(prune_rows(part, NEAREST))
    return sparse.vstack(parts).tocsr()
