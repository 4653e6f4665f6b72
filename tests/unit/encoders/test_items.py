import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders import items
from encoders.base import ITEM_DIMENSIONS, FloatArray, IntArray
from encoders.items import ItemMatrix, item_text, text_hash
from encoders.projection import ItemProjection, normalise


def _unit(count: int, seed: int) -> FloatArray:
    return normalise(np.random.default_rng(seed).standard_normal((count, ITEM_DIMENSIONS)))


def _matrix(vectors: FloatArray, capacity: int = 1024) -> ItemMatrix:
    matrix = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS), capacity=capacity)
    matrix.set_rows(np.arange(len(vectors)), vectors)
    return matrix


def _brute_force(users: FloatArray, matrix: ItemMatrix, k: int) -> tuple[FloatArray, IntArray]:
    scores = np.full((len(users), k), -np.inf, np.float32)
    rows = np.full((len(users), k), -1, np.int64)
    exact = np.sum(users[:, None, :].astype(np.float64) * matrix.vectors, axis=2).astype(np.float32)
    for user in range(len(users)):
        if not users[user].any():
            continue
        order = sorted(np.flatnonzero(matrix.present), key=lambda row: (-exact[user, row], row))[:k]
        rows[user, : len(order)] = order
        scores[user, : len(order)] = exact[user, order]
    return scores, rows


@pytest.mark.parametrize(
    ("title", "brand", "category", "text"),
    [
        ("Red mug", None, None, "Red mug"),
        ("Red mug", "Emma", "Kitchen > Mugs", "Red mug, Emma, Kitchen, Mugs"),
        ("EMMA red  mug ", "Emma", "", "EMMA red mug"),
        ("", "Emma", "Mugs", "Emma, Mugs"),
        ("", None, None, ""),
    ],
)
def test_item_text_is_title_then_brand_then_category(
    title: str, brand: str | None, category: str | None, text: str
) -> None:
    assert item_text(title, brand, category) == text


def test_a_text_hash_is_of_model_and_text() -> None:
    hashes = {text_hash(model, text) for model in ("m/1", "m/2", "") for text in ("mug", "mugs", "")}
    assert len(hashes) == 9
    assert all(len(digest) == 16 for digest in hashes)
    assert text_hash("m/1", "mug").hex() == "e65d4fd56225da0ac830cf964d35717e"


def test_rows_are_kept_as_numbered_while_capacity_grows() -> None:
    matrix = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS), capacity=2)
    vectors = _unit(50, seed=0)
    for start in (30, 0, 10, 20, 40):
        rows = np.arange(start, start + 10)
        matrix.set_rows(rows, vectors[rows])
    np.testing.assert_allclose(matrix.vectors, vectors, atol=1e-6)
    np.testing.assert_array_equal(matrix.resident[:50].numpy(), matrix.vectors)
    assert matrix.present.all()


def test_gaps_and_cleared_rows_have_no_vector() -> None:
    matrix = _matrix(_unit(3, seed=0))
    matrix.set_rows(np.array([6]), _unit(1, seed=1))
    matrix.clear_row(1)
    matrix.clear_row(99)
    assert matrix.present.tolist() == [True, False, True, False, False, False, True]
    assert not matrix.vectors[~matrix.present].any()
    _, rows = matrix.topk(_unit(4, seed=2), 7)
    assert {row for row in rows.flatten().tolist() if row >= 0} == {0, 2, 6}


def test_a_cleared_row_may_come_back() -> None:
    vectors = _unit(3, seed=0)
    matrix = _matrix(vectors)
    matrix.clear_row(1)
    matrix.set_rows(np.array([1]), vectors[1:2])
    assert matrix.topk(vectors[1:2], 1)[1].tolist() == [[1]]


def test_setting_nothing_changes_nothing_and_negative_rows_are_refused() -> None:
    matrix = _matrix(_unit(3, seed=0))
    before = matrix.vectors.copy()
    matrix.set_rows(np.zeros(0, np.int64), np.zeros((0, ITEM_DIMENSIONS), np.float32))
    with pytest.raises(IndexError, match="row -1 is negative"):
        matrix.set_rows(np.array([0, -1]), _unit(2, seed=1))
    np.testing.assert_array_equal(matrix.vectors, before)


def test_views_cannot_be_written() -> None:
    matrix = _matrix(_unit(3, seed=0))
    with pytest.raises(ValueError, match="read-only"):
        matrix.vectors[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        matrix.present[0] = False


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 60),
    st.integers(1, 12),
    st.integers(1, 70),
    st.integers(1, 60),
    st.integers(0, 10_000),
    st.booleans(),
)
def test_topk_is_exact_with_ties_by_row(
    count: int, users: int, k: int, distinct: int, seed: int, some_cleared: bool
) -> None:
    random = np.random.default_rng(seed)
    # Few distinct vectors for many rows: ties everywhere, at the border of k too.
    matrix = _matrix(_unit(distinct, seed)[random.integers(0, distinct, count)])
    if some_cleared:
        for row in random.integers(0, count, count // 3).tolist():
            matrix.clear_row(row)
    queries = _unit(users, seed + 1)
    queries[random.random(users) < 0.1] = 0
    scores, rows = matrix.topk(queries, k)
    expected_scores, expected_rows = _brute_force(queries, matrix, k)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    np.testing.assert_array_equal(rows, expected_rows)
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64


def test_equal_items_come_in_order_of_their_rows_at_every_size() -> None:
    vectors = _unit(3001, seed=3)
    twins = np.sort(np.random.default_rng(4).choice(3001, 40, replace=False))
    vectors[twins] = vectors[twins[0]]
    matrix = _matrix(vectors)
    for users in (1, 2, 3, 7, 64):
        queries = np.repeat(vectors[twins[:1]], users, axis=0)
        for k in (5, 25, 40):
            assert (matrix.topk(queries, k)[1] == twins[:k]).all()


def test_more_twins_than_the_margin_still_come_in_order_of_their_rows() -> None:
    vectors = _unit(1025, seed=3)
    vectors[5:1000] = vectors[5]
    assert (_matrix(vectors).topk(vectors[5:8], 10)[1] == np.arange(5, 15)).all()


def test_scores_do_not_depend_on_the_batch() -> None:
    matrix, queries = _matrix(_unit(500, seed=5)), _unit(37, seed=6)
    together, rows = matrix.topk(queries, 20)
    for user in range(37):
        alone, its_rows = matrix.topk(queries[user : user + 1], 20)
        np.testing.assert_array_equal(alone[0], together[user])
        np.testing.assert_array_equal(its_rows[0], rows[user])


def test_users_are_taken_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, queries = _matrix(_unit(100, seed=5)), _unit(23, seed=6)
    whole = matrix.topk(queries, 5)
    monkeypatch.setattr(items, "MAX_SCORES", 400)
    sliced = matrix.topk(queries, 5)
    np.testing.assert_array_equal(whole[1], sliced[1])
    np.testing.assert_allclose(whole[0], sliced[0], atol=1e-6)


def test_without_items_or_users_nothing_is_found() -> None:
    empty = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS))
    scores, rows = empty.topk(_unit(2, seed=0), 3)
    assert (rows == -1).all()
    assert np.isneginf(scores).all()
    assert _matrix(_unit(5, seed=0)).topk(np.zeros((0, ITEM_DIMENSIONS), np.float32), 3)[1].shape == (0, 3)
    assert empty.category_vectors(np.zeros(0, np.int64), 2).shape == (2, ITEM_DIMENSIONS)


def test_category_vectors_are_the_normalised_means_of_their_items() -> None:
    vectors = _unit(8, seed=7)
    matrix = _matrix(vectors)
    matrix.clear_row(3)
    found = matrix.category_vectors(np.array([0, 0, 2, 2, 2, -1, 2, 0]), 4)
    for category, rows in ((0, [0, 1, 7]), (2, [2, 4, 6])):
        mean = vectors[rows].mean(axis=0)
        np.testing.assert_allclose(found[category], mean / np.linalg.norm(mean), atol=1e-6)
    assert not found[[1, 3]].any()


def test_category_vectors_are_kept_until_a_row_or_a_category_changes() -> None:
    vectors = _unit(4, seed=1)
    matrix = _matrix(vectors)
    codes = np.array([0, 0, 1, 1])
    found = matrix.category_vectors(codes, 2)
    assert matrix.category_vectors(codes.copy(), 2) is found
    codes[0] = 1
    moved = matrix.category_vectors(codes, 2)
    np.testing.assert_allclose(moved[0], vectors[1], atol=1e-6)
    matrix.clear_row(1)
    assert not matrix.category_vectors(codes, 2)[0].any()
    assert matrix.category_vectors(codes, 3).shape == (3, ITEM_DIMENSIONS)


def test_category_vectors_take_more_or_fewer_rows_than_have_vectors() -> None:
    vectors = _unit(4, seed=8)
    matrix = _matrix(vectors)
    np.testing.assert_allclose(matrix.category_vectors(np.array([1, -1]), 2)[1], vectors[0], atol=1e-6)
    longer = matrix.category_vectors(np.array([0, 0, 0, 1, 1, 1]), 2)
    np.testing.assert_allclose(longer[1], vectors[3], atol=1e-6)
