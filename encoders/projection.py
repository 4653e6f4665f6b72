"""From text vectors to item vectors: v = normalise(W · whiten(text) + δ)."""

from hashlib import shake_256
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from encoders.base import ITEM_DIMENSIONS, EncoderError, FloatArray
from encoders.card import Card, check_shapes, read_weights, write_weights

FORMAT = "interestream.projection/1"


class ProjectionCard(Card, kw_only=True):
    """Which text model a projection was fitted to."""

    text_model: str
    text_dimensions: int
    dimensions: int = ITEM_DIMENSIONS


class ItemProjection:
    """A linear map from D text dimensions to the d = 64 of items.

    Whitening is a shift and a matrix, so ``W · whiten(text)`` is kept as one: (text - mean) @ matrix. Text vectors of
    language models crowd into a narrow cone; partial whitening opens it (Zhang et al., arXiv:2402.10602).
    """

    def __init__(self, name: str, mean: FloatArray, matrix: FloatArray) -> None:
        """Take a mean (D,) and a matrix (D, d)."""
        self.name = name
        self.mean = mean
        self.matrix = matrix

    @property
    def text_dimensions(self) -> int:
        """D."""
        return len(self.mean)

    def project(self, text_vectors: FloatArray, deltas: FloatArray | None = None) -> FloatArray:
        """Return (n, d) float32 of unit length for text vectors (n, D).

        deltas: (n, d), what was learned of these items beyond their text; None for new items. A text at the very
        mean has no direction and gets the zero vector.
        """
        vectors = (text_vectors - self.mean) @ self.matrix
        return normalise(vectors if deltas is None else vectors + deltas)

    @classmethod
    def load(cls, path: Path, text_model: str) -> Self:
        """Load a fitted projection. Raises EncoderError when it is damaged or was fitted to another text model."""
        tensors, card = read_weights(path, ProjectionCard, FORMAT)
        if card.text_model != text_model:
            raise EncoderError(f"{path} was fitted to {card.text_model}, but the text model is {text_model}; refit it "
                               "with `interestream train projection`, or unset encoder.projection_file")  # fmt: skip
        d_text = card.text_dimensions
        check_shapes(path, tensors, {"mean": (d_text,), "matrix": (d_text, ITEM_DIMENSIONS)})
        return cls(f"{path.stem}/{card.revision}", tensors["mean"], tensors["matrix"])

    def save(self, path: Path, card: ProjectionCard) -> str:
        """Write the projection and its card; return its revision."""
        return write_weights(path, {"mean": self.mean, "matrix": self.matrix}, card)

    @classmethod
    def unfitted(cls, text_dimensions: int) -> Self:
        """Return what serves a text model that no projection was fitted to.

        The identity when D = d, else a fixed random orthogonal map: cosines survive up to about 1/sqrt(d) (Johnson &
        Lindenstrauss), exactly when D < d. Its signs come from a hash, so every machine has the same one.
        """
        if text_dimensions == ITEM_DIMENSIONS:
            return cls("identity", np.zeros(ITEM_DIMENSIONS, np.float32), np.eye(ITEM_DIMENSIONS, dtype=np.float32))
        larger, smaller = max(text_dimensions, ITEM_DIMENSIONS), min(text_dimensions, ITEM_DIMENSIONS)
        bits = shake_256(b"interestream.projection/1:%d" % text_dimensions).digest(larger * smaller // 8 + 1)
        signs = np.unpackbits(np.frombuffer(bits, np.uint8))[: larger * smaller].reshape(larger, smaller) * 2.0 - 1.0
        orthogonal, triangle = np.linalg.qr(signs)
        # LAPACK chooses the columns' signs as it likes.
        orthogonal = (orthogonal * np.sign(np.diag(triangle))).astype(np.float32)
        matrix = orthogonal if text_dimensions > ITEM_DIMENSIONS else orthogonal.T
        return cls(f"orthogonal-{text_dimensions}", np.zeros(text_dimensions, np.float32), np.ascontiguousarray(matrix))


def normalise(vectors: NDArray[np.floating]) -> FloatArray:
    """Return the rows at unit length, float32; rows that are zero, but for rounding, or not finite become zero."""
    with np.errstate(over="ignore"):  # then the length is infinite
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    known = np.isfinite(lengths) & (lengths > 1e-6)
    unit: FloatArray = np.where(known, vectors / np.where(known, lengths, 1), 0).astype(np.float32)
    return unit
