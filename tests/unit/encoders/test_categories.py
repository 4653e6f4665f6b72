from pathlib import Path

import numpy as np
import pytest

import graph.model
from encoders.base import EncoderError
from encoders.card import read_card
from encoders.categories import DerivedCategories
from encoders.centroids import SEPARATOR, CentroidsCard, save_centroids
from encoders.factory import SHIPPED_CATEGORIES
from encoders.text import TransformersTextEncoder

CENTROIDS = np.eye(3, 5, dtype=np.float32)


def _card(*names: str, text_dimensions: int = 5) -> CentroidsCard:
    return CentroidsCard(
        format=DerivedCategories.format, text_model="small/1", text_dimensions=text_dimensions, names=list(names)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "categories.safetensors"
    save_centroids(path, 2 * CENTROIDS, _card("Candle", "Mug", "Clock"))
    return path


def test_texts_get_the_path_of_the_nearest_centroid(path: Path) -> None:
    categories = DerivedCategories.load(path, "small/1")
    vectors = np.array([[0, 0.9, 0.1, 0, 0.2], [0.6, 0.5, 0, 0, 0], [0, 0, 0.1, 0.9, 0]], np.float32)
    assert categories.assign(vectors) == ["Derived > Mug", "Derived > Candle", "Derived > Clock"]
    assert categories.assign(vectors[:0]) == []


def test_ties_go_to_the_first(path: Path) -> None:
    vectors = np.ones((2, 5), np.float32)
    assert DerivedCategories.load(path, "small/1").assign(vectors) == ["Derived > Candle"] * 2


def test_another_text_model_is_refused(path: Path) -> None:
    with pytest.raises(EncoderError, match=r"made with small/1, but the text model is small/2.*train categories"):
        DerivedCategories.load(path, "small/2")


@pytest.mark.parametrize("names", [("Mug", "Mug", "Clock"), ("", "Mug", "Clock"), ("A > B", "Mug", "Clock")])
def test_names_that_make_no_paths_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    save_centroids(tmp_path / "bad.safetensors", CENTROIDS, _card(*names))
    with pytest.raises(EncoderError, match="names must be unique"):
        DerivedCategories.load(tmp_path / "bad.safetensors", "small/1")


@pytest.mark.parametrize("card", [_card("Mug", "Clock"), _card("A", "B", "C", text_dimensions=4)])
def test_wrong_shapes_are_refused(tmp_path: Path, card: CentroidsCard) -> None:
    save_centroids(tmp_path / "bad.safetensors", CENTROIDS, card)
    with pytest.raises(EncoderError, match="holds"):
        DerivedCategories.load(tmp_path / "bad.safetensors", "small/1")


def test_paths_are_joined_as_in_the_graph() -> None:
    assert graph.model.CATEGORY_SEPARATOR == SEPARATOR


def test_the_shipped_categories_say_where_they_come_from() -> None:
    card = read_card(SHIPPED_CATEGORIES, CentroidsCard)
    assert card.licence == "CC BY 4.0"
    assert "UCI" in card.attribution
    assert len(set(card.names)) == 60
    assert SHIPPED_CATEGORIES.stat().st_size < 200_000


@pytest.mark.model
def test_the_shipped_categories_know_household_goods(minilm_folder: Path) -> None:
    encoder = TransformersTextEncoder(minilm_folder)
    categories = DerivedCategories.load(SHIPPED_CATEGORIES, encoder.model)
    titles = [
        "blue coffee mug",
        "wall clock",
        "hanging glass t-light holder",
        "silver bead necklace",
        "velvet cushion cover",
    ]
    leaves = ["Mug", "Clock", "T-light Holder", "Necklace", "Cushion Cover"]
    assert categories.assign(encoder.encode(titles)) == [f"Derived > {leaf}" for leaf in leaves]
