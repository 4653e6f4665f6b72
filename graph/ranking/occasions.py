"""What lists are made for: the next step of a visit, or the next visit. Same candidates and features, other weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from graph.ranking.codes import IntArray
from graph.ranking.features import contributions
from graph.ranking.ragged import BoolArray, FloatArray
from graph.ranking.weights import Weights, next_visit_weights
from graph.settings import ListSettings, NextVisitSettings

Candidates = TypeVar("Candidates")


@dataclass(frozen=True, slots=True)
class Occasion:
    """Weights of the features; the factor on categories bought in lately; how often a place is drawn by lot."""

    weights: Weights
    saturation: float
    exploration: float


def next_step(settings: ListSettings, weights: Weights) -> Occasion:
    """Return what lists for the next step are made by."""
    return Occasion(weights, settings.saturation, settings.exploration)


def next_visit(settings: NextVisitSettings | None) -> Occasion | None:
    """Return what lists for the next visit are made by; None where none are wanted. They are not explored."""
    if settings is None or not settings.enabled:
        return None
    return Occasion(next_visit_weights(settings), settings.saturation, 0.0)


@dataclass(frozen=True, slots=True)
class Featured(Generic[Candidates]):
    """Candidates, (m,), and their features in [0, 1], before any weight.

    ignored: factors of what was shown in vain; bought_in: whether the candidate's category was bought in lately;
    repeat: the place of the feature that this does not lower, for whoever buys an item again buys in its category
    again.
    """

    found: Candidates
    values: Sequence[FloatArray]
    ignored: FloatArray
    bought_in: BoolArray
    repeat: int

    def scaled(self, saturation: float) -> list[FloatArray]:
        """Return the features times what lowers them."""
        lowered = self.ignored * np.where(self.bought_in, saturation, 1.0)
        return [value * (self.ignored if place == self.repeat else lowered) for place, value in enumerate(self.values)]

    def parts(self, weights: tuple[float, ...], saturation: float) -> IntArray:
        """Return (features, m) contributions to the score, in millionths."""
        return contributions(list(zip(weights, self.scaled(saturation), strict=True)))
