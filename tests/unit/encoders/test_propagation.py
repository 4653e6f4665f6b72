import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, FloatArray, IntArray
from encoders.heads import interest_scores
from encoders.projection import normalise
from encoders.user.propagation import ALPHA, propagate


def _unit(count: int, seed: int) -> FloatArray:
    return normalise(np.random.default_rng(seed).standard_normal((count, ITEM_DIMENSIONS)))


@pytest.fixture
def users() -> FloatArray:
    return _unit(5, seed=0)


@pytest.fixture
def categories() -> FloatArray:
    vectors = _unit(7, seed=1)
    vectors[6] = 0
    return vectors


def _edges(*edges: tuple[int, int, float]) -> tuple[IntArray, IntArray, FloatArray]:
    users, categories, weights = zip(*edges, strict=True)
    return np.array(users), np.array(categories), np.array(weights, np.float32)


EDGES = _edges((0, 1, 3.0), (2, 4, 1.0), (0, 2, 1.0), (3, 6, 2.0), (2, 0, 9.0))


def test_a_user_moves_towards_its_categories_by_their_shares(users: FloatArray, categories: FloatArray) -> None:
    moved = propagate(users, *EDGES, categories)
    around = 0.75 * categories[1] + 0.25 * categories[2]
    expected = (1 - ALPHA) * users[0] + ALPHA * around
    np.testing.assert_allclose(moved[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)


def test_users_without_a_known_category_stay(users: FloatArray, categories: FloatArray) -> None:
    moved = propagate(users, *EDGES, categories)
    np.testing.assert_allclose(moved[[1, 3, 4]], users[[1, 3, 4]], atol=1e-6)


def test_only_the_proportions_of_weights_matter(users: FloatArray, categories: FloatArray) -> None:
    edge_users, edge_categories, weights = EDGES
    doubled = propagate(users, edge_users, edge_categories, weights * 1e-3, categories)
    np.testing.assert_allclose(doubled, propagate(users, *EDGES, categories), atol=1e-6)


def test_the_order_of_edges_and_the_rest_of_the_batch_change_nothing(users: FloatArray, categories: FloatArray) -> None:
    whole = propagate(users, *EDGES, categories)
    order = np.array([4, 2, 0, 3, 1])
    edge_users, edge_categories, weights = EDGES
    shuffled = propagate(users, edge_users[order], edge_categories[order], weights[order], categories)
    np.testing.assert_allclose(shuffled, whole, atol=1e-6)
    own = edge_users == 2
    alone = propagate(users[2:3], edge_users[own] - 2, edge_categories[own], weights[own], categories)
    np.testing.assert_allclose(alone[0], whole[2], atol=1e-6)


def test_alpha_zero_changes_nothing_and_one_leaves_the_neighbourhood(users: FloatArray, categories: FloatArray) -> None:
    edges = _edges((0, 3, 2.0))
    np.testing.assert_allclose(propagate(users, *edges, categories, alpha=0), users, atol=1e-6)
    np.testing.assert_allclose(propagate(users, *edges, categories, alpha=1)[0], categories[3], atol=1e-6)


def test_a_user_without_a_vector_gets_the_direction_of_its_edges(categories: FloatArray) -> None:
    nobody = np.zeros((2, ITEM_DIMENSIONS), np.float32)
    moved = propagate(nobody, *_edges((0, 5, 1.0)), categories)
    np.testing.assert_allclose(moved[0], categories[5], atol=1e-6)
    assert not moved[1].any()


def test_no_edges_and_no_users_are_fine(users: FloatArray, categories: FloatArray) -> None:
    none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    np.testing.assert_allclose(propagate(users, *none, categories), users, atol=1e-6)
    assert propagate(users[:0], *none, categories).shape == (0, ITEM_DIMENSIONS)


def test_interest_scores_are_cosines(users: FloatArray, categories: FloatArray) -> None:
    scores = interest_scores(2 * users, categories)
    np.testing.assert_allclose(scores, users @ categories.T, atol=1e-6)
    assert not scores[:, 6].any()
    assert scores.dtype == np.float32
