"""What an ingredient is: scores of items for histories, in a unit of its own, never below 0."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases

FAN_OUT = 400
"""Successors kept per item."""

HOP_FAN_OUT = 50
"""Successors followed one step further."""

EVERYTHING = 1_000_000
"""A length that no history has."""


@dataclass(frozen=True)
class Ingredient:
    """scores: cases to (B, n) sparse, >= 0. absolute: its unit means the same in every case (a count, a share)."""

    name: str
    scores: Callable[[Cases], sparse.csr_matrix]
    absolute: bool = False


def by_matrix(
    name: str, matrix: sparse.csr_matrix, decay: float, length: int, *, once: bool = False, absolute: bool = False
) -> Ingredient:
    """Return the decayed history times an item-to-item matrix (n, n), row = where from."""

    def scores(cases: Cases) -> sparse.csr_matrix:
        return (histories(cases, matrix.shape[0], decay, length, once=once) @ matrix).tocsr()

    return Ingredient(name, scores, absolute)


def histories(cases: Cases, n_items: int, decay: float, length: int, *, once: bool = False) -> sparse.csr_matrix:
    """Return (B, n) decayed histories; ``once``: an item counts only where it was last."""
    weights = cases.decayed(decay, length)
    return cases.history_matrix(n_items, np.where(cases.latest, weights, 0.0) if once else weights)
