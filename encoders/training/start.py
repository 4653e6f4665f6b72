"""Where training starts: text vectors, whitened, turned so that what they share with the transition graph coincides."""

from dataclasses import dataclass

import numpy as np

from encoders.base import EncoderError, FloatArray, IntArray
from encoders.projection import ItemProjection
from encoders.training.events import Histories, TrainingItems
from encoders.training.projection import fit_projection
from encoders.training.transitions import ppmi_vectors

SEEN_HALF = 5.0
"""An item met this often starts with half the delta of one met for ever: the graph says little of rare items."""


@dataclass(frozen=True, slots=True)
class ItemStart:
    """The projection, the texts' part of the item vectors (n, d), and the deltas to start from (n, d)."""

    projection: ItemProjection
    texts: FloatArray
    deltas: FloatArray


def start_items(
    items: TrainingItems, histories: Histories, fallback: ItemProjection, strength: float, seed: int
) -> ItemStart:
    """Return what the item vectors are made of before the first step.

    fallback: the projection for a catalogue that allows no fit. strength: length of the deltas of much-met items, in
    mean lengths of the texts' part. The graph's vectors are turned onto the texts' by the orthogonal map nearest to
    them (Schönemann, Psychometrika 31, 1966), over the items met: both then agree on directions, and an item
    without a delta lies among those with one.
    """
    try:
        projection = fit_projection(items.text_vectors).projection
    except EncoderError:
        projection = fallback
    texts = ((items.text_vectors - projection.mean) @ projection.matrix).astype(np.float32)
    graph = ppmi_vectors(histories, len(items.ids), seed)
    counts: IntArray = np.bincount(histories.items, minlength=len(items.ids))
    left, _, right = np.linalg.svd(graph.T.astype(np.float64) @ (texts * counts[:, None]))
    turned = graph @ (left @ right)
    length = float(np.linalg.norm(texts, axis=1).mean())
    shares = counts / (counts + SEEN_HALF)
    return ItemStart(projection, texts, (strength * length * shares[:, None] * turned).astype(np.float32))
