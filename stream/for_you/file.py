"""The file of a for-you model: what `train for-you` writes and workers read. Safetensors; named by its content.

It holds what was known (the log as codes, the catalogue) and what was learned (weights, trees, an encoder). All else is
derived anew by the same code when it is read, so that a list is the same wherever it is made. Users are digests there.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import sklearn
import skops.io
from msgspec import Meta
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from skops.io.exceptions import UntrustedTypesFoundException

from stream.evaluation.cases import Candidates
from stream.evaluation.interactions import Catalogue, IntArray, Knowledge, Log
from stream.evaluation.ranker.encoder import Encoder
from stream.evaluation.ranker.linear import LinearBlend
from stream.evaluation.ranker.model import Ranker
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.trees import Trees
from stream.for_you.model import ForYouModel
from stream.ranker_file import RankerFileError

FORMAT = 1
_CARD = "interestream_for_you"
_TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""What trees are made of, beside plain scikit-learn and NumPy: nothing else is ever read from a file."""

_ENCODER = ("items", "bias", "straight", "inner", "inner_bias", "outer")
Arrays = dict[str, np.ndarray[Any, Any]]


class Lead(msgspec.Struct, frozen=True):
    """By how much the list beats the best part of its ranker in a metric, with the 95 % interval."""

    part: str
    value: float
    low: float
    high: float


class ForYouCard(msgspec.Struct, frozen=True):
    """What the file says of itself. version: of the content; occasion: what the lists are for, next-step or next-visit.

    interactions, users, items: that it counts in, up to ``until`` (ms). names: of the features, share: of the blend in
    the trees' order. figures: at the latest cut, over ``cases``. scikit_learn: what made the trees, and reads them.
    """

    format: Annotated[int, Meta(ge=1)]
    version: str
    occasion: str
    candidates: str
    interactions: int
    users: int
    items: int
    until: int
    recipe: Recipe
    names: tuple[str, ...]
    share: float
    scikit_learn: str
    figures: dict[str, float] = {}
    cases: int = 0
    lead: dict[str, Lead] = {}
    seed: int = 0
    command: str = ""
    data: str = ""


def card_of(
    model: ForYouModel,
    occasion: str,
    *,
    figures: Mapping[str, float],
    cases: int,
    lead: Mapping[str, Lead],
    seed: int = 0,
    command: str = "",
    data: str = "",
) -> ForYouCard:
    """Return the card of a model; its version follows when it is written."""
    log, ranker = model.knowledge.log, model.ranker
    return ForYouCard(
        FORMAT, "", occasion, model.candidates.value, len(log), log.n_users, model.knowledge.n_items,
        model.knowledge.now, ranker.recipe, ranker.names, ranker.share, sklearn.__version__,
        dict(figures), cases, dict(lead), seed, command, data,
    )  # fmt: skip


def write_for_you(path: Path, model: ForYouModel, card: ForYouCard) -> ForYouCard:
    """Write it as a whole, and return the card with its version. Raises OSError."""
    arrays = _arrays(model)
    card = msgspec.structs.replace(card, version="")
    card = msgspec.structs.replace(card, version=_version(arrays, card))
    scratch = path.with_name(f".{path.name}.new")
    save_file(arrays, scratch, metadata={_CARD: msgspec.json.encode(card).decode()})
    scratch.replace(path)
    return card


def read_for_you(path: Path) -> tuple[ForYouModel, ForYouCard]:
    """Read and check a file. Raises RankerFileError."""
    try:
        with safe_open(path, framework="numpy") as file:
            card = _card((file.metadata() or {}).get(_CARD), path)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except OSError as error:
        raise RankerFileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except SafetensorError as error:
        raise RankerFileError(f"{path}: {error}; it is no file of `train for-you`") from None
    if card.version != _version(arrays, msgspec.structs.replace(card, version="")):
        raise RankerFileError(f"{path}: version {card.version!r} is not its content's: changed after it was written")
    try:
        return _model(arrays, card), card
    except UntrustedTypesFoundException as error:
        raise RankerFileError(f"{path}: trees: {error}") from None


def _card(text: str | None, path: Path) -> ForYouCard:
    if text is None:
        raise RankerFileError(f"{path}: it is no file of `train for-you`")
    try:
        card = msgspec.json.decode(text, type=ForYouCard)
    except msgspec.DecodeError as error:
        raise RankerFileError(f"{path}: {error}") from None
    if card.format != FORMAT:
        raise RankerFileError(f"{path}: format {card.format}; this version reads format {FORMAT}: train again")
    if card.scikit_learn != sklearn.__version__:
        raise RankerFileError(
            f"{path}: its trees are of scikit-learn {card.scikit_learn}, here is {sklearn.__version__}: train again"
        )
    return card


def _version(arrays: Arrays, card: ForYouCard) -> str:
    digest = blake2b(msgspec.json.encode(card, order="deterministic"), digest_size=4)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return f"for-you-{digest.hexdigest()}"


def _arrays(model: ForYouModel) -> Arrays:
    knowledge, ranker = model.knowledge, model.ranker
    log, catalogue = knowledge.log, knowledge.catalogue
    texts = [catalogue.item_ids, catalogue.titles, catalogue.brands, catalogue.categories]
    arrays: Arrays = {
        "log.users": log.users.astype(np.int32),
        "log.items": log.items.astype(np.int32),
        "log.times": log.times,
        "log.steps": log.steps.astype(np.int32),
        "log.marks": model.marks,
        "catalogue.texts": np.frombuffer(json.dumps(texts, ensure_ascii=False).encode(), np.uint8),
        "catalogue.prices": catalogue.prices,
        "blend.mean": ranker.blend.mean,
        "blend.deviation": ranker.blend.deviation,
        "blend.weights": ranker.blend.weights,
    }
    if ranker.trees is not None:
        arrays["trees.columns"] = ranker.trees.columns
        for number, tree in enumerate(ranker.trees.models):
            arrays[f"trees.{number}"] = np.frombuffer(skops.io.dumps(tree), np.uint8)
    if model.encoder is not None:
        arrays |= {f"encoder.{name}": getattr(model.encoder, name) for name in _ENCODER}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _model(arrays: Arrays, card: ForYouCard) -> ForYouModel:
    ids, titles, brands, categories = json.loads(arrays["catalogue.texts"].tobytes())
    paths = tuple(tuple(path) for path in categories)
    catalogue = Catalogue(tuple(ids), tuple(titles), tuple(brands), paths, arrays["catalogue.prices"])
    users = arrays["log.users"].astype(np.int64)
    log = Log(
        users=users,
        items=arrays["log.items"].astype(np.int64),
        times=arrays["log.times"],
        prices=np.full(len(users), np.nan),
        steps=arrays["log.steps"].astype(np.int64),
        places=np.full(len(users), -1, np.int64),
        n_users=card.users,
    )
    blend = LinearBlend(arrays["blend.mean"], arrays["blend.deviation"], arrays["blend.weights"])
    encoder = Encoder(*(arrays[f"encoder.{name}"] for name in _ENCODER)) if "encoder.items" in arrays else None
    return ForYouModel(
        ranker=Ranker(card.recipe, card.names, blend, _trees(arrays), card.share),
        knowledge=Knowledge(log, catalogue, card.until),
        marks=arrays["log.marks"],
        encoder=encoder,
        candidates=Candidates(card.candidates),
        sessions=card.occasion == "next-visit",
    )


def _trees(arrays: Arrays) -> Trees | None:
    if "trees.columns" not in arrays:
        return None
    columns: IntArray = arrays["trees.columns"]
    stored = [arrays[f"trees.{number}"] for number in range(len(arrays)) if f"trees.{number}" in arrays]
    return Trees(tuple(skops.io.loads(one.tobytes(), trusted=_TRUSTED) for one in stored), columns)
