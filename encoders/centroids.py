"""Frozen, named centroids of text vectors: whoever assigns takes the nearest.

They come from a versioned file that one command makes, so an item changes its name only when somebody changes the file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from encoders.base import EncoderError, FloatArray, IntArray
from encoders.card import Card, check_shapes, read_weights, write_weights
from encoders.projection import normalise

SEPARATOR = " > "
"""Joins the labels of a category path, as everywhere in the product. No name holds it."""


class CentroidsCard(Card, kw_only=True):
    """The names of the centroids, in their order, and the text model whose vectors they belong to."""

    text_model: str
    text_dimensions: int
    names: list[str]


class NamedCentroids:
    """C unique names and their centroids (C, D) of unit length, of one text model."""

    format: ClassVar[str]
    command: ClassVar[str]
    """What makes such a file."""
    setting: ClassVar[str]

    def __init__(self, text_model: str, names: Sequence[str], centroids: FloatArray) -> None:
        self.text_model = text_model
        self.names = list(names)
        self.centroids = centroids

    def nearest(self, text_vectors: FloatArray) -> IntArray:
        """Return (n,) the centroid with the greatest cosine for each text vector (n, D); ties by order."""
        nearest: IntArray = np.argmax(text_vectors @ self.centroids.T, axis=1)
        return nearest

    @classmethod
    def load(cls, path: Path, text_model: str) -> Self:
        """Load centroids and names. Raises EncoderError when they are damaged or of another text model."""
        tensors, card = read_weights(path, CentroidsCard, cls.format)
        if card.text_model != text_model:
            raise EncoderError(
                f"{path} was made with {card.text_model}, but the text model is {text_model}; make it again with "
                f"`{cls.command}`, or unset {cls.setting}"
            )
        if len(set(card.names)) != len(card.names) or any(SEPARATOR in name or not name for name in card.names):
            raise EncoderError(f"{path}: names must be unique, not empty, and without {SEPARATOR!r}")
        if not card.names:
            raise EncoderError(f"{path} has no centroid; make it again with `{cls.command}`")
        check_shapes(path, tensors, {"centroids": (len(card.names), card.text_dimensions)})
        return cls(text_model, card.names, normalise(tensors["centroids"]))


def save_centroids(path: Path, centroids: FloatArray, card: CentroidsCard) -> None:
    """Write centroids (C, D) and their card, as :meth:`NamedCentroids.load` reads them."""
    write_weights(path, {"centroids": centroids}, card)
