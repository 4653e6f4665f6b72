"""The recurrent user encoder: a GRU reads the history in its order, and corrects the decayed mean.

h = Σ softmax(mix)_H · z_H + A·s, where s is the state of a GRU (Cho et al., EMNLP 2014) after the youngest position.
The state is never kept between calls: it depends on the order of arrival, and a late event or a replay would show.
"""

from typing import Self

import torch
from torch import Tensor, nn

from encoders.base import ITEM_DIMENSIONS, KIND_CODES
from encoders.user.decay import HALF_LIVES_POSITIONS, HALF_LIVES_SECONDS, DecayedMix, described, zeroed
from encoders.user.network import UserCard, UserNetwork

FORMAT = "interestream.user.gru/1"
HIDDEN = 96


class PositionInput(nn.Module):
    """What a position tells beside its item: its kind, and the time to the position before it."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.kinds = nn.Embedding(max(KIND_CODES.values()) + 1, ITEM_DIMENSIONS)
        nn.init.normal_(self.kinds.weight, std=0.02)
        self.gap = zeroed(nn.Linear(1, ITEM_DIMENSIONS))
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> Tensor:
        """Return (B, N, d); arguments as for the network."""
        before = torch.cat([ages[:, :1], ages[:, :-1]], dim=1)
        follows = torch.cat([torch.zeros_like(known[:, :1]), known[:, :-1]], dim=1)
        gaps = torch.log1p(torch.where(follows, before - ages, 0.0).clamp(min=0))[:, :, None]
        told: Tensor = self.dropout(vectors * ITEM_DIMENSIONS**0.5 + self.kinds(kinds) + self.gap(gaps))
        return told * known[:, :, None]


class GruNetwork(UserNetwork):
    """The parameters. A new one adds nothing to the decayed mean."""

    kind = "gru"
    format = FORMAT

    def __init__(
        self,
        half_lives_seconds: tuple[float, ...] = HALF_LIVES_SECONDS,
        hidden: int = HIDDEN,
        half_lives_positions: tuple[float, ...] = HALF_LIVES_POSITIONS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.decayed = DecayedMix(half_lives_seconds, half_lives_positions)
        self.told = PositionInput(dropout)
        self.gru = nn.GRU(ITEM_DIMENSIONS, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = zeroed(nn.Linear(hidden, ITEM_DIMENSIONS))

    def forward(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> Tensor:
        """See :meth:`UserNetwork.forward`."""
        means, weighs = self.decayed.means(vectors, kinds, ages, known)
        told = self.told(vectors, kinds, ages, known)
        # Padding moves behind the history, where it changes no state that is read.
        lengths = known.sum(dim=1)
        steps = told.shape[1]
        source = (torch.arange(steps, device=told.device)[None, :] + (steps - lengths)[:, None]) % steps
        states, _ = self.gru(told.gather(1, source[:, :, None].expand_as(told)))
        last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        state: Tensor = self.out(self.dropout(states.gather(1, last)[:, 0]))
        return self.decayed.mixed(means) + state * weighs

    def describe(self, card: UserCard) -> UserCard:
        """See :meth:`UserNetwork.describe`."""
        return described(card, self.decayed, hidden=self.gru.hidden_size)

    @classmethod
    def of(cls, card: UserCard) -> Self:
        """See :meth:`UserNetwork.of`."""
        return cls(tuple(card.half_lives_seconds), card.hidden, tuple(card.half_lives_positions))
