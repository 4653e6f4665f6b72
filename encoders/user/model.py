"""A user model: the encoder, the item vectors it was trained on, and the heads, which only ever change together.

A folder of a trained one holds ``model`` (the encoder), ``projection``, ``deltas`` and ``heads``, each a safetensors
file with its card. ``model.json`` is written last and names the revisions of the others: no mixture of two models can
be loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from encoders.base import KIND_CODES, EncoderError, FloatArray, UserEncoder
from encoders.card import Card, card_path, read_card, read_format
from encoders.deltas import FORMAT as DELTAS_FORMAT
from encoders.deltas import DeltasCard, ItemDeltas, save_deltas
from encoders.device import Device
from encoders.heads import FORMAT as HEADS_FORMAT
from encoders.heads import Heads, HeadsCard, save_heads
from encoders.items import ItemMatrix
from encoders.projection import FORMAT as PROJECTION_FORMAT
from encoders.projection import ItemProjection, ProjectionCard
from encoders.user.decay import DecayNetwork, DecayUserEncoder
from encoders.user.gru import GruNetwork
from encoders.user.network import NetworkUserEncoder, UserCard, UserNetwork, check_items, load_network, save_network
from encoders.user.transformer import TransformerNetwork

USER_WEIGHTS = "model.safetensors"
PROJECTION_WEIGHTS = "projection.safetensors"
DELTAS_WEIGHTS = "deltas.safetensors"
HEADS_WEIGHTS = "heads.safetensors"
WEIGHTS = (PROJECTION_WEIGHTS, DELTAS_WEIGHTS, HEADS_WEIGHTS, USER_WEIGHTS)

LEARNED_UNTIL = "learned_until"
"""The card's metric for the time (s) of the latest interaction that the model has learned from."""

NETWORKS: Mapping[str, type[UserNetwork]] = {
    network.kind: network for network in (DecayNetwork, GruNetwork, TransformerNetwork)
}
"""The kinds of user encoders by their names."""


@dataclass(frozen=True, slots=True)
class UserModel:
    """What encodes users, and what it encodes them over. ``fingerprint``: see :func:`model_fingerprint`."""

    encoder: UserEncoder
    matrix: ItemMatrix
    heads: Heads
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """Published in every list."""
        return self.encoder.model


@dataclass(frozen=True, slots=True)
class TrainedParts:
    """What a training leaves behind. ``items``: the ids that the rows of ``deltas`` (n, d) belong to."""

    network: UserNetwork
    projection: ItemProjection
    text_model: str
    items: list[str]
    deltas: FloatArray
    heads: Heads


def untrained(projection: ItemProjection, device: Device) -> UserModel:
    """Return the model that needs no training."""
    matrix = ItemMatrix(projection, device)
    return UserModel(DecayUserEncoder(matrix), matrix, Heads.plain())


def load_user_model(folder: Path, text_model: str, device: Device, fallback: ItemProjection | None = None) -> UserModel:
    """Load a trained model, its item matrix empty.

    fallback: the projection that serves a folder without one of its own. Raises EncoderError naming the file and what
    is wrong with it.
    """
    path, fingerprint = folder / USER_WEIGHTS, model_fingerprint(folder)
    formats = {network.format: network for network in NETWORKS.values()}
    if (found := read_format(path)) not in formats:
        raise EncoderError(
            f"encoder.user_model_dir: the format of {path} is {found!r}, this version reads {sorted(formats)}"
        )
    network, card = load_network(path, formats[found].of, found)
    if (folder / PROJECTION_WEIGHTS).is_file() or fallback is None:
        projection = ItemProjection.load(folder / PROJECTION_WEIGHTS, text_model)
    else:
        projection = fallback
    check_items(path, card, projection.name)
    deltas = ItemDeltas.load(folder / DELTAS_WEIGHTS, projection.name) if card.deltas else None
    heads = Heads.load(folder / HEADS_WEIGHTS) if card.heads else Heads.plain()
    for name, wanted, revision in (
        (DELTAS_WEIGHTS, card.deltas, deltas.revision if deltas else ""),
        (HEADS_WEIGHTS, card.heads, heads.revision),
    ):
        if wanted != revision:
            raise EncoderError(f"{folder / name} is {revision}, but {path} goes with {wanted}; copy all files again")
    matrix = ItemMatrix(projection, device, deltas=deltas)
    return UserModel(NetworkUserEncoder(matrix, network, card.revision), matrix, heads, fingerprint)


def model_fingerprint(folder: Path) -> str:
    """Return a digest of all the model's files, present or not: it tells any other model, and a damaged copy."""
    digest = sha256()
    for path in (path for weights in WEIGHTS for path in (folder / weights, card_path(folder / weights))):
        try:
            with path.open("rb") as file:
                digest.update(file_digest(file, "sha256").digest())
        except OSError:
            digest.update(b"absent")
    return digest.hexdigest()


def learned_until(folder: Path) -> float | None:
    """Return :data:`LEARNED_UNTIL` of a model, None where its card does not say. Raises EncoderError."""
    return read_card(folder / USER_WEIGHTS, UserCard).metrics.get(LEARNED_UNTIL)


def save_user_model(folder: Path, parts: TrainedParts, card: Card) -> str:
    """Write a model as :func:`load_user_model` reads it; return its name, as published.

    card: what all four cards say of command, data, licence and metrics.
    """
    said = {name: getattr(card, name) for name in ("command", "data", "licence", "attribution", "metrics")}
    path = folder / PROJECTION_WEIGHTS
    projection_card = ProjectionCard(
        format=PROJECTION_FORMAT,
        text_model=parts.text_model,
        text_dimensions=parts.projection.text_dimensions,
        **said,
    )
    projection = f"{path.stem}/{parts.projection.save(path, projection_card)}"
    deltas_card = DeltasCard(format=DELTAS_FORMAT, item_projection=projection, items=parts.items, **said)
    deltas = save_deltas(folder / DELTAS_WEIGHTS, parts.deltas, deltas_card)
    heads = save_heads(folder / HEADS_WEIGHTS, parts.heads, HeadsCard(format=HEADS_FORMAT, **said))
    user_card = UserCard(
        format=parts.network.format,
        item_projection=projection,
        deltas=deltas,
        heads=heads,
        half_lives_seconds=[],
        kind_codes=KIND_CODES,
        **said,
    )
    return f"{parts.network.kind}/{save_network(folder / USER_WEIGHTS, parts.network, user_card)}"
