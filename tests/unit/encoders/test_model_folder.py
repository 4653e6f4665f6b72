import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from encoders import model_folder
from encoders.base import EncoderError
from encoders.model_folder import open_model_folder, packaged_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that passes. Its weights are no weights: vetting does not load."""
    folder = tmp_path / "small-bert"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_clean_folder_is_named_by_folder_and_weights(folder: Path) -> None:
    vetted = open_model_folder(folder)
    assert vetted.path == folder.resolve()
    assert vetted.name == "small-bert"
    assert vetted.revision == sha256(b"weights").hexdigest()
    assert vetted.max_tokens == 256


def test_the_revision_follows_the_weights(folder: Path) -> None:
    before = open_model_folder(folder).revision
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert open_model_folder(folder).revision != before


def test_the_longest_text_is_the_models_own(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    assert open_model_folder(folder).max_tokens == 128


def _write_json(name: str, **extra: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(json.dumps(extra))

    return spoil


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _code(folder: Path) -> None:
    (folder / "modeling_small.py").write_text("raise SystemExit")


def _linked_weights(folder: Path) -> None:
    outside = folder.parent / "elsewhere.safetensors"
    (folder / "model.safetensors").rename(outside)
    (folder / "model.safetensors").symlink_to(outside)


def _linked_folder(folder: Path) -> None:
    (folder.parent / "outside").mkdir()
    (folder / "more").symlink_to(folder.parent / "outside", target_is_directory=True)


def _dangling_link(folder: Path) -> None:
    (folder / "vocab.txt").symlink_to("/nowhere/vocab.txt")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_pickle_only, "pickled weights only"),
        (_code, r"modeling_small\.py is code"),
        (_linked_weights, "leads out of the model folder"),
        (_linked_folder, "leads out of the model folder"),
        (_dangling_link, "leads out of the model folder"),
        (_write_json("config.json", auto_map={"AutoModel": "modeling_small.Small"}), "the key auto_map"),
        (_write_json("tokenizer_config.json", auto_map={"AutoTokenizer": ["a.B", None]}), "the key auto_map"),
        (_write_json("config.json", _attn_implementation_internal="someone/kernel"), "_attn_implementation_internal"),
        (_write_json("config.json", text_config=[{"auto_map": {}}]), "the key auto_map"),
        (_write_json("1_Pooling/config.json", pooling_mode_mean_tokens=False), "only mean pooling"),
        (_write_json("1_Pooling/config.json", pooling_mode="cls"), "only mean pooling"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "config.json").unlink(), r"no config\.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"no tokenizer\.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"no model\.safetensors"),
    ],
)
def test_a_folder_that_could_run_code_or_mislead_is_refused(
    folder: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    open_model_folder(folder)
    spoil(folder)
    with pytest.raises(EncoderError, match=reason):
        open_model_folder(folder)


def test_links_inside_the_folder_are_fine(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights")
    (folder / "model.safetensors").symlink_to("weights")
    assert open_model_folder(folder).name == "small-bert"


def test_pickles_beside_safetensors_are_ignored(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    assert open_model_folder(folder).name == "small-bert"


def test_settings_of_monstrous_size_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "MAX_JSON_BYTES", 10)
    with pytest.raises(EncoderError, match="larger than 10 bytes"):
        open_model_folder(folder)


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"encoder\.text_model_dir: .*gone is not a folder"):
        open_model_folder(tmp_path / "gone")


def test_without_any_model_the_mends_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "MODEL_PACKAGE", "no_such_package_of_weights")
    assert packaged_model() is None
    with pytest.raises(EncoderError, match=r"interestream\[model\].*encoder\.text_model_dir.*encoder\.text=hashing"):
        open_model_folder(None)


@pytest.mark.model
def test_the_packaged_model_is_known_by_its_weights(minilm_folder: Path) -> None:
    vetted = open_model_folder(None)
    assert vetted.path == minilm_folder.resolve()
    assert vetted.name == "all-MiniLM-L6-v2"
    assert vetted.revision.startswith("53aa5117")
