"""What every user encoder promises, whatever stands behind it."""

import dataclasses

import numpy as np
import pytest
import torch

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, FloatArray, HistoryBatch, UserEncoder
from encoders.items import ItemMatrix
from encoders.projection import ItemProjection
from encoders.user.decay import DecayNetwork, DecayUserEncoder

ITEMS = 40
USERS = 12
POSITIONS = 9


@pytest.fixture
def matrix() -> ItemMatrix:
    matrix = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS))
    matrix.set_rows(np.arange(ITEMS), _vectors(ITEMS, seed=1))
    return matrix


@pytest.fixture(params=["decay untrained", "decay with an MLP"])
def encoder(request: pytest.FixtureRequest, matrix: ItemMatrix) -> UserEncoder:
    if request.param == "decay untrained":
        return DecayUserEncoder(matrix)
    network = DecayNetwork(hidden=16)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return DecayUserEncoder(matrix, network, "test")


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


def test_a_matrix_without_items_gives_the_zero_vector(batch: HistoryBatch) -> None:
    empty = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS))
    assert not DecayUserEncoder(empty).encode(batch).any()


def test_a_growing_matrix_changes_nothing(encoder: UserEncoder, batch: HistoryBatch, matrix: ItemMatrix) -> None:
    before = encoder.encode(batch)
    matrix.set_rows(np.arange(ITEMS, 3000), _vectors(3000 - ITEMS, seed=9))
    _assert_close(encoder.encode(batch), before)


def _pick(batch: HistoryBatch, users: slice) -> HistoryBatch:
    return HistoryBatch(batch.rows[users], batch.kinds[users], batch.ages[users])


def _vectors(count: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((count, ITEM_DIMENSIONS)).astype(np.float32)


def _assert_close(found: FloatArray, expected: FloatArray) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
