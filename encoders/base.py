"""The protocols of the encoders and the arrays that pass between them.

Shapes: B users, N history positions, n items, D text dimensions (384 for all-MiniLM-L6-v2), d = 64 item dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

ITEM_DIMENSIONS = 64
"""d: the length of item, category and user embeddings."""


class EncoderError(Exception):
    """A model cannot be loaded or used; the message names the file and the mend."""


class TextEncoder(Protocol):
    """Item texts to unit vectors."""

    @property
    def model(self) -> str:
        """Name and revision, for caches and published lists, e.g. ``all-MiniLM-L6-v2/53aa5117``."""

    @property
    def dimensions(self) -> int:
        """D."""

    @property
    def unknown_share(self) -> float:
        """Share (0-1) of the latest texts' tokens that the model does not know; 0 for one without a vocabulary."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return (len(texts), D) float32, each row of unit length. Deterministic up to 1e-5 in cosine."""


@dataclass(frozen=True, slots=True)
class HistoryBatch:
    """Histories of B users, newest position last, padded on the left.

    rows: (B, N) int64 rows of the item matrix, -1 where there is none (padding, or an item without a vector).
    kinds: (B, N) int64 codes (see ``KIND_CODES``), 0 for padding.
    ages: (B, N) float32 seconds before the user's last interaction, >= 0.
    """

    rows: IntArray
    kinds: IntArray
    ages: FloatArray


KIND_CODES = {"impression": 1, "click": 2, "view": 3, "add_to_cart": 4, "purchase": 5}
"""Code of each kind in a :class:`HistoryBatch`; 0 is padding."""


class UserEncoder(Protocol):
    """Histories to unit vectors: a pure function of (history, item matrix, model version)."""

    @property
    def model(self) -> str:
        """Published in every list, e.g. ``decay/untrained`` or ``decay/ab12cd``."""

    def encode(self, batch: HistoryBatch) -> FloatArray:
        """Return (B, d) float32 of unit length; a user without any known item gets the zero vector."""
