"""What reads alike, and what leads to or from it: the way to items that few have taken."""

from collections.abc import Iterator

from scipy import sparse

from stream.evaluation.baselines import text
from stream.evaluation.interactions import IntArray, Knowledge
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
    vectors = text.tfidf_vectors(knowledge.catalogue)
    alike = text_neighbours(vectors)
    elsewhere = text_neighbours(vectors, knowledge.catalogue.top_categories) if recipe.elsewhere else alike
    yield by_matrix("text", elsewhere, recipe.text_decay, 20, once=True)
    nearest = normalise_rows(prune_rows(alike, NEAREST_TO_FOLLOW))
    whole = transition_matrix(counts, recipe.transitions)
    decay, length = recipe.transitions.decay, recipe.transitions.length
    from_alike = prune_rows(nearest @ prune_rows(whole, FOLLOWED), FAN_OUT)
    yield by_matrix("transitions of similar text", from_alike, decay, length)
    to_alike = prune_rows(prune_rows(whole, HOP_FAN_OUT) @ nearest, FAN_OUT)
    yield by_matrix("text of transitions", to_alike, decay, length)


def text_neighbours(vectors: sparse.csr_matrix, apart: IntArray | None = None) -> sparse.csr_matrix:
    """Return (n, n) float32: squared cosines of each item's nearest texts, itself left out.

    apart: (n,) labels; where given, an item's neighbours are of other labels than its own. Most of the nearest of all
    would be of the same.
    """
    parts = []
    for start in range(0, vectors.shape[0], _CHUNK):
        part = (vectors[start : start + _CHUNK] @ vectors.T).tocoo()
        others = part.row + start != part.col
        if apart is not None:
            others = apart[part.row + start] != apart[part.col]
        part = sparse.csr_matrix((part.data[others] ** 2, (part.row[others], part.col[others])), part.shape)
        parts.append(prune_rows(part, NEAREST))
    return sparse.vstack(parts).tocsr()
