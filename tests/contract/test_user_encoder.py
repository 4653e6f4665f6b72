"""What every user encoder promises, whatever stands behind it."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, FloatArray, HistoryBatch, IntArray, UserEncoder
from encoders.items import ItemMatrix
from encoders.projection import ItemProjection
from encoders.user.decay import DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.network import HISTORY, NetworkUserEncoder, UserNetwork
from encoders.user.transformer import TransformerNetwork

ITEMS = 40
USERS = 12
POSITIONS = 9


@pytest.fixture
def matrix() -> ItemMatrix:
    matrix = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS))
    matrix.set_rows(np.arange(ITEMS), _vectors(ITEMS, seed=1))
    return matrix


NETWORKS: dict[str, Callable[[], UserNetwork]] = {
    "decay untrained": DecayNetwork,
    "decay trained": lambda: DecayNetwork(hidden=16, half_lives_positions=(1.0, 5.0)),
    "gru untrained": GruNetwork,
    "gru trained": lambda: GruNetwork(hidden=24),
    "transformer untrained": TransformerNetwork,
    "transformer trained": TransformerNetwork,
}


@pytest.fixture(params=NETWORKS)
def encoder(request: pytest.FixtureRequest, matrix: ItemMatrix) -> UserEncoder:
    torch.manual_seed(4)
    network = NETWORKS[request.param]()
    if request.param.endswith("untrained"):
        return NetworkUserEncoder(matrix, network)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return NetworkUserEncoder(matrix, network, "test")


@pytest.fixture
def batch() -> HistoryBatch:
    random = np.random.default_rng(2)
    ages = -np.sort(-random.exponential(50_000, (USERS, POSITIONS)).astype(np.float32), axis=1)
    return HistoryBatch(
        rows=random.integers(0, ITEMS, (USERS, POSITIONS)),
        kinds=random.integers(KIND_CODES["click"], KIND_CODES["purchase"] + 1, (USERS, POSITIONS)),
        ages=ages - ages[:, -1:],
    )


def test_vectors_are_float32_of_unit_length(encoder: UserEncoder, batch: HistoryBatch) -> None:
    vectors = encoder.encode(batch)
    assert vectors.shape == (USERS, ITEM_DIMENSIONS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_encoding_is_pure(encoder: UserEncoder, batch: HistoryBatch) -> None:
    before = [batch.rows.copy(), batch.kinds.copy(), batch.ages.copy()]
    np.testing.assert_array_equal(encoder.encode(batch), encoder.encode(batch))
    for array, kept in zip((batch.rows, batch.kinds, batch.ages), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_users_differ(encoder: UserEncoder, batch: HistoryBatch) -> None:
    vectors = encoder.encode(batch)
    assert ((vectors @ vectors.T)[~np.eye(USERS, dtype=bool)] < 0.999).all()


def test_padding_changes_nothing(encoder: UserEncoder, batch: HistoryBatch) -> None:
    left = ((0, 0), (7, 0))
    padded = HistoryBatch(
        np.pad(batch.rows, left, constant_values=-1), np.pad(batch.kinds, left), np.pad(batch.ages, left)
    )
    _assert_close(encoder.encode(padded), encoder.encode(batch))


def test_the_rest_of_the_batch_changes_nothing(encoder: UserEncoder, batch: HistoryBatch) -> None:
    together = encoder.encode(batch)
    alone = [encoder.encode(_pick(batch, slice(user, user + 1))) for user in range(USERS)]
    _assert_close(np.concatenate(alone), together)


def test_the_order_of_positions_changes_nothing(encoder: UserEncoder, batch: HistoryBatch) -> None:
    order = np.random.default_rng(3).permutation(POSITIONS)
    shuffled = HistoryBatch(batch.rows[:, order], batch.kinds[:, order], batch.ages[:, order])
    _assert_close(encoder.encode(shuffled), encoder.encode(batch))


def test_positions_without_an_item_vector_do_not_count(
    encoder: UserEncoder, batch: HistoryBatch, matrix: ItemMatrix
) -> None:
    gone = int(batch.rows[0, -1])
    absent = dataclasses.replace(batch, rows=np.where(batch.rows == gone, -1, batch.rows))
    beyond = dataclasses.replace(batch, rows=np.where(batch.rows == gone, ITEMS + 5, batch.rows))
    expected = encoder.encode(absent)
    _assert_close(encoder.encode(beyond), expected)
    matrix.clear_row(gone)
    _assert_close(encoder.encode(batch), expected)


def test_no_history_gives_the_zero_vector(encoder: UserEncoder, batch: HistoryBatch) -> None:
    empty = HistoryBatch(np.full_like(batch.rows, -1), np.zeros_like(batch.kinds), np.zeros_like(batch.ages))
    assert not encoder.encode(empty).any()
    assert encoder.encode(_pick(batch, slice(0, 0))).shape == (0, ITEM_DIMENSIONS)
    nothing = HistoryBatch(np.zeros((2, 0), np.int64), np.zeros((2, 0), np.int64), np.zeros((2, 0), np.float32))
    np.testing.assert_array_equal(encoder.encode(nothing), np.zeros((2, ITEM_DIMENSIONS), np.float32))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_matrix_without_items_gives_the_zero_vector(network: Callable[[], UserNetwork], batch: HistoryBatch) -> None:
    empty = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS))
    assert not NetworkUserEncoder(empty, network()).encode(batch).any()


def test_what_was_only_shown_does_not_count(encoder: UserEncoder, batch: HistoryBatch) -> None:
    kinds = batch.kinds.copy()
    kinds[:, -1] = KIND_CODES["impression"]
    shown = dataclasses.replace(batch, kinds=kinds)
    _assert_close(encoder.encode(shown), encoder.encode(dataclasses.replace(batch, rows=_without_last(batch.rows))))
    assert not encoder.encode(_pick(shown, slice(0, 3), slice(-1, None))).any()


def test_a_later_position_changes_the_vector(encoder: UserEncoder, batch: HistoryBatch) -> None:
    shorter = encoder.encode(dataclasses.replace(batch, rows=_without_last(batch.rows)))
    assert (np.sum(shorter * encoder.encode(batch), axis=1) < 0.9999).all()


def test_only_the_latest_positions_are_seen(encoder: UserEncoder, matrix: ItemMatrix) -> None:
    random = np.random.default_rng(7)
    rows = random.integers(0, ITEMS, (3, HISTORY + 20))
    kinds = np.full(rows.shape, KIND_CODES["view"])
    ages = np.tile(np.arange(rows.shape[1], 0, -1, dtype=np.float32), (3, 1))
    long = HistoryBatch(rows, kinds, ages)
    _assert_close(encoder.encode(long), encoder.encode(_pick(long, slice(None), slice(-HISTORY, None))))


def test_equal_ages_leave_the_order_as_it_was(encoder: UserEncoder, batch: HistoryBatch) -> None:
    tied = dataclasses.replace(batch, ages=np.zeros_like(batch.ages))
    vectors = encoder.encode(tied)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors, encoder.encode(tied))


def test_the_model_is_named(encoder: UserEncoder) -> None:
    kind, _, revision = encoder.model.partition("/")
    assert kind in {"decay", "gru", "transformer"}
    assert revision in {"untrained", "test"}


def test_a_growing_matrix_changes_nothing(encoder: UserEncoder, batch: HistoryBatch, matrix: ItemMatrix) -> None:
    before = encoder.encode(batch)
    matrix.set_rows(np.arange(ITEMS, 3000), _vectors(3000 - ITEMS, seed=9))
    _assert_close(encoder.encode(batch), before)


def _pick(batch: HistoryBatch, users: slice, positions: slice = slice(None)) -> HistoryBatch:
    part = users, positions
    return HistoryBatch(batch.rows[part], batch.kinds[part], batch.ages[part])


def _without_last(rows: IntArray) -> IntArray:
    rows = rows.copy()
    rows[:, -1] = -1
    return rows


def _vectors(count: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((count, ITEM_DIMENSIONS)).astype(np.float32)


def _assert_close(found: FloatArray, expected: FloatArray) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
