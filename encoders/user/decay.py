"""The default user encoder: decayed means of the items of a history at several half-lives, and a small MLP.

For every half-life H: z_H = Σ a(kind)·2^(-age/H)·v_item / Σ a(kind)·2^(-age/H), where the age is in seconds or in
positions; then h = Σ softmax(mix)_H · z_H + MLP([z, log of span, log of count]), at unit length. Sums do not depend on
the order of arrival, so replays and late events cannot change the result. Untrained it mixes evenly and has no MLP,
which needs no data and serves from the first click on.
"""

from typing import Self

import msgspec
import torch
from torch import Tensor, nn

from encoders.base import ITEM_DIMENSIONS, KIND_CODES
from encoders.items import ItemMatrix
from encoders.user.network import NetworkUserEncoder, UserCard, UserNetwork

FORMAT = "interestream.user.decay/2"

HALF_LIVES_SECONDS = (0.0, 3_600.0, 86_400.0, 30 * 86_400.0)
"""The last item alone (0), then an hour, a day and a month."""

HALF_LIVES_POSITIONS = (1.0, 3.1, 22.8)
"""Of a trained encoder besides: a factor of .5, .8 and .97 for every younger interaction, whatever the clock says."""

KIND_WEIGHTS = {"impression": 0.0, "click": 1.0, "view": 1.0, "add_to_cart": 3.0, "purchase": 5.0}
"""a(kind) before training. What was merely shown says nothing of the user."""

FEATURES = 2
"""Scalars beside the means that the MLP sees."""


class DecayedMix(nn.Module):
    """Σ softmax(mix)_H · z_H, which the other encoders start from too."""

    half_lives: Tensor
    half_positions: Tensor

    def __init__(self, half_lives_seconds: tuple[float, ...], half_lives_positions: tuple[float, ...] = ()) -> None:
        super().__init__()
        weights = torch.zeros(max(KIND_CODES.values()) + 1)
        for kind, code in KIND_CODES.items():
            weights[code] = KIND_WEIGHTS[kind]
        self.kind_weights = nn.Parameter(weights)
        self.mix = nn.Parameter(torch.zeros(len(half_lives_seconds) + len(half_lives_positions)))
        self.register_buffer("half_lives", torch.tensor(half_lives_seconds), persistent=False)
        self.register_buffer("half_positions", torch.tensor(half_lives_positions), persistent=False)

    def means(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means (B, K, d), and (B, 1) whether anything weighs. Arguments as for the network."""
        weights = self.kind_weights.clamp(min=0)[kinds] * known
        means = decayed_means(vectors, weights, ages, self.half_lives)
        if len(self.half_positions):
            by_position = decayed_means(vectors, weights, positions_before(ages, weights), self.half_positions)
            means = torch.cat([means, by_position], dim=1)
        return means, (weights > 0).any(dim=1, keepdim=True)

    def mixed(self, means: Tensor) -> Tensor:
        """Return (B, d) for means (B, K, d)."""
        return torch.einsum("k,bkd->bd", self.mix.softmax(dim=0), means)


class DecayNetwork(UserNetwork):
    """The parameters. ``hidden`` = 0: no MLP. A new MLP's last layer is zero, so it starts by adding nothing."""

    kind = "decay"
    format = FORMAT

    def __init__(
        self,
        half_lives_seconds: tuple[float, ...] = HALF_LIVES_SECONDS,
        hidden: int = 0,
        half_lives_positions: tuple[float, ...] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.decayed = DecayedMix(half_lives_seconds, half_lives_positions)
        self.hidden = hidden
        self.mlp: nn.Sequential | None = None
        if hidden:
            scales = len(half_lives_seconds) + len(half_lives_positions)
            first = nn.Linear(scales * ITEM_DIMENSIONS + FEATURES, hidden)
            self.mlp = nn.Sequential(first, nn.GELU(), zeroed(nn.Linear(hidden, ITEM_DIMENSIONS)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> Tensor:
        """See :meth:`UserNetwork.forward`."""
        means, weighs = self.decayed.means(vectors, kinds, ages, known)
        mixed = self.decayed.mixed(means)
        if self.mlp is None:
            return mixed
        oldest = (ages * known).amax(dim=1, keepdim=True)
        features = torch.log1p(torch.cat([oldest, known.sum(dim=1, keepdim=True)], dim=1))
        # A user without any known item stays zero, whatever the MLP's biases are.
        correction: Tensor = self.mlp(torch.cat([self.dropout(means).flatten(1), features], dim=1))
        return mixed + correction * weighs

    def describe(self, card: UserCard) -> UserCard:
        """See :meth:`UserNetwork.describe`."""
        return described(card, self.decayed, hidden=self.hidden)

    @classmethod
    def of(cls, card: UserCard) -> Self:
        """See :meth:`UserNetwork.of`."""
        return cls(tuple(card.half_lives_seconds), card.hidden, tuple(card.half_lives_positions))


def described(card: UserCard, decayed: DecayedMix, **sizes: int) -> UserCard:
    """Return the card with the half-lives and sizes of a network."""
    lives = {"half_lives_seconds": decayed.half_lives.tolist(), "half_lives_positions": decayed.half_positions.tolist()}
    return msgspec.structs.replace(card, **lives, **sizes)


def zeroed(layer: nn.Linear) -> nn.Linear:
    """Return the layer with weights and biases of zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


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


def positions_before(ages: Tensor, weights: Tensor) -> Tensor:
    """Return (B, N) float: how many positions that weigh are younger; those of one moment share their number."""
    younger = (ages[:, None, :] < ages[:, :, None]) & (weights > 0)[:, None, :]
    return younger.sum(dim=2).to(ages.dtype)


class DecayUserEncoder(NetworkUserEncoder):
    """The untrained encoder by default."""

    def __init__(self, matrix: ItemMatrix, network: DecayNetwork | None = None, revision: str = "untrained") -> None:
        super().__init__(matrix, network or DecayNetwork(), revision)
