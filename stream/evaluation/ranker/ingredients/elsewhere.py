"""Ingredients of a list that may hold no item of the history's own top categories.

What goes with an item elsewhere is asked of every item, and most items are rare: nearly every ingredient here says
something of items that few have taken. None is cut to an item's nearest, for most of these are of its own category.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge

from stream.evaluation.baselines import text
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import FloatArray, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients.ingredient import HOP_FAN_OUT, Ingredient, histories
from stream.evaluation.ranker.ingredients.latent import LATENT_ITEMS, latent_factors, unit_rows
from stream.evaluation.ranker.labels import label_codes, label_matrix
from stream.evaluation.ranker.recipe import TransitionRecipe
from stream.evaluation.ranker.sparse_rows import column_sums, normalise_rows, prune_rows, row_sums, scale
from stream.evaluation.ranker.transition_matrix import transition_matrix, weigh_pairs

DECAY = 0.7
LENGTH = 20
NEAREST_TEXTS = 30
FOLLOWED = 100
DIMENSIONS = 100
SHARPNESS = 3
TEXT_RIDGE = 1.0
LABEL_PRIOR = 5.0

NEARNESS = TransitionRecipe(gap_exponent=0.5, backward=1.0, source=0.5, target=0.25)
STEADY = TransitionRecipe(gap_exponent=0.5, backward=1.0, source=0.5, target=0.5)
"""For what is followed further: common items, to which everything leads, count less."""


def elsewhere_ingredients(knowledge: Knowledge, counts: PairCounts) -> Iterator[Ingredient]:
    """Yield popularity, pairs and where they lead, brands and categories, texts, and item vectors."""
    popularity = knowledge.counts.astype(np.float32)
    yield _of_all("popularity", popularity)
    yield _of_all("root of popularity", np.sqrt(popularity))
    steady = transition_matrix(counts, STEADY)
    hop = prune_rows(steady, HOP_FAN_OUT)
    led = normalise_rows(hop)
    yield _of_chain("nearness", transition_matrix(counts, NEARNESS))
    yield _of_chain("two hops", led, hop, absolute=True)
    pairs = weigh_pairs(counts, NEARNESS.gap_exponent, NEARNESS.backward)
    yield from _label_ingredients(knowledge, pairs)
    if not knowledge.catalogue.has_text:
        return
    words = text.tfidf_vectors(knowledge.catalogue)
    yield _of_chain("text", words, words.T, absolute=True)
    yield _of_similar_text("nearness of similar text", words, prune_rows(steady, FOLLOWED))
    yield _of_profiles("text of nearness", led @ words, words)
    if DIMENSIONS < knowledge.n_items <= LATENT_ITEMS:
        yield from _vector_ingredients(knowledge, pairs, words)


def _label_ingredients(knowledge: Knowledge, pairs: sparse.csr_matrix) -> Iterator[Ingredient]:
    """Yield the same brand, and the popular items of those brands and categories that the history's lead to."""
    popularity = knowledge.counts + 0.5
    for name, codes in label_codes(knowledge.catalogue):
        labels = label_matrix(codes)
        if name == "brand":
            yield _of_chain("same brand", labels, labels.T)
        between = (labels.T @ pairs @ labels).tocsr()
        members = (sparse.diags(popularity) @ labels).tocsr()
        # A label's share of what is led to, spread over its items by their popularity.
        shares = scale(between, 1 / (row_sums(between) + LABEL_PRIOR), 1 / (column_sums(members) + LABEL_PRIOR))
        yield _of_chain(f"popular of next {name}", labels, shares, members.T)


def _vector_ingredients(
    knowledge: Knowledge, pairs: sparse.csr_matrix, words: sparse.csr_matrix
) -> Iterator[Ingredient]:
    """Yield neighbours by item vectors of the pair counts, and by what the words of an item say of its vector.

    The words' part is a ridge regression, so that a rare item stands where items that read alike stand.
    """
    factors = latent_factors(pairs, DIMENSIONS)
    yield _of_vectors("item vectors", unit_rows(factors))
    said = Ridge(alpha=TEXT_RIDGE, fit_intercept=False, solver="sparse_cg", tol=1e-3)
    said.fit(words, factors, sample_weight=np.sqrt(knowledge.counts + 1))
    yield _of_vectors("text vectors", unit_rows(words @ said.coef_.T), absolute=True)


def _of_all(name: str, values: FloatArray) -> Ingredient:
    """Return an ingredient that says the same of an item (n,) in every case."""
    return Ingredient(name, lambda cases: sparse.csr_matrix(np.tile(values, (len(cases), 1))))


def _of_chain(name: str, *matrices: sparse.csr_matrix, absolute: bool = False) -> Ingredient:
    """Return the history times one matrix after the other. From an item to an item there are too many ways to keep."""

    def scores(cases: Cases) -> sparse.csr_matrix:
        found = _history(cases, matrices[0].shape[0])
        for matrix in matrices:
            found = found @ matrix
        return found.tocsr().astype(np.float32)

    return Ingredient(name, scores, absolute)


def _of_profiles(name: str, profiles: sparse.csr_matrix, words: sparse.csr_matrix) -> Ingredient:
    """Return the cosine-like product of the history's profile with the items' words, both (n, words)."""

    def scores(cases: Cases) -> sparse.csr_matrix:
        # Of so many words nearly every item has one: as dense columns the product is several times faster.
        profile = (_history(cases, words.shape[0]) @ profiles).toarray()
        return sparse.csr_matrix((words @ profile.T).T.astype(np.float32))

    return Ingredient(name, scores)


def _of_similar_text(name: str, words: sparse.csr_matrix, followed: sparse.csr_matrix) -> Ingredient:
    """Return where the texts nearest to the history, which is none of them, lead."""

    def scores(cases: Cases) -> sparse.csr_matrix:
        history = _history(cases, words.shape[0])
        alike = (history @ words @ words.T).tocsr().power(2)
        others = alike - alike.multiply(history.sign())
        return (normalise_rows(prune_rows(others, NEAREST_TEXTS)) @ followed).tocsr().astype(np.float32)

    return Ingredient(name, scores)


def _of_vectors(name: str, vectors: FloatArray, *, absolute: bool = False) -> Ingredient:
    """Return cosines to the power of 3 with the sum of the history's unit vectors (n, d)."""

    def scores(cases: Cases) -> sparse.csr_matrix:
        profiles = unit_rows(_history(cases, len(vectors)) @ vectors)
        return sparse.csr_matrix(np.maximum(profiles @ vectors.T, 0) ** SHARPNESS)

    return Ingredient(name, scores, absolute)


def _history(cases: Cases, n_items: int) -> sparse.csr_matrix:
    return histories(cases, n_items, DECAY, LENGTH, once=True)
