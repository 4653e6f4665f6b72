"""Small trained models: what a training would have left behind, without the training."""

import numpy as np
import torch

from encoders.base import ITEM_DIMENSIONS
from encoders.card import Card
from encoders.hashing import HashingTextEncoder
from encoders.heads import Heads, Task
from encoders.projection import ItemProjection
from encoders.user.model import TrainedParts
from encoders.user.network import UserNetwork

CARD = Card(format="", command="a test", data="made up", licence="CC0", attribution="nobody", metrics={"hr@10": 0.5})


def model_parts(network: UserNetwork, items: tuple[str, ...] = ("mug", "clock"), seed: int = 0) -> TrainedParts:
    """Return a shaken network, deltas of length 1 for the items, and two heads."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    random = np.random.default_rng(seed)
    deltas = random.standard_normal((len(items), ITEM_DIMENSIONS)).astype(np.float32)
    turn = np.linalg.qr(random.standard_normal((ITEM_DIMENSIONS, ITEM_DIMENSIONS)))[0].astype(np.float32)
    return TrainedParts(
        network=network,
        projection=ItemProjection("fitted", np.zeros(ITEM_DIMENSIONS, np.float32), turn),
        text_model=HashingTextEncoder().model,
        items=list(items),
        deltas=deltas / np.linalg.norm(deltas, axis=1, keepdims=True),
        heads=Heads(
            [Task.CROSS_SELL, Task.PURCHASE],
            random.standard_normal((2, ITEM_DIMENSIONS)).astype(np.float32),
            np.array([0.0, -1.0], np.float32),
        ),
    )
