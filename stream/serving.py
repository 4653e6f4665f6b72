"""The user model that serves, and what its item matrix has not seen yet; replaced by another one as a whole.

Belongs to the event loop. The matrix itself is touched by whoever encodes: the encoder thread, and before it serves,
the thread that fills it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from encoders.items import ItemMatrix
from encoders.user.model import UserModel

_ROWS_AT_ONCE = 8_192
"""Text vectors made float32 together: 12 MB."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Text vectors (little-endian float16 bytes) for rows of the item matrix, and rows to clear."""

    items: list[str]
    rows: list[int]
    vectors: list[bytes]
    cleared: list[int]

    def apply(self, matrix: ItemMatrix) -> None:
        """Write them into the matrix."""
        for start in range(0, len(self.rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            vectors = np.stack([np.frombuffer(vector, dtype="<f2") for vector in self.vectors[part]])
            matrix.set_items(self.items[part], np.asarray(self.rows[part], np.int64), vectors.astype(np.float32))
        for row in self.cleared:
            matrix.clear_row(row)


class VectorFeed:
    """Collects what one item matrix has not seen yet; the latest of each row."""

    def __init__(self) -> None:
        self._vectors: dict[int, bytes] = {}
        self._cleared: set[int] = set()

    def put(self, row: int, vector: bytes) -> None:
        """A row has a new text vector."""
        self._cleared.discard(row)
        self._vectors[row] = vector

    def clear(self, row: int) -> None:
        """A row has no vector any more."""
        self._vectors.pop(row, None)
        self._cleared.add(row)

    def drain(self, item_of: Callable[[int], str]) -> Changes:
        """Return everything collected since the last call."""
        rows = list(self._vectors)
        changes = Changes([item_of(row) for row in rows], rows, list(self._vectors.values()), sorted(self._cleared))
        self._vectors.clear()
        self._cleared.clear()
        return changes


@dataclass(frozen=True, slots=True)
class Serving:
    """A model and the feed of its matrix: read both at once, and use them for a whole batch."""

    model: UserModel
    feed: VectorFeed
