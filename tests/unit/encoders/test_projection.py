from pathlib import Path

import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, EncoderError, FloatArray
from encoders.projection import FORMAT, ItemProjection, ProjectionCard, normalise

CARD = ProjectionCard(format=FORMAT, text_model="small/1", text_dimensions=80)


def _vectors(count: int, dimensions: int, seed: int = 0) -> FloatArray:
    return normalise(np.random.default_rng(seed).standard_normal((count, dimensions)))


@pytest.fixture
def fitted() -> ItemProjection:
    random = np.random.default_rng(4)
    return ItemProjection(
        "fitted",
        (random.standard_normal(80) / 10).astype(np.float32),
        random.standard_normal((80, ITEM_DIMENSIONS)).astype(np.float32),
    )


def test_item_vectors_are_shifted_mapped_and_normalised(fitted: ItemProjection) -> None:
    texts = _vectors(5, 80)
    found = fitted.project(texts)
    expected = (texts.astype(np.float64) - fitted.mean) @ fitted.matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.dtype == np.float32


def test_what_was_learned_beyond_the_text_is_added_before_normalising(fitted: ItemProjection) -> None:
    texts, deltas = _vectors(3, 80), _vectors(3, ITEM_DIMENSIONS, seed=1)
    deltas[2] = 0
    expected = (texts - fitted.mean) @ fitted.matrix + deltas
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = fitted.project(texts, deltas)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found[2], fitted.project(texts[2:])[0], atol=1e-6)


def test_a_text_at_the_mean_has_no_vector(fitted: ItemProjection) -> None:
    assert not fitted.project(fitted.mean[None, :]).any()


def test_saved_and_loaded_is_the_same(fitted: ItemProjection, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    fitted.save(path, CARD)
    loaded = ItemProjection.load(path, "small/1")
    assert loaded.name.startswith("mine/")
    assert loaded.text_dimensions == 80
    texts = _vectors(4, 80)
    np.testing.assert_array_equal(loaded.project(texts), fitted.project(texts))


def test_another_text_model_is_refused(fitted: ItemProjection, tmp_path: Path) -> None:
    fitted.save(tmp_path / "mine.safetensors", CARD)
    with pytest.raises(EncoderError, match=r"was fitted to small/1, but the text model is small/2.*train projection"):
        ItemProjection.load(tmp_path / "mine.safetensors", "small/2")


def test_wrong_shapes_are_refused(fitted: ItemProjection, tmp_path: Path) -> None:
    ItemProjection("bad", fitted.mean, fitted.matrix[:, :32]).save(tmp_path / "bad.safetensors", CARD)
    with pytest.raises(EncoderError, match="holds"):
        ItemProjection.load(tmp_path / "bad.safetensors", "small/1")


def test_vectors_of_d_dimensions_stay_as_they_are() -> None:
    texts = _vectors(6, ITEM_DIMENSIONS)
    np.testing.assert_allclose(ItemProjection.unfitted(ITEM_DIMENSIONS).project(texts), texts, atol=1e-6)


def test_shorter_vectors_keep_their_cosines_exactly() -> None:
    texts = _vectors(20, 32)
    items = ItemProjection.unfitted(32).project(texts)
    assert items.shape == (20, ITEM_DIMENSIONS)
    np.testing.assert_allclose(items @ items.T, texts @ texts.T, atol=1e-5)


def test_longer_vectors_keep_their_cosines_about() -> None:
    texts = _vectors(200, 384)
    near = normalise(texts + 0.02 * _vectors(200, 384, seed=1))
    projection = ItemProjection.unfitted(384)
    np.testing.assert_allclose(projection.matrix.T @ projection.matrix, np.eye(ITEM_DIMENSIONS), atol=1e-5)
    items, near_items = projection.project(texts), projection.project(near)
    assert (np.sum(items * near_items, axis=1) > 0.99).all()
    others = (items @ items.T)[~np.eye(200, dtype=bool)]
    assert abs(float(others.mean())) < 0.01
    assert float(others.std()) < 1.2 / ITEM_DIMENSIONS**0.5


def test_the_unfitted_projection_is_the_same_on_every_machine() -> None:
    corner = ItemProjection.unfitted(384).matrix[:2, :3].flatten()
    expected = np.array([-0.05103104, 0.04894725, -0.05108312, -0.05103104, -0.05320353, 0.04775161])
    np.testing.assert_allclose(corner, expected, atol=1e-6)


def test_normalising_zero_or_broken_rows_gives_zero() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 1], [1e-9, 0]], np.float32)
    np.testing.assert_allclose(normalise(rows)[0], np.array([0.6, 0.8]), atol=1e-7)
    assert not normalise(rows)[1:].any()
