"""Categories for items that the shop gave none: the nearest of frozen, named centroids of text vectors.

Workers only assign. The centroids come from a versioned file that one command makes, so an item's derived category
changes only when somebody changes the file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from encoders.base import EncoderError, FloatArray
from encoders.card import Card, check_shapes, read_weights, write_weights
from encoders.projection import normalise

FORMAT = "interestream.categories/1"
DERIVED_ROOT = "Derived"
SEPARATOR = " > "
"""Joins the labels of a category path, as everywhere in the product."""


class CategoriesCard(Card, kw_only=True):
    """The names of the centroids, in their order, and the text model whose vectors they belong to."""

    text_model: str
    text_dimensions: int
    names: list[str]


class DerivedCategories:
    """Assigns category paths such as ``Derived > Candle``."""

    def __init__(self, text_model: str, names: Sequence[str], centroids: FloatArray) -> None:
        """Take C unique names and their centroids (C, D) of unit length."""
        self.text_model = text_model
        self.paths = [f"{DERIVED_ROOT}{SEPARATOR}{name}" for name in names]
        self.centroids = centroids

    def assign(self, text_vectors: FloatArray) -> list[str]:
        """Return the path of the centroid with the greatest cosine for each text vector (n, D); ties by order."""
        return [self.paths[nearest] for nearest in np.argmax(text_vectors @ self.centroids.T, axis=1)]

    @classmethod
    def load(cls, path: Path, text_model: str) -> Self:
        """Load centroids and names. Raises EncoderError when they are damaged or of another text model."""
        tensors, card = read_weights(path, CategoriesCard, FORMAT)
        if card.text_model != text_model:
            raise EncoderError(
                f"{path} was made with {card.text_model}, but the text model is {text_model}; make it again with "
                "`interestream train categories`, or unset encoder.categories_file"
            )
        if len(set(card.names)) != len(card.names) or any(SEPARATOR in name or not name for name in card.names):
            raise EncoderError(f"{path}: names must be unique, not empty, and without {SEPARATOR!r}")
        check_shapes(path, tensors, {"centroids": (len(card.names), card.text_dimensions)})
        return cls(text_model, card.names, normalise(tensors["centroids"]))


def save_categories(path: Path, centroids: FloatArray, card: CategoriesCard) -> None:
    """Write centroids (C, D) and their card, as :meth:`DerivedCategories.load` reads them."""
    write_weights(path, {"centroids": centroids}, card)
