"""Brands and categories as ingredients: whose label does the history hold, and which labels do those lead to?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Catalogue, DoubleArray, FloatArray, IntArray, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.recipe import TransitionRecipe
from stream.evaluation.ranker.sparse_rows import column_sums, row_sums, scale
from stream.evaluation.ranker.transition_matrix import weigh_pairs

HISTORY = 20


@dataclass(frozen=True)
class LabelAffinity:
    """codes: (n,) label of each item, -1 unknown. labels: (n, labels). led_to: (labels, labels)."""

    name: str
    codes: IntArray
    labels: sparse.csr_matrix
    led_to: sparse.csr_matrix
    decay: float

    def held(self, cases: Cases) -> FloatArray:
        """Return (B, labels): the decayed share of the history with each label."""
        histories = cases.history_matrix(len(self.codes), cases.decayed(self.decay, HISTORY))
        held = (histories @ self.labels).toarray()
        shares: FloatArray = held / (held.sum(axis=1, keepdims=True) + np.float32(1e-6))
        return shares


def label_affinities(knowledge: Knowledge, counts: PairCounts, recipe: TransitionRecipe) -> Iterator[LabelAffinity]:
    """Yield one affinity for each kind of label that tells the shop's items apart."""
    pairs = weigh_pairs(counts, recipe.gap_exponent, 0.0)
    for name, codes in label_codes(knowledge.catalogue):
        labels = label_matrix(codes)
        yield LabelAffinity(name, codes, labels, _led_to(knowledge.counts, pairs, labels), recipe.decay)


def label_codes(catalogue: Catalogue) -> Iterator[tuple[str, IntArray]]:
    """Yield the kinds of label with at least two labels, none of them twice."""
    seen: list[IntArray] = []
    for name, codes in (
        ("brand", catalogue.brand_codes),
        ("category", catalogue.leaf_categories),
        ("top category", catalogue.top_categories),
    ):
        if codes.max(initial=-1) >= 1 and not any(np.array_equal(codes, other) for other in seen):
            seen.append(codes)
            yield name, codes


def label_matrix(codes: IntArray) -> sparse.csr_matrix:
    """Return (n, labels) float32 with 1 at each item's label."""
    known = np.flatnonzero(codes >= 0)
    ones = np.ones(len(known), np.float32)
    return sparse.csr_matrix((ones, (known, codes[known])), (len(codes), int(codes.max(initial=-1)) + 1))


def _led_to(counts: DoubleArray, pairs: sparse.csr_matrix, labels: sparse.csr_matrix) -> sparse.csr_matrix:
    """Share of the pairs that lead from a label to another, times the root of its rarity."""
    led = (labels.T @ pairs @ labels).tocsr()
    sizes = column_sums(sparse.diags(counts) @ labels)
    return scale(led, 1 / (row_sums(led) + 5), np.sqrt(sizes.sum() / (sizes + 50))).astype(np.float32)
