"""The folder of a trained user model: what is written is what is loaded, and nothing else is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, EncoderError, HistoryBatch
from encoders.card import Card, write_weights
from encoders.device import CPU
from encoders.hashing import HashingTextEncoder
from encoders.heads import Heads, Task
from encoders.items import ItemMatrix
from encoders.projection import ItemProjection, normalise
from encoders.user.decay import DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.model import WEIGHTS, UserModel, load_user_model, save_user_model
from encoders.user.network import NetworkUserEncoder, UserNetwork
from encoders.user.transformer import TransformerNetwork
from tests.unit.encoders.user_models import CARD, model_parts

TEXTS = HashingTextEncoder()
NETWORKS: dict[str, Callable[[], UserNetwork]] = {
    "decay": lambda: DecayNetwork((0.0, 60.0), hidden=8, half_lives_positions=(2.0,)),
    "gru": lambda: GruNetwork((0.0, 60.0), hidden=12),
    "transformer": lambda: TransformerNetwork((0.0, 60.0), layers=1, attention_heads=4),
}


def load(folder: Path) -> UserModel:
    return load_user_model(folder, TEXTS.model, CPU)


def history() -> HistoryBatch:
    kinds = np.array([[KIND_CODES["view"], KIND_CODES["purchase"]], [0, KIND_CODES["view"]]])
    return HistoryBatch(np.array([[0, 1], [-1, 2]]), kinds, np.array([[70.0, 0.0], [0.0, 0.0]], np.float32))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_model_survives_its_folder(kind: str, tmp_path: Path) -> None:
    parts = model_parts(NETWORKS[kind]())
    name = save_user_model(tmp_path, parts, CARD)
    model = load(tmp_path)
    assert model.name == name
    assert name.startswith(f"{kind}/")
    assert len(name) == len(f"{kind}/ab12cd")

    titles = ["mug", "clock", "lantern"]
    rows, vectors = np.arange(3), TEXTS.encode(titles)
    model.matrix.set_items(titles, rows, vectors)
    deltas = np.concatenate([parts.deltas, np.zeros((1, ITEM_DIMENSIONS), np.float32)])
    np.testing.assert_allclose(model.matrix.vectors, normalise(vectors @ parts.projection.matrix + deltas), atol=1e-6)

    beside = ItemMatrix(parts.projection)
    beside.set_rows(rows, vectors, deltas)
    expected = NetworkUserEncoder(beside, parts.network).encode(history())
    np.testing.assert_allclose(model.encoder.encode(history()), expected, atol=1e-6)
    assert model.heads.tasks == [Task.CROSS_SELL, Task.PURCHASE]


def test_every_card_says_where_the_model_comes_from(tmp_path: Path) -> None:
    save_user_model(tmp_path, model_parts(DecayNetwork()), CARD)
    for weights in WEIGHTS:
        card = json.loads((tmp_path / weights).with_suffix(".json").read_text())
        said = {field: card[field] for field in ("command", "data", "licence", "attribution")}
        assert said == {"command": "a test", "data": "made up", "licence": "CC0", "attribution": "nobody"}
        assert card["metrics"] == {"hr@10": 0.5}


@pytest.mark.parametrize("swapped", ["projection", "deltas", "heads", "model"])
def test_a_mixture_of_two_models_is_refused(swapped: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    save_user_model(one, model_parts(DecayNetwork(), seed=1), CARD)
    save_user_model(other, model_parts(DecayNetwork(), seed=2), CARD)
    for suffix in ("safetensors", "json"):
        shutil.copy(other / f"{swapped}.{suffix}", one / f"{swapped}.{suffix}")
    with pytest.raises(EncoderError):
        load(one)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_missing_or_damaged_file_is_refused_and_named(weights: str, tmp_path: Path) -> None:
    save_user_model(tmp_path, model_parts(GruNetwork(hidden=8)), CARD)
    data = (tmp_path / weights).read_bytes()
    (tmp_path / weights).write_bytes(data[:-3])
    with pytest.raises(EncoderError, match=weights):
        load(tmp_path)
    (tmp_path / weights).unlink()
    with pytest.raises(EncoderError, match=weights):
        load(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("kind_codes", {"view": 1}, "its kinds .* are not ours"),
        ("item_projection", "other/123456", "item vectors of other/123456, but they are made by projection/"),
        ("hidden", 9, "holds"),
        ("half_lives_seconds", [0.0], "holds"),
        ("format", "interestream.user.decay/1", r"this version reads \['interestream.user.decay/2'"),
        ("format", "interestream.user.gru/1", "holds"),
        ("surprise", 1, "is not a card of ours"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(field: str, value: object, reason: str, tmp_path: Path) -> None:
    save_user_model(tmp_path, model_parts(DecayNetwork(hidden=8)), CARD)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(EncoderError, match=reason):
        load(tmp_path)


@pytest.mark.parametrize(("layers", "heads"), [(0, 2), (1, 0), (1, 5)])
def test_a_transformer_that_cannot_be_is_refused(layers: int, heads: int, tmp_path: Path) -> None:
    save_user_model(tmp_path, model_parts(TransformerNetwork(layers=1)), CARD)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layers": layers, "attention_heads": heads}))
    with pytest.raises(EncoderError, match="no transformer has"):
        load(tmp_path)


def test_another_text_model_is_refused(tmp_path: Path) -> None:
    save_user_model(tmp_path, model_parts(DecayNetwork()), CARD)
    with pytest.raises(EncoderError, match="was fitted to hashing/1-0, but the text model is other/1"):
        load_user_model(tmp_path, "other/1", CPU)


def test_someone_elses_weights_are_refused(tmp_path: Path) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": np.ones(1, np.float32)}, Card(format="someone.else/7"))
    with pytest.raises(EncoderError, match=r"encoder\.user_model_dir.*'someone\.else/7'"):
        load(tmp_path)


def test_heads_turn_a_user_into_a_query_and_a_pair_into_a_probability() -> None:
    weights = np.zeros((1, ITEM_DIMENSIONS), np.float32)
    weights[0, :2] = 3, 4
    heads = Heads([Task.PURCHASE], weights, np.array([-1.0], np.float32))
    users = normalise(np.eye(2, ITEM_DIMENSIONS) + np.eye(2, ITEM_DIMENSIONS, 1))
    queries = heads.queries(Task.PURCHASE, users)
    np.testing.assert_allclose(queries[0, :3], [0.6, 0.8, 0], atol=1e-6)
    np.testing.assert_array_equal(heads.queries(Task.UP_SELL, users), users)
    items = np.eye(2, ITEM_DIMENSIONS, dtype=np.float32)
    found = heads.probabilities(Task.PURCHASE, users, items)
    expected = 1 / (1 + np.exp(-np.array([3 / np.sqrt(2) - 1, 4 / np.sqrt(2) - 1])))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert heads.probabilities(Task.UP_SELL, users, items).tolist() == [0.5, 0.5]
    assert Heads.plain().tasks == []


def test_a_projection_of_its_own_is_not_needed(tmp_path: Path) -> None:
    parts = model_parts(DecayNetwork())
    save_user_model(tmp_path, parts, CARD)
    projection = ItemProjection.load(tmp_path / "projection.safetensors", TEXTS.model)
    for suffix in ("safetensors", "json"):
        (tmp_path / f"projection.{suffix}").unlink()
    model = load_user_model(tmp_path, TEXTS.model, CPU, fallback=projection)
    assert model.matrix.projection is projection
