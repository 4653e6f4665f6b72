"""Model files of strangers that would run code: each is refused before, and nothing of it is run."""

import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from encoders.base import KIND_CODES, EncoderError
from encoders.card import Card, card_path, write_weights
from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard
from encoders.deltas import FORMAT as DELTAS_FORMAT
from encoders.deltas import DeltasCard, ItemDeltas
from encoders.factory import load_categories, load_micro_topics, load_projection, load_text_encoder, load_user
from encoders.hashing import HashingTextEncoder
from encoders.heads import FORMAT as HEADS_FORMAT
from encoders.heads import Heads, HeadsCard
from encoders.micro_topics import MicroTopics
from encoders.projection import FORMAT as PROJECTION_FORMAT
from encoders.projection import ProjectionCard
from encoders.settings import EncoderSettings, TextEncoderName
from encoders.user.decay import FORMAT as DECAY_FORMAT
from encoders.user.network import UserCard

JSON_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class Touch:
    """Leaves a canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._canary,)


def pickled(canary: Path) -> bytes:
    return pickle.dumps(Touch(canary))


def checkpoint(canary: Path) -> bytes:
    """Return what torch.load takes for a checkpoint of today's form."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(canary))
        archive.writestr("archive/version", "3")
    return memory.getvalue()


def header_of(size: int, text: bytes = b"") -> bytes:
    """Return a safetensors file that claims a header of ``size`` bytes."""
    return struct.pack("<Q", size) + text


def test_the_canary_sings(tmp_path: Path) -> None:
    """The attacks work: whoever unpickles them finds the canary."""
    canary = tmp_path / "canary"
    pickle.loads(pickled(canary))  # noqa: S301 - ours, and the proof that the others were not loaded
    assert canary.exists()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def folder(tmp_path: Path, minilm_folder: Path) -> Path:
    """A copy of a good model."""
    copied = tmp_path / "model"
    shutil.copytree(minilm_folder, copied)
    return copied


def _only_pickled(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(checkpoint(canary))


def _pickled_under_the_right_name(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickled(canary))


def _checkpoint_under_the_right_name(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").write_bytes(checkpoint(canary))


def _code(folder: Path, canary: Path) -> None:
    (folder / "modeling_evil.py").write_text(f"open({str(canary)!r}, 'w')")
    _change(folder / "config.json", auto_map={"AutoModel": "modeling_evil.Evil"})


def _code_named_only(folder: Path, canary: Path) -> None:
    _change(folder / "config.json", auto_map={"AutoModel": "someone/evil--modeling_evil.Evil"})


def _code_of_a_tokenizer(folder: Path, canary: Path) -> None:
    (folder / "nested").mkdir()
    (folder / "nested" / "evil.PY").write_text(f"open({str(canary)!r}, 'w')")


def _kernel_of_a_hub(folder: Path, canary: Path) -> None:
    _change(folder / "config.json", _attn_implementation_internal="someone/evil-kernel")


def _loader_of_its_own(folder: Path, canary: Path) -> None:
    _change(folder / "config.json", quantization_config={"quant_method": "evil"})


def _linked_out(folder: Path, canary: Path) -> None:
    (folder / "vocab.txt").unlink(missing_ok=True)
    (folder / "vocab.txt").symlink_to("/etc/passwd")


def _endless_header(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").write_bytes(header_of(2**62, b"{}"))


def _tensor_beyond_the_file(folder: Path, canary: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (folder / "model.safetensors").write_bytes(header_of(len(header), header))


def _change(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


ATTACKS = (
    _only_pickled,
    _pickled_under_the_right_name,
    _checkpoint_under_the_right_name,
    _code,
    _code_named_only,
    _code_of_a_tokenizer,
    _kernel_of_a_hub,
    _loader_of_its_own,
    _linked_out,
    _endless_header,
    _tensor_beyond_the_file,
)


@pytest.mark.model
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_a_text_model_that_attacks_is_refused(folder: Path, canary: Path, attack: Callable[[Path, Path], None]) -> None:
    attack(folder, canary)
    with pytest.raises(EncoderError):
        load_text_encoder(EncoderSettings(text_model_dir=folder))
    assert not canary.exists()


@pytest.mark.model
def test_a_pickle_beside_good_weights_is_never_opened(folder: Path, canary: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(checkpoint(canary))
    (folder / "training_args.bin").write_bytes(pickled(canary))
    assert load_text_encoder(EncoderSettings(text_model_dir=folder)).dimensions == 384
    assert not canary.exists()


def disguise(weights: Path, card: Card, data: bytes) -> None:
    """Write ``data`` in place of tensors, with a card that was made for exactly these bytes."""
    write_weights(weights, {}, card)
    weights.write_bytes(data)
    _change(card_path(weights), weights_sha256=sha256(data).hexdigest())


HASHING = HashingTextEncoder()
LOADED: dict[str, tuple[Card, Callable[[Path], object]]] = {
    "user": (
        UserCard(
            format=DECAY_FORMAT, item_projection="identity", half_lives_seconds=[0.0], kind_codes=dict(KIND_CODES)
        ),
        lambda file: load_user(EncoderSettings(user_model_dir=file.parent), HASHING),
    ),
    "heads": (HeadsCard(format=HEADS_FORMAT), Heads.load),
    "deltas": (
        DeltasCard(format=DELTAS_FORMAT, item_projection="identity", items=["i"]),
        lambda file: ItemDeltas.load(file, "identity"),
    ),
    "projection": (
        ProjectionCard(format=PROJECTION_FORMAT, text_model=HASHING.model, text_dimensions=HASHING.dimensions),
        lambda file: load_projection(HASHING, file),
    ),
    "micro-topics": (
        CentroidsCard(
            format=MicroTopics.format, text_model=HASHING.model, text_dimensions=HASHING.dimensions, names=["A"]
        ),
        lambda file: load_micro_topics(EncoderSettings(text=TextEncoderName.HASHING, micro_topics_file=file), HASHING),
    ),
    "categories": (
        CentroidsCard(
            format=DerivedCategories.format, text_model=HASHING.model, text_dimensions=HASHING.dimensions, names=["A"]
        ),
        lambda file: load_categories(EncoderSettings(text=TextEncoderName.HASHING, categories_file=file), HASHING),
    ),
}


@pytest.mark.parametrize("data", [pickled, checkpoint], ids=["pickle", "checkpoint"])
@pytest.mark.parametrize("kind", LOADED)
def test_our_own_weights_are_taken_as_safetensors_only(
    tmp_path: Path, canary: Path, kind: str, data: Callable[[Path], bytes]
) -> None:
    card, load = LOADED[kind]
    weights = tmp_path / "model.safetensors"
    disguise(weights, card, data(canary))
    with pytest.raises(EncoderError, match="safetensors"):
        load(weights)
    assert not canary.exists()
