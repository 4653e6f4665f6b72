"""What propagation does to the ranking: the same users, moved towards the categories of their interests."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from encoders.base import KIND_CODES, FloatArray, IntArray
from encoders.projection import normalise
from encoders.training.events import Histories
from encoders.training.parts import Cases
from encoders.user.propagation import propagate


@dataclass(frozen=True, slots=True)
class Interests:
    """How the graph weighs interactions: by kind, halving in ``half_life_seconds``."""

    kind_weights: Mapping[str, float]
    half_life_seconds: float


def category_vectors(items: FloatArray, categories: IntArray) -> FloatArray:
    """Return (C, d): the mean item vector of each category, at unit length; codes (n,) with -1 for none."""
    sums = np.zeros((int(categories.max(initial=-1)) + 1, items.shape[1]))
    known = categories >= 0
    np.add.at(sums, categories[known], items[known])
    return normalise(sums)


def propagated(
    users: FloatArray,
    items: FloatArray,
    categories: IntArray,
    histories: Histories,
    cases: Cases,
    interests: Interests,
    alpha: float,
) -> FloatArray:
    """Return (B, d): users (B, d) after one hop over their interests just before each case, as workers compute it."""
    weight_of = np.zeros(max(KIND_CODES.values()) + 1)
    for kind, weight in interests.kind_weights.items():
        weight_of[KIND_CODES[kind]] = weight
    starts = histories.starts[cases.users]
    counts = cases.places - starts
    case = np.repeat(np.arange(len(cases.users)), counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + starts[case]
    age = histories.seconds[cases.places - 1][case] - histories.seconds[place]
    weights = weight_of[histories.kinds[place]] * np.exp2(-age / interests.half_life_seconds)
    codes = categories[histories.items[place]]
    known = codes >= 0
    edges = case[known], codes[known], weights[known].astype(np.float32)
    return propagate(users, *edges, category_vectors(items, categories), alpha)
