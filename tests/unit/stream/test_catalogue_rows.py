"""Catalogue rows: what the graph stores of an item, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import ItemRow
from stream.catalogue import Removal, decode_row
from stream.settings import TrackerSettings
from stream.trackers import Reason, Rejected, Stage


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
