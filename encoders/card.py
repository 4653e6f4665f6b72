"""Weights on disk: a safetensors file and, beside it, a JSON card that says what they are.

``NAME.safetensors`` holds tensors, ``NAME.json`` the card. Loading takes nothing else: no pickle, no unknown format,
no weights that are not the ones the card was written for.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from encoders.base import EncoderError, FloatArray

MAX_FILE_BYTES = 512 * 1024 * 1024


class Card(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every card says.

    format: kind and version, e.g. ``interestream.projection/1``. weights_sha256: of the safetensors file, hex.
    data, licence, attribution: what the weights were made from, and under which terms they are passed on.
    """

    format: str
    weights_sha256: str = ""
    command: str = ""
    data: str = ""
    licence: str = ""
    attribution: str = ""
    metrics: dict[str, float] = {}

    @property
    def revision(self) -> str:
        """The first six hex digits of the weights' digest."""
        return self.weights_sha256[:6]


C = TypeVar("C", bound=Card)


def card_path(weights: Path) -> Path:
    """Return the card's path beside a weights file."""
    return weights.with_suffix(".json")


def write_weights(path: Path, tensors: Mapping[str, FloatArray], card: Card) -> str:
    """Write weights, then the card, which gets the weights' digest; return their revision. Same tensors, same bytes.

    Each file is replaced at once: who reads meanwhile finds the old or the new one, and the digest tells a mixture.
    Raises EncoderError when the path does not end in .safetensors.
    """
    _refuse_suffix(path)
    data = save({name: np.ascontiguousarray(tensor, np.float32) for name, tensor in sorted(tensors.items())})
    card = msgspec.structs.replace(card, weights_sha256=sha256(data).hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, data)
    _replace(card_path(path), msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return card.revision


def read_card(path: Path, card_type: type[C]) -> C:
    """Read the card beside a weights file. Raises EncoderError when there is none, or not one of this type."""
    return _decode_card(path, card_type)


def read_format(path: Path) -> str:
    """Return the format that the card beside a weights file names. Raises EncoderError."""
    return _decode_card(path, _AnyCard).format


def read_weights(path: Path, card_type: type[C], expected_format: str) -> tuple[dict[str, FloatArray], C]:
    """Read weights and card. Every tensor is float32 and finite.

    Raises EncoderError naming the file and what is wrong with it.
    """
    _refuse_suffix(path)
    if (found := read_format(path)) != expected_format:
        raise EncoderError(f"{card_path(path)}: format is {found!r}, here only {expected_format!r} can be used")
    card = read_card(path, card_type)
    data = _read(path)
    if sha256(data).hexdigest() != card.weights_sha256:
        raise EncoderError(f"{path} is not the file its card was written for (SHA-256 differs); copy both again")
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise EncoderError(f"{path} is not a safetensors file: {error}") from error
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise EncoderError(f"{path}: tensor {name} is not finite float32")
    return tensors, card


def check_shapes(path: Path, tensors: Mapping[str, FloatArray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise EncoderError unless the tensors are exactly those named, in these shapes."""
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != dict(shapes):
        raise EncoderError(f"{path} holds {found}, not {dict(shapes)}")


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _refuse_suffix(path: Path) -> None:
    if path.suffix != ".safetensors":
        raise EncoderError(f"{path} does not end in .safetensors, the only weights we read and write")


class _AnyCard(msgspec.Struct):
    format: str


S = TypeVar("S", bound=msgspec.Struct)


def _decode_card(weights: Path, card_type: type[S]) -> S:
    path = card_path(weights)
    try:
        return msgspec.json.decode(_read(path), type=card_type)
    except msgspec.MsgspecError as error:
        raise EncoderError(f"{path} is not a card of ours: {error}") from error


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise EncoderError(f"{path} is larger than {MAX_FILE_BYTES} bytes; no model of ours is")
        return path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path}: {error.strerror}; a weights file and its card stand side by side") from error
