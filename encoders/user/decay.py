"""The default user encoder: decayed means of the items of a history at several half-lives, and a small MLP.

For every half-life H: z_H = Σ a(kind)·2^(-age/H)·v_item / Σ a(kind)·2^(-age/H); then
h = Σ softmax(mix)_H · z_H + MLP([z, log of span, log of count]), at unit length. Sums do not depend on the order of
arrival, so replays and late events cannot change the result. Untrained it mixes evenly and has no MLP, which needs no
data and serves from the first click on.
"""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, EncoderError, FloatArray, HistoryBatch, IntArray
from encoders.card import Card, check_shapes, read_weights, write_weights
from encoders.items import ItemMatrix
from encoders.projection import normalise

FORMAT = "interestream.user.decay/1"

HALF_LIVES_SECONDS = (0.0, 3_600.0, 86_400.0, 30 * 86_400.0)
"""The last item alone (0), then an hour, a day and a month."""

KIND_WEIGHTS = {"impression": 0.0, "click": 1.0, "view": 1.0, "add_to_cart": 3.0, "purchase": 5.0}
"""a(kind) before training. What was merely shown says nothing of the user."""

FEATURES = 2
"""Scalars beside the means that the MLP sees."""

MAX_POSITIONS = 262_144
"""History positions on the device at once: 64 MB of vectors."""


class DecayCard(Card, kw_only=True):
    """What a trained decay encoder was trained with."""

    item_projection: str
    half_lives_seconds: list[float]
    kind_codes: dict[str, int]
    hidden: int
    dimensions: int = ITEM_DIMENSIONS


class DecayNetwork(nn.Module):
    """The parameters. ``hidden`` = 0: no MLP. A new MLP's last layer is zero, so it starts by adding nothing."""

    half_lives: Tensor

    def __init__(self, half_lives_seconds: tuple[float, ...] = HALF_LIVES_SECONDS, hidden: int = 0) -> None:
        super().__init__()
        weights = torch.zeros(max(KIND_CODES.values()) + 1)
        for kind, code in KIND_CODES.items():
            weights[code] = KIND_WEIGHTS[kind]
        self.kind_weights = nn.Parameter(weights)
        self.mix = nn.Parameter(torch.zeros(len(half_lives_seconds)))
        self.register_buffer("half_lives", torch.tensor(half_lives_seconds), persistent=False)
        self.mlp: nn.Sequential | None = None
        if hidden:
            last = nn.Linear(hidden, ITEM_DIMENSIONS)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            first = nn.Linear(len(half_lives_seconds) * ITEM_DIMENSIONS + FEATURES, hidden)
            self.mlp = nn.Sequential(first, nn.GELU(), last)

    def forward(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> Tensor:
        """Return (B, d), not normalised.

        vectors: (B, N, d); kinds: (B, N) codes; ages: (B, N) seconds; known: (B, N) whether the position counts.
        """
        weights = self.kind_weights.clamp(min=0)[kinds] * known
        means = decayed_means(vectors, weights, ages, self.half_lives)
        mixed = torch.einsum("k,bkd->bd", self.mix.softmax(dim=0), means)
        if self.mlp is None:
            return mixed
        oldest = (ages * known).amax(dim=1, keepdim=True)
        features = torch.log1p(torch.cat([oldest, known.sum(dim=1, keepdim=True)], dim=1))
        # A user without any known item stays zero, whatever the MLP's biases are.
        correction: Tensor = self.mlp(torch.cat([means.flatten(1), features], dim=1))
        return mixed + correction * (weights > 0).any(dim=1, keepdim=True)


def decayed_means(vectors: Tensor, weights: Tensor, ages: Tensor, half_lives: Tensor) -> Tensor:
    """Return (B, K, d): the mean of each user's vectors (B, N, d) under weights (B, N) · 2^(-age/half-life).

    ages: (B, N) seconds; half_lives: (K,) seconds, 0 takes the youngest positions alone. Ages are counted from the
    youngest position that weighs: this changes no mean, and no exponent underflows for it. Without any weight: zero.
    """
    weighs = weights > 0
    youngest = ages.masked_fill(~weighs, torch.inf).amin(dim=1, keepdim=True)
    relative = torch.where(weighs, ages - youngest, 0.0)[:, None, :]
    instant = (half_lives == 0)[None, :, None]
    factors = torch.exp2(-relative / torch.where(half_lives == 0, 1.0, half_lives)[None, :, None])
    shares = weights[:, None, :] * torch.where(instant, (relative == 0).to(factors.dtype), factors)
    total = shares.sum(dim=2, keepdim=True)
    return (shares / torch.where(total > 0, total, 1.0)) @ vectors


class DecayUserEncoder:
    """:class:`encoders.base.UserEncoder` over a resident item matrix.

    Everything is float32, on GPUs too: it is bound by memory, and a user's vector must not depend on the batch.
    """

    def __init__(self, matrix: ItemMatrix, network: DecayNetwork | None = None, revision: str = "untrained") -> None:
        self._matrix = matrix
        self._network = (network or DecayNetwork()).to(matrix.resident.device).eval()
        self._revision = revision

    @property
    def model(self) -> str:
        """``decay/untrained``, or ``decay/`` and the weights' revision."""
        return f"decay/{self._revision}"

    def encode(self, batch: HistoryBatch) -> FloatArray:
        """Return (B, d) float32 of unit length; zero without any known item that more than an impression was of."""
        users, positions = batch.rows.shape
        vectors = np.zeros((users, ITEM_DIMENSIONS), np.float32)
        if not positions:
            return vectors
        step = max(1, MAX_POSITIONS // positions)
        for start in range(0, users, step):
            part = slice(start, start + step)
            vectors[part] = self._forward(batch.rows[part], batch.kinds[part], batch.ages[part])
        return normalise(vectors)

    @torch.inference_mode()
    def _forward(self, rows: IntArray, kinds: IntArray, ages: FloatArray) -> FloatArray:
        present = self._matrix.present
        known = (rows >= 0) & (rows < len(present)) & (kinds > 0)
        rows = np.where(known, rows, 0)
        known[known] = present[rows[known]]
        device = self._matrix.resident.device
        gathered = self._matrix.resident[torch.from_numpy(rows).to(device)]
        tensors = (torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (kinds, ages, known))
        output: Tensor = self._network(gathered, *tensors)
        return output.cpu().numpy()

    @classmethod
    def load(cls, path: Path, matrix: ItemMatrix) -> Self:
        """Load trained weights. Raises EncoderError when they are damaged or do not fit the item vectors or kinds."""
        tensors, card = read_weights(path, DecayCard, FORMAT)
        if card.kind_codes != KIND_CODES:
            raise EncoderError(f"{path}: its kinds {card.kind_codes} are not ours, {KIND_CODES}; train it again")
        if card.item_projection != matrix.projection.name:
            raise EncoderError(
                f"{path} was trained on the item vectors of {card.item_projection}, but they are made by "
                f"{matrix.projection.name}; train it again, or set encoder.projection_file to that projection"
            )
        network = DecayNetwork(tuple(card.half_lives_seconds), card.hidden)
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        check_shapes(path, tensors, wanted)
        network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
        return cls(matrix, network, card.revision)


def save_decay(path: Path, network: DecayNetwork, card: DecayCard) -> None:
    """Write trained weights and their card, as :meth:`DecayUserEncoder.load` reads them."""
    write_weights(path, {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}, card)
