"""A shop's files as what is trained on: read as workers read them."""

import json
from pathlib import Path

import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, EncoderError
from encoders.categories import DerivedCategories
from encoders.hashing import HashingTextEncoder
from stream.settings import TrackerSettings
from stream.training_files import encode_texts, read_events, read_rows, texts_of, training_items

SETTINGS = TrackerSettings()
AT = 1_700_000_000_000


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def event(event_id: str, kind: str, item: str, user: str = "u", at: int = AT) -> dict[str, object]:
    return {"event_id": event_id, "kind": kind, "user_id": user, "item_id": item, "occurred_at": at}


def test_the_last_row_of_an_item_counts_and_what_has_no_title_is_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "items.jsonl",
        {"item_id": "a", "title": "old"},
        {"item_id": "b", "title": ""},
        {"item_id": "c", "title": "mug", "category": ["Kitchen", "Mugs"], "brand": "Emma", "price": 3},
        {"item_id": "a", "title": "new"},
        {"title": "nobody"},
    )
    rows, refused = read_rows(path, SETTINGS)
    assert [(row.item_id, row.title) for row in rows] == [("a", "new"), ("c", "mug")]
    assert texts_of(rows) == ["new", "mug, Emma, Kitchen, Mugs"]
    assert refused == {"missing_field": 1}


def test_a_catalogue_without_titles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no item with a title"):
        read_rows(write(tmp_path / "items.jsonl", {"item_id": "a"}), SETTINGS)


def test_what_users_did_is_read_once_each(tmp_path: Path) -> None:
    path = write(
        tmp_path / "events.jsonl",
        event("1", "view", "a"),
        event("1", "view", "a"),
        event("1", "view", "a", user="v"),
        event("2", "impression", "a"),
        event("3", "refund", "a"),
        event("4", "purchase", "b", at=AT + 5),
        {"kind": "view"},
    )
    steps: list[None] = []
    events, refused = read_events(path, SETTINGS, 0, lambda: steps.append(None))
    assert [(e.user_id, e.item_id, e.kind, e.at) for e in events] == [
        ("u", "a", "view", AT),
        ("v", "a", "view", AT),
        ("u", "b", "purchase", AT + 5),
    ]
    assert refused == {"missing_field": 1}
    assert len(steps) == 7


def test_items_are_what_the_stream_would_have_of_them(tmp_path: Path) -> None:
    path = write(
        tmp_path / "items.jsonl",
        {"item_id": "a", "title": "red mug", "category": "Kitchen", "price": 2.5},
        {"item_id": "b", "title": "wall clock"},
        {"item_id": "c", "title": "blue mug"},
    )
    rows, _ = read_rows(path, SETTINGS)
    texts = HashingTextEncoder()
    vectors = texts.encode(texts_of(rows))
    derived = DerivedCategories(texts.model, ["Mug", "Clock"], texts.encode(["mug", "clock"]))
    items = training_items(rows, vectors, derived)
    assert items.ids == ["a", "b", "c"]
    assert items.categories.tolist() == [0, 1, 2]  # Kitchen, Derived > Clock, Derived > Mug
    assert items.prices[0] == 2.5
    assert np.isnan(items.prices[1])
    np.testing.assert_array_equal(items.text_vectors, vectors.astype("<f2").astype(np.float32))
    assert items.text_vectors.shape == (3, ITEM_DIMENSIONS)
    assert training_items(rows, vectors, None).categories.tolist() == [0, -1, -1]


def test_no_texts_are_no_vectors() -> None:
    assert encode_texts(HashingTextEncoder(), [], lambda: None).shape == (0, ITEM_DIMENSIONS)
