from pathlib import Path

import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, EncoderError
from encoders.card import read_card
from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard, save_centroids
from encoders.factory import (
    SHIPPED_PROJECTION,
    load_categories,
    load_projection,
    load_text_encoder,
    load_user,
)
from encoders.hashing import HashingTextEncoder
from encoders.projection import FORMAT as PROJECTION_FORMAT
from encoders.projection import ItemProjection, ProjectionCard
from encoders.settings import EncoderSettings, TextEncoderName
from encoders.user.decay import DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.model import save_user_model
from tests.unit.encoders.user_models import CARD, model_parts

HASHING = HashingTextEncoder()


def test_hashing_needs_no_weights() -> None:
    encoder = load_text_encoder(EncoderSettings(text=TextEncoderName.HASHING))
    assert encoder.model == HASHING.model


def test_a_wrong_folder_is_an_encoder_error(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no config\.json"):
        load_text_encoder(EncoderSettings(text_model_dir=tmp_path))


@pytest.mark.model
def test_the_default_is_the_packaged_model_with_its_shipped_projection(minilm_folder: Path) -> None:
    settings = EncoderSettings(text_prefix="", text_batch_tokens=512)
    encoder = load_text_encoder(settings)
    assert encoder.model == "all-MiniLM-L6-v2/53aa5117"
    projection = load_projection(encoder)
    assert projection.name.startswith("minilm-projection/")
    items = projection.project(encoder.encode(["mug", "tea cup", "lantern", "wall clock"]))
    assert items.shape == (4, ITEM_DIMENSIONS)
    assert items[0] @ items[1] > items[0] @ items[2]


def test_the_shipped_projection_says_where_it_comes_from() -> None:
    card = read_card(SHIPPED_PROJECTION, ProjectionCard)
    assert card.licence == "CC BY 4.0"
    assert "UCI" in card.attribution
    assert card.metrics["items"] == 3659
    assert SHIPPED_PROJECTION.stat().st_size < 200_000


def test_a_text_model_without_a_fitted_projection_gets_the_fixed_one() -> None:
    assert load_projection(HASHING).name == "identity"


def test_a_named_projection_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    matrix = np.eye(ITEM_DIMENSIONS, dtype=np.float32)
    projection = ItemProjection("mine", np.zeros(ITEM_DIMENSIONS, np.float32), matrix)
    card = ProjectionCard(format=PROJECTION_FORMAT, text_model=HASHING.model, text_dimensions=ITEM_DIMENSIONS)
    projection.save(path, card)
    assert load_projection(HASHING, path).name.startswith("mine/")
    with pytest.raises(EncoderError, match="was fitted to"):
        load_projection(HashingTextEncoder(seed=1), path)


def test_the_untrained_user_encoder_is_the_default() -> None:
    assert load_user(EncoderSettings(), HASHING).name == "decay/untrained"


def test_a_trained_user_model_is_loaded_with_its_own_projection(tmp_path: Path) -> None:
    name = save_user_model(tmp_path, model_parts(GruNetwork(hidden=8)), CARD)
    model = load_user(EncoderSettings(user_model_dir=tmp_path), HASHING)
    assert model.name == name
    assert model.matrix.projection.name.startswith("projection/")


def test_two_projections_are_one_too_many(tmp_path: Path) -> None:
    save_user_model(tmp_path, model_parts(DecayNetwork()), CARD)
    settings = EncoderSettings(user_model_dir=tmp_path, projection_file=tmp_path / "projection.safetensors")
    with pytest.raises(EncoderError, match=r"has its own projection; unset the former"):
        load_user(settings, HASHING)


def test_categories_are_derived_only_when_asked_for(tmp_path: Path) -> None:
    assert load_categories(EncoderSettings(), HASHING) is None
    path = tmp_path / "categories.safetensors"
    card = CentroidsCard(
        format=DerivedCategories.format,
        text_model=HASHING.model,
        text_dimensions=ITEM_DIMENSIONS,
        names=["Mug", "Clock"],
    )
    save_centroids(path, HASHING.encode(["mug", "clock"]), card)
    categories = load_categories(EncoderSettings(categories_file=path), HASHING)
    assert categories is not None
    assert categories.assign(HASHING.encode(["red mug", "alarm clock"])) == ["Derived > Mug", "Derived > Clock"]
