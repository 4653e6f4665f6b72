"""What the user encoders share: the order of a history, the way to the device and back, the file of the weights."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, EncoderError, FloatArray, HistoryBatch, IntArray
from encoders.card import Card, check_shapes, read_weights, write_weights
from encoders.items import ItemMatrix
from encoders.projection import normalise

HISTORY = 50
"""N: the latest positions with a known item that an encoder sees."""

MAX_POSITIONS = 262_144
"""History positions on the device at once: 64 MB of vectors."""


class UserCard(Card, kw_only=True):
    """What a trained user encoder is built of, and the item vectors it was trained on.

    item_projection: name of the projection; deltas and heads: revisions of the files beside it, empty without any.
    half_lives_seconds and half_lives_positions: of the decayed means; hidden: width of the MLP or of the GRU's state,
    0 for none; layers and attention_heads: of the transformer.
    """

    item_projection: str
    deltas: str = ""
    heads: str = ""
    half_lives_seconds: list[float]
    half_lives_positions: list[float] = msgspec.field(default_factory=list)
    kind_codes: dict[str, int]
    hidden: int = 0
    layers: int = 0
    attention_heads: int = 0
    dimensions: int = ITEM_DIMENSIONS


class UserNetwork(nn.Module, ABC):
    """The parameters of one kind of user encoder. Subclasses say ``kind`` and ``format`` and implement ``forward``."""

    kind: str
    format: str

    @abstractmethod
    def forward(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> Tensor:
        """Return (B, d), not normalised; zero for a user without any known position.

        vectors: (B, N, d); kinds: (B, N) codes; ages: (B, N) seconds, descending; known: (B, N) bool, whether the
        position counts: those that do are the last ones.
        """

    @abstractmethod
    def describe(self, card: UserCard) -> UserCard:
        """Return the card with what :meth:`of` needs to build this network again."""

    @classmethod
    @abstractmethod
    def of(cls, card: UserCard) -> Self:
        """Build the network that a card describes, with fresh parameters. Raises EncoderError."""


def arranged(batch: HistoryBatch, present: np.ndarray) -> tuple[IntArray, IntArray, FloatArray, np.ndarray]:
    """Return (rows, kinds, ages, known), each (B, N), with the positions that count last, youngest at the end.

    A position counts when its item has a vector and it is more than an impression. present: (n,) bool. Equal ages keep
    their order. Only the latest ``HISTORY`` positions are kept, and no column in which nothing counts; rows of what
    does not count are 0, kinds and ages too.
    """
    known = (batch.rows >= 0) & (batch.rows < len(present)) & (batch.kinds > KIND_CODES["impression"])
    known[known] = present[batch.rows[known]]
    order = np.lexsort((-batch.ages, known), axis=1)[:, -HISTORY:]
    known = np.take_along_axis(known, order, axis=1)
    start = known.shape[1] - int(known.sum(axis=1).max(initial=0))
    order, known = order[:, start:], known[:, start:]
    rows, kinds, ages = (np.take_along_axis(a, order, axis=1) for a in (batch.rows, batch.kinds, batch.ages))
    return np.where(known, rows, 0), np.where(known, kinds, 0), np.where(known, ages, np.float32(0)), known


class NetworkUserEncoder:
    """:class:`encoders.base.UserEncoder`: a network over a resident item matrix.

    Everything is float32, on GPUs too: it is bound by memory, and a user's vector must not depend on the batch.
    """

    def __init__(self, matrix: ItemMatrix, network: UserNetwork, revision: str = "untrained") -> None:
        self._matrix = matrix
        self._network = network.to(matrix.resident.device).eval()
        self._revision = revision

    @property
    def model(self) -> str:
        """Kind and revision, such as ``decay/untrained`` or ``gru/ab12cd``."""
        return f"{self._network.kind}/{self._revision}"

    def encode(self, batch: HistoryBatch) -> FloatArray:
        """Return (B, d) float32 of unit length; zero without any known item that more than an impression was of."""
        rows, kinds, ages, known = arranged(batch, self._matrix.present)
        users, positions = rows.shape
        vectors = np.zeros((users, ITEM_DIMENSIONS), np.float32)
        if not positions:
            return vectors
        step = max(1, MAX_POSITIONS // positions)
        for start in range(0, users, step):
            part = slice(start, start + step)
            vectors[part] = self._forward(rows[part], kinds[part], ages[part], known[part])
        return normalise(vectors)

    @torch.inference_mode()
    def _forward(self, rows: IntArray, kinds: IntArray, ages: FloatArray, known: np.ndarray) -> FloatArray:
        device = self._matrix.resident.device
        gathered = self._matrix.resident[torch.from_numpy(rows).to(device)]
        tensors = (torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (kinds, ages, known))
        output: Tensor = self._network(gathered, *tensors)
        return output.cpu().numpy()


def load_network(
    path: Path, build: Callable[[UserCard], UserNetwork], expected_format: str
) -> tuple[UserNetwork, UserCard]:
    """Load trained weights. Raises EncoderError when they are damaged or our kinds of interactions are others."""
    tensors, card = read_weights(path, UserCard, expected_format)
    if card.kind_codes != KIND_CODES:
        raise EncoderError(f"{path}: its kinds {card.kind_codes} are not ours, {KIND_CODES}; train it again")
    network = build(card)
    check_shapes(path, tensors, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    return network, card


def check_items(path: Path, card: UserCard, projection: str) -> None:
    """Raise EncoderError unless an encoder was trained on the item vectors of this projection."""
    if card.item_projection != projection:
        raise EncoderError(
            f"{path} was trained on the item vectors of {card.item_projection}, but they are made by {projection}; "
            "train it again, or set encoder.projection_file to that projection"
        )


def save_network(path: Path, network: UserNetwork, card: UserCard) -> str:
    """Write trained weights and their card, as :func:`load_network` reads them; return their revision."""
    card = network.describe(card)
    return write_weights(path, {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}, card)
