import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from encoders import card
from encoders.base import EncoderError
from encoders.card import Card, card_path, check_shapes, read_format, read_weights, write_weights

FORMAT = "interestream.test/1"
TENSORS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(2, np.float32)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "new" / "weights.safetensors"
    write_weights(path, TENSORS, Card(format=FORMAT, licence="CC0", metrics={"loss": 0.5}))
    return path


def test_what_was_written_is_read(path: Path) -> None:
    tensors, found = read_weights(path, Card, FORMAT)
    assert sorted(tensors) == ["a", "b"]
    np.testing.assert_array_equal(tensors["b"], TENSORS["b"])
    assert found.licence == "CC0"
    assert found.metrics == {"loss": 0.5}
    assert found.revision == found.weights_sha256[:6]
    assert read_format(path) == FORMAT


def test_the_same_tensors_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    write_weights(again, dict(reversed(TENSORS.items())), Card(format=FORMAT))
    assert again.read_bytes() == path.read_bytes()


def _edit(path: Path, **changes: object) -> None:
    values = json.loads(card_path(path).read_text())
    card_path(path).write_text(json.dumps(values | changes))


def test_another_format_is_refused(path: Path) -> None:
    with pytest.raises(EncoderError, match=r"format is 'interestream\.test/1'"):
        read_weights(path, Card, "interestream.test/2")


def test_unknown_fields_are_refused(path: Path) -> None:
    _edit(path, loader="pickle")
    with pytest.raises(EncoderError, match="not a card of ours"):
        read_weights(path, Card, FORMAT)


def test_weights_of_another_card_are_refused(path: Path) -> None:
    path.write_bytes(save({"a": np.zeros(2, np.float32)}))
    with pytest.raises(EncoderError, match="SHA-256 differs"):
        read_weights(path, Card, FORMAT)


def test_a_pickle_is_refused_by_name_and_by_content(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"does not end in \.safetensors"):
        read_weights(tmp_path / "weights.pt", Card, FORMAT)
    with pytest.raises(EncoderError, match=r"does not end in \.safetensors"):
        write_weights(tmp_path / "weights.pkl", TENSORS, Card(format=FORMAT))
    pickle = b"cposix\nsystem\n(S'false'\ntR."
    path.write_bytes(pickle)
    _edit(path, weights_sha256=sha256(pickle).hexdigest())
    with pytest.raises(EncoderError, match="is not a safetensors file"):
        read_weights(path, Card, FORMAT)


@pytest.mark.parametrize(
    "tensor", [np.array([np.nan], np.float32), np.array([np.inf], np.float32), np.ones(1, np.float64)]
)
def test_only_finite_float32_is_taken(path: Path, tensor: np.ndarray) -> None:
    data = save({"a": tensor})
    path.write_bytes(data)
    _edit(path, weights_sha256=sha256(data).hexdigest())
    with pytest.raises(EncoderError, match="tensor a is not finite float32"):
        read_weights(path, Card, FORMAT)


def test_a_missing_file_or_card_is_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"gone\.json: No such file.*side by side"):
        read_weights(tmp_path / "gone.safetensors", Card, FORMAT)
    path.unlink()
    with pytest.raises(EncoderError, match=r"weights\.safetensors: No such file"):
        read_weights(path, Card, FORMAT)


def test_monstrous_files_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "MAX_FILE_BYTES", 10)
    with pytest.raises(EncoderError, match="larger than 10 bytes"):
        read_weights(path, Card, FORMAT)


def test_shapes_are_exactly_those_named(path: Path) -> None:
    check_shapes(path, TENSORS, {"a": (2,), "b": (2, 3)})
    for wrong in ({"a": (2,)}, {"a": (2,), "b": (3, 2)}, {"a": (2,), "b": (2, 3), "c": (1,)}):
        with pytest.raises(EncoderError, match="holds"):
            check_shapes(path, TENSORS, wrong)
