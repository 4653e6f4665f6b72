"""A shop's files, read with the workers' own decoders, as what the encoders are trained on."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from encoders.base import EncoderError, FloatArray, TextEncoder
from encoders.categories import DerivedCategories
from encoders.items import item_text
from encoders.training.events import TEACHING_KINDS, Event, TrainingItems
from graph.model import Interaction, ItemRow
from stream.catalogue import Removal, decode_row
from stream.event_files import read_catalogue, read_messages
from stream.settings import TrackerSettings
from stream.trackers import Rejected, decode

TEXTS_PER_STEP = 256


def read_rows(path: Path, settings: TrackerSettings) -> tuple[list[ItemRow], Counter[str]]:
    """Return the catalogue's items with a title, the last row of each, and how many rows were refused by reason.

    Raises EventFileError, and EncoderError when no item is left.
    """
    titled, refused = titled_rows(read_catalogue(path), settings)
    if not titled:
        raise EncoderError(f"{path} has no item with a title")
    return titled, refused


def titled_rows(
    messages: Iterable[tuple[bytes | None, bytes | None]], settings: TrackerSettings
) -> tuple[list[ItemRow], Counter[str]]:
    """Return the items with a title, the last row of each, and how many rows were refused by reason."""
    rows, refused = latest_rows(messages, settings)
    return [row for row in rows if row.title], refused


def latest_rows(
    messages: Iterable[tuple[bytes | None, bytes | None]], settings: TrackerSettings
) -> tuple[list[ItemRow], Counter[str]]:
    """Return the catalogue's items, the last row of each, and how many rows were refused by reason."""
    rows: dict[str, ItemRow] = {}
    refused: Counter[str] = Counter()
    for key, value in messages:
        try:
            row = decode_row(key, value, settings)
        except Rejected as rejected:
            refused[rejected.reason.value] += 1
            continue
        if isinstance(row, Removal):
            rows.pop(row.item_id, None)
        else:
            rows[row.item_id] = row
    return list(rows.values()), refused


def accepted(
    path: Path, settings: TrackerSettings, shift_ms: int, step: Callable[[], None], refused: Counter[str]
) -> Iterator[tuple[bytes | None, bytes, tuple[Interaction, ...]]]:
    """Yield key, value and interactions of each message that intake would accept; count the others by reason.

    ``shift_ms`` is added to the times of a CSV; ``step`` is called for each message. Raises EventFileError.
    """
    now = time.time_ns() // 1_000_000
    for key, value in read_messages(path, shift_ms=shift_ms):
        step()
        try:
            decoded = decode(value, record_at=now, now=now, settings=settings)
        except Rejected as rejected:
            refused[rejected.reason.value] += 1
            continue
        yield key, value, decoded.interactions


def read_interactions(
    path: Path, settings: TrackerSettings, shift_ms: int, step: Callable[[], None]
) -> tuple[list[Interaction], Counter[str]]:
    """Return the interactions that teach, each event id once, and how many messages were refused by reason.

    As :func:`accepted`.
    """
    found: dict[tuple[str, str], Interaction] = {}
    refused: Counter[str] = Counter()
    for _, _, interactions in accepted(path, settings, shift_ms, step, refused):
        for one in interactions:
            if one.kind.value in TEACHING_KINDS:
                found.setdefault((one.user_id, one.event_id), one)
    return list(found.values()), refused


def read_events(
    path: Path, settings: TrackerSettings, shift_ms: int, step: Callable[[], None]
) -> tuple[list[Event], Counter[str]]:
    """Return :func:`read_interactions` as what user models are trained on."""
    found, refused = read_interactions(path, settings, shift_ms, step)
    return [Event(one.user_id, one.item_id, one.kind.value, one.occurred_at, one.event_id) for one in found], refused


def texts_of(rows: Sequence[ItemRow]) -> list[str]:
    """Return what is encoded of each item, as the catalogue agent does."""
    return [item_text(row.title, row.brand, row.category) for row in rows]


def encode_texts(encoder: TextEncoder, texts: Sequence[str], step: Callable[[], None]) -> FloatArray:
    """Return (len(texts), D); ``step`` is called for each text."""
    vectors = [np.empty((0, encoder.dimensions), np.float32)]
    for start in range(0, len(texts), TEXTS_PER_STEP):
        part = texts[start : start + TEXTS_PER_STEP]
        vectors.append(encoder.encode(part))
        for _ in part:
            step()
    return np.concatenate(vectors)


def training_items(
    rows: Sequence[ItemRow], text_vectors: FloatArray, derived: DerivedCategories | None
) -> TrainingItems:
    """Return the items to train on; one without a category gets the derived one that the stream would give it.

    text_vectors: (n, D); they are rounded to 16 bits, as on the items topic.
    """
    vectors = text_vectors.astype("<f2").astype(np.float32)
    assigned = derived.assign(vectors) if derived is not None else [None] * len(rows)
    codes: dict[str, int] = {}
    categories = [row.category or path for row, path in zip(rows, assigned, strict=True)]
    return TrainingItems(
        ids=[row.item_id for row in rows],
        text_vectors=vectors,
        categories=np.array([-1 if c is None else codes.setdefault(c, len(codes)) for c in categories], np.int64),
        prices=np.array([np.nan if row.price is None else row.price for row in rows], np.float64),
    )
