"""δ: what was learned of single items beyond what their texts say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from encoders.base import ITEM_DIMENSIONS, EncoderError, FloatArray
from encoders.card import Card, check_shapes, read_weights, write_weights

FORMAT = "interestream.deltas/1"


class DeltasCard(Card, kw_only=True):
    """The items' ids in the order of the rows, and the projection that the deltas are added to."""

    item_projection: str
    items: list[str]
    dimensions: int = ITEM_DIMENSIONS


class ItemDeltas:
    """Deltas by item id. An item that training did not see has none: its text alone places it."""

    def __init__(self, items: Sequence[str], deltas: FloatArray, revision: str = "") -> None:
        """Take n unique item ids and their deltas (n, d)."""
        self.revision = revision
        self._row = {item: row for row, item in enumerate(items)}
        self._deltas = np.concatenate([deltas, np.zeros((1, ITEM_DIMENSIONS), np.float32)])

    def __len__(self) -> int:
        return len(self._row)

    def of(self, items: Sequence[str]) -> FloatArray:
        """Return (len(items), d) float32, zero where nothing was learned."""
        rows = np.fromiter((self._row.get(item, -1) for item in items), np.int64, len(items))
        found: FloatArray = self._deltas[rows]
        return found

    @classmethod
    def load(cls, path: Path, projection: str) -> Self:
        """Load deltas. Raises EncoderError when they are damaged, or belong to another projection's vectors."""
        tensors, card = read_weights(path, DeltasCard, FORMAT)
        if card.item_projection != projection:
            raise EncoderError(
                f"{path} belongs to the item vectors of {card.item_projection}, not to those of {projection}; "
                "copy the model's files again"
            )
        if len(set(card.items)) != len(card.items):
            raise EncoderError(f"{path}: its card names an item twice")
        check_shapes(path, tensors, {"deltas": (len(card.items), ITEM_DIMENSIONS)})
        return cls(card.items, tensors["deltas"], card.revision)


def save_deltas(path: Path, deltas: FloatArray, card: DeltasCard) -> str:
    """Write deltas (n, d) and their card, as :meth:`ItemDeltas.load` reads them; return their revision."""
    return write_weights(path, {"deltas": deltas}, card)
