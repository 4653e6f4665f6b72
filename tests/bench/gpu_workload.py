"""What the encoders are timed with: made-up histories over a made-up catalogue, and real titles, always the same."""

import numpy as np
import torch

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, FloatArray, HistoryBatch
from encoders.device import Device
from encoders.fidelity import PROBE_TITLES
from encoders.items import ItemMatrix
from encoders.projection import ItemProjection, normalise
from encoders.user.decay import HALF_LIVES_POSITIONS, HALF_LIVES_SECONDS, DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.network import HISTORY, UserNetwork
from encoders.user.transformer import TransformerNetwork

KINDS = ("decay", "gru", "transformer")


def matrix_of(items: int, device: Device) -> ItemMatrix:
    """Return a full item matrix on the device, the same numbers on every one."""
    vectors: FloatArray = normalise(np.random.default_rng(1).standard_normal((items, ITEM_DIMENSIONS)))
    matrix = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS), device, capacity=items)
    matrix.set_rows(np.arange(items), vectors)
    return matrix


def network_of(kind: str) -> UserNetwork:
    """Return a network of the size that `train user` builds, its output shaken so that no part is idle."""
    torch.manual_seed(1)
    network: UserNetwork
    if kind == "decay":
        network = DecayNetwork(HALF_LIVES_SECONDS, 128, HALF_LIVES_POSITIONS)
    else:
        network = GruNetwork(hidden=128) if kind == "gru" else TransformerNetwork()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return network


def histories_of(users: int, items: int) -> HistoryBatch:
    """Return histories of the full length: the dearest that encoders meet."""
    random = np.random.default_rng(2)
    ages = np.sort(random.exponential(86_400.0, (users, HISTORY)).astype(np.float32), axis=1)[:, ::-1]
    return HistoryBatch(
        rows=random.integers(0, items, (users, HISTORY)),
        kinds=random.integers(KIND_CODES["click"], KIND_CODES["purchase"] + 1, (users, HISTORY)),
        ages=np.ascontiguousarray(ages),
    )


def titles_of(count: int) -> list[str]:
    """Return real titles, numbered so that none is met twice."""
    titles = PROBE_TITLES.read_text(encoding="utf-8").splitlines()
    return [f"{titles[number % len(titles)]} {number // len(titles)}" for number in range(count)]
