"""Catalogue rows: what the graph stores of an item, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import ItemRow
from stream.catalogue import Removal, decode_row, is_row
from stream.settings import TrackerSettings
from stream.trackers import Reason, Rejected, Stage

DATA = Path(__file__).parents[2] / "data"


def decode(value: object, key: bytes | None = b"i1") -> ItemRow | Removal:
    return decode_row(key, json.dumps(value).encode(), TrackerSettings())


def rejection_of(value: bytes | None, key: bytes | None = b"i1") -> tuple[Reason, str]:
    with pytest.raises(Rejected) as caught:
        decode_row(key, value, TrackerSettings())
    assert caught.value.stage is Stage.CATALOGUE
    return caught.value.reason, caught.value.field


def test_a_whole_row() -> None:
    row = {
        "item_id": "85123A",
        "title": "  White hanging heart\tT-light holder ",
        "category": "Home>Candles",
        "brand": "Acme",
        "price": 2.55,
        "currency": "gbp",
        "available": False,
        "quality": 0.75,
        "colour": "white",
    }
    assert decode(row) == ItemRow(
        item_id="85123A",
        title="White hanging heart T-light holder",
        category="Home > Candles",
        brand="Acme",
        price=2.55,
        currency="GBP",
        available=False,
        quality=0.75,
    )


def test_the_smallest_row() -> None:
    assert decode({"item_id": "i1"}) == ItemRow(item_id="i1")
    assert decode({"item_id": "i1", "title": None, "brand": "", "category": None, "price": None}) == ItemRow("i1")


@pytest.mark.parametrize("empty", [None, b""])
def test_an_empty_value_removes_the_item_that_the_key_names(empty: bytes | None) -> None:
    assert decode_row("käse".encode(), empty, TrackerSettings()) == Removal("käse")


def test_where_a_value_names_an_item_the_key_is_not_looked_at() -> None:
    for key in (b"other", None, b"\xff"):
        assert decode({"item_id": "i1"}, key) == ItemRow("i1")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, (Reason.NULL_VALUE, "")),
        (b"", (Reason.NULL_VALUE, "")),
        (b"\xff", (Reason.NOT_UTF8, "key")),
        (b"x" * 129, (Reason.TOO_LONG, "key")),
        (b"a\x00", (Reason.BAD_CHARACTER, "key")),
    ],
)
def test_a_removal_without_a_proper_key_is_refused(key: bytes | None, expected: object) -> None:
    assert rejection_of(b"", key) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"item_id": 7}, (Reason.WRONG_TYPE, "item_id")),
        ({"item_id": ""}, (Reason.TOO_SHORT, "item_id")),
        ({"item_id": "a\n"}, (Reason.BAD_CHARACTER, "item_id")),
        ({"title": "x" * 2001}, (Reason.TOO_LONG, "title")),
        ({"title": 5}, (Reason.WRONG_TYPE, "title")),
        ({"category": ["A > B"]}, (Reason.BAD_CHARACTER, "category")),
        ({"category": {"a": 1}}, (Reason.WRONG_TYPE, "category")),
        ({"brand": "x" * 257}, (Reason.TOO_LONG, "brand")),
        ({"price": -1}, (Reason.OUT_OF_RANGE, "price")),
        ({"price": "2.55"}, (Reason.WRONG_TYPE, "price")),
        ({"currency": "pounds"}, (Reason.BAD_CURRENCY, "currency")),
        ({"available": 1}, (Reason.WRONG_TYPE, "available")),
        ({"available": None}, (Reason.WRONG_TYPE, "available")),
        ({"quality": 1.1}, (Reason.OUT_OF_RANGE, "quality")),
        ({"quality": -0.1}, (Reason.OUT_OF_RANGE, "quality")),
    ],
)
def test_a_field_out_of_its_type_or_limits_is_refused_by_name(changes: dict[str, Any], expected: object) -> None:
    assert rejection_of(json.dumps({"item_id": "i1"} | changes).encode()) == expected


def test_an_item_without_an_id_is_refused() -> None:
    assert rejection_of(b'{"title":"x"}') == (Reason.MISSING_FIELD, "item_id")


EVENT = {"event_id": "e1", "kind": "view", "user_id": "u1", "item_id": "i1", "occurred_at": 1_700_000_000_000}
TRACK = {
    "messageId": "m1",
    "type": "track",
    "event": "Product Viewed",
    "userId": "u1",
    "timestamp": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (EVENT, "event_id"),
        (EVENT | {"price": "free", "title": "Mug"}, "event_id"),
        (EVENT | {"kind": "wishlist"}, "event_id"),
        (EVENT | {"event_id": None}, "user_id"),
        ({"item_id": "i1", "kind": "purchase", "user_id": "u1"}, "user_id"),
        ({"item_id": "i1", "type": "purchase", "anonymous_id": "a1", "ts": 5}, "anonymous_id"),
        ({"item_id": "i1", "kind": "purchase", "occurred_at": 5}, "kind"),
        (TRACK, "messageId"),
        (TRACK | {"item_id": "i1", "type": "page", "userId": "", "anonymousId": "a1"}, "messageId"),
    ],
    ids=str,
)
def test_an_event_is_no_row(event: dict[str, Any], field: str) -> None:
    assert rejection_of(json.dumps(event).encode()) == (Reason.NOT_A_ROW, field)
    assert rejection_of(b"\xef\xbb\xbf" + json.dumps(event).encode()) == (Reason.NOT_A_ROW, field)


def test_the_refusal_of_an_event_names_what_makes_it_one() -> None:
    with pytest.raises(Rejected, match="event_id: together with occurred_at this is an event, not a catalogue row"):
        decode(EVENT)


@pytest.mark.parametrize("path", sorted((DATA / "trackers").glob("*/*.json")), ids=lambda path: path.stem)
def test_no_message_of_a_tracker_is_a_row(path: Path) -> None:
    if not path.name.endswith(".expected.json"):
        assert rejection_of(path.read_bytes())[0] is Reason.NOT_A_ROW


@pytest.mark.parametrize(
    "extra",
    [
        {"type": "simple", "timestamp": 1_700_000_000, "updated_at": "2026-01-01", "brand_id": 7},
        {"type": "track", "userId": "composer", "title": "Song"},
        {"type": "purchase", "user_id": "seller", "title": "Flat"},
        {"type": "view", "kind": "view", "title": "Photograph"},
        {"user_id": "seller", "timestamp": 5, "kind": "used"},
        {"event_id": "concert", "user_id": "seller", "type": "ticket"},
        {"occurred_at": "1666-09-02", "title": "Print of the Great Fire"},
        {"event_id": None, "user_id": "", "occurred_at": None, "kind": None},
        {"messageId": "import-7", "event": "Product Updated"},
        {"properties": {"event_id": "e", "user_id": "u", "occurred_at": 1}},
    ],
    ids=str,
)
def test_fields_that_a_catalogue_may_have_of_its_own_are_ignored(extra: dict[str, Any]) -> None:
    assert decode({"item_id": "i1"} | extra) == ItemRow("i1", title=extra.get("title", ""))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"item_id": "i1", "title": "Mug", "type": "simple", "timestamp": 5}, True),
        ({"item_id": "i1", "price": 5}, False),
        ({"item_id": "i1", "title": "Mug", "kind": "view"}, False),
        (EVENT | {"title": "Mug"}, False),
        (TRACK, False),
        ([], False),
    ],
    ids=str,
)
def test_a_row_among_events_is_told_by_item_and_title(message: object, expected: bool) -> None:
    assert is_row(json.dumps(message).encode()) is expected


def test_titles_are_in_one_unicode_form() -> None:
    row = decode({"item_id": "i1", "title": "Cafe\u0301", "brand": "a\x00b"})
    assert row == ItemRow("i1", title="Caf\u00e9", brand="a b")


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=50))
@settings(deadline=None)
def test_random_bytes_are_decoded_or_rejected_and_nothing_else(value: bytes | None, key: bytes | None) -> None:
    try:
        decode_row(key, value, TrackerSettings())
    except Rejected as rejected:
        assert rejected.stage is Stage.CATALOGUE  # noqa: PT017
