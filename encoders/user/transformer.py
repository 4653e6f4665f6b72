"""The attention user encoder: two pre-norm layers over the last 50 positions correct the decayed mean.

h = Σ softmax(mix)_H · z_H + A·s, where s is the youngest position's output of a causal transformer (Vaswani et al.,
NeurIPS 2017; layer norms before the sublayers, Xiong et al., ICML 2020). Places in the history enter as a bias of the
attention by how many positions, and by how much time, lie between (as in T5, Raffel et al., JMLR 2020): so a history
means the same wherever it stands in a batch.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from encoders.base import ITEM_DIMENSIONS, EncoderError
from encoders.user.decay import HALF_LIVES_POSITIONS, HALF_LIVES_SECONDS, DecayedMix, described, zeroed
from encoders.user.gru import PositionInput
from encoders.user.network import HISTORY, UserCard, UserNetwork

FORMAT = "interestream.user.transformer/1"
LAYERS = 2
ATTENTION_HEADS = 2
FEED_FORWARD = 4
"""Width of the feed-forward layers, in d."""


class Layer(nn.Module):
    """Attention and a feed-forward network, each on the normalised input and added to it."""

    def __init__(self, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(ITEM_DIMENSIONS)
        self.query = nn.Linear(ITEM_DIMENSIONS, ITEM_DIMENSIONS)
        self.key_value = nn.Linear(ITEM_DIMENSIONS, 2 * ITEM_DIMENSIONS)
        self.attended = nn.Linear(ITEM_DIMENSIONS, ITEM_DIMENSIONS)
        self.before_feed = nn.LayerNorm(ITEM_DIMENSIONS)
        self.feed_in = nn.Linear(ITEM_DIMENSIONS, FEED_FORWARD * ITEM_DIMENSIONS)
        self.feed_out = nn.Linear(FEED_FORWARD * ITEM_DIMENSIONS, ITEM_DIMENSIONS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, bias: Tensor, queries: int) -> Tensor:
        """Return the last ``queries`` positions' (B, Q, d); states (B, N, d); bias (B, heads, N, N), -inf: unseen."""
        batch, positions, _ = states.shape
        normal = self.before_attention(states)
        split = (batch, -1, self.heads, ITEM_DIMENSIONS // self.heads)
        query = self.query(normal[:, positions - queries :]).view(split).transpose(1, 2)
        key, value = (part.view(split).transpose(1, 2) for part in self.key_value(normal).chunk(2, dim=2))
        found = scaled_dot_product_attention(query, key, value, attn_mask=bias[:, :, positions - queries :])
        found = found.transpose(1, 2).reshape(batch, queries, ITEM_DIMENSIONS)
        states = states[:, positions - queries :] + self.dropout(self.attended(found))
        fed: Tensor = self.feed_out(self.dropout(gelu(self.feed_in(self.before_feed(states)))))
        output: Tensor = states + self.dropout(fed)
        return output


class TransformerNetwork(UserNetwork):
    """The parameters. A new one adds nothing to the decayed mean."""

    kind = "transformer"
    format = FORMAT

    def __init__(
        self,
        half_lives_seconds: tuple[float, ...] = HALF_LIVES_SECONDS,
        layers: int = LAYERS,
        attention_heads: int = ATTENTION_HEADS,
        half_lives_positions: tuple[float, ...] = HALF_LIVES_POSITIONS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.decayed = DecayedMix(half_lives_seconds, half_lives_positions)
        self.told = PositionInput(dropout)
        self.by_distance = nn.Parameter(torch.zeros(attention_heads, HISTORY))
        self.by_time = nn.Parameter(torch.zeros(attention_heads))
        self.layers = nn.ModuleList([Layer(attention_heads, dropout) for _ in range(layers)])
        self.last_norm = nn.LayerNorm(ITEM_DIMENSIONS)
        self.out = zeroed(nn.Linear(ITEM_DIMENSIONS, ITEM_DIMENSIONS))

    def forward(self, vectors: Tensor, kinds: Tensor, ages: Tensor, known: Tensor) -> Tensor:
        """See :meth:`UserNetwork.forward`."""
        means, weighs = self.decayed.means(vectors, kinds, ages, known)
        states = self.told(vectors, kinds, ages, known)
        bias = self._bias(ages, known)
        positions = states.shape[1]
        for number, layer in enumerate(self.layers, start=1):
            states = layer(states, bias, 1 if number == len(self.layers) else positions)
        state: Tensor = self.out(self.last_norm(states[:, -1]))
        return self.decayed.mixed(means) + state * weighs

    def _bias(self, ages: Tensor, known: Tensor) -> Tensor:
        """Return (B, heads, N, N): what query (third) sees of key (fourth); -inf for padding and what comes later."""
        places = torch.arange(ages.shape[1], device=ages.device)
        distance = places[:, None] - places[None, :]
        between = torch.log1p((ages[:, None, :] - ages[:, :, None]).clamp(min=0))
        bias = (
            self.by_distance[:, distance.clamp(0, HISTORY - 1)] + self.by_time[None, :, None, None] * between[:, None]
        )
        # A padded query sees itself: a row of nothing but -inf has no softmax.
        seen = (known[:, None, :] & (distance >= 0)) | (distance == 0)
        return bias.masked_fill(~seen[:, None], -torch.inf)

    def describe(self, card: UserCard) -> UserCard:
        """See :meth:`UserNetwork.describe`."""
        return described(card, self.decayed, layers=len(self.layers), attention_heads=len(self.by_time))

    @classmethod
    def of(cls, card: UserCard) -> Self:
        """See :meth:`UserNetwork.of`."""
        if card.attention_heads < 1 or ITEM_DIMENSIONS % card.attention_heads or card.layers < 1:
            raise EncoderError(f"no transformer has {card.layers} layers and {card.attention_heads} heads")
        lives = tuple(card.half_lives_seconds), tuple(card.half_lives_positions)
        return cls(lives[0], card.layers, card.attention_heads, lives[1])
