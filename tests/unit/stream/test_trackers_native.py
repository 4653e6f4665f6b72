"""Our own dialect: what is taken, what is counted, what is refused, and with which words."""

import json
from typing import Any

import pytest

from graph.model import Interaction, Kind
from stream.settings import TrackerSettings
from stream.trackers import Decoded, Reason, Rejected, Stage, decode

NOW = 1_800_000_000_000
MINUTE = 60_000
EVENT: dict[str, Any] = {
    "event_id": "e1",
    "kind": "view",
    "user_id": "u1",
    "item_id": "i1",
    "occurred_at": NOW - MINUTE,
}
ABSENT = object()


def decode_event(
    changes: dict[str, Any], *, record_at: int = NOW, now: int = NOW, settings: TrackerSettings | None = None
) -> Decoded:
    event = {name: value for name, value in {**EVENT, **changes}.items() if value is not ABSENT}
    return decode(json.dumps(event).encode(), record_at=record_at, now=now, settings=settings or TrackerSettings())


def interaction_of(changes: dict[str, Any], settings: TrackerSettings | None = None) -> Interaction:
    (interaction,) = decode_event(changes, settings=settings).interactions
    return interaction


def rejection_of(changes: dict[str, Any]) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode_event(changes)
    assert caught.value.stage is Stage.DECODE
    return caught.value


def test_the_smallest_event() -> None:
    assert interaction_of({}) == Interaction("e1", Kind.VIEW, "u1", "i1", NOW - MINUTE)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind(kind: Kind) -> None:
    assert interaction_of({"kind": kind.value}).kind is kind


def test_another_kind_is_ignored_whatever_else_is_wrong() -> None:
    decoded = decode_event({"kind": "wishlist", "item_id": ABSENT, "price": "free"})
    assert (decoded.interactions, decoded.ignored, decoded.ignored_name) == ((), 1, "wishlist")


def test_the_name_of_an_ignored_kind_is_cut() -> None:
    assert decode_event({"kind": "x" * 1000}).ignored_name == "x" * 64


def test_without_consent_nothing_else_is_looked_at() -> None:
    decoded = decode_event({"consent": False, "item_id": 5})
    assert (decoded.interactions, decoded.filtered) == ((), 1)


@pytest.mark.parametrize("consent", [True, ABSENT])
def test_consent_is_given_unless_withdrawn(consent: object) -> None:
    assert decode_event({"consent": consent}).interactions


@pytest.mark.parametrize("consent", [None, 0, "false"])
def test_consent_that_is_no_boolean_is_refused(consent: object) -> None:
    assert (rejection_of({"consent": consent}).reason, rejection_of({"consent": consent}).field) == (
        Reason.WRONG_TYPE,
        "consent",
    )


def test_the_user_id_comes_before_the_anonymous_id() -> None:
    assert interaction_of({"anonymous_id": "a1"}).user_id == "u1"
    assert interaction_of({"anonymous_id": "a1", "user_id": None}).user_id == "anon:a1"


def test_an_event_of_nobody_is_refused() -> None:
    rejected = rejection_of({"user_id": ABSENT})
    assert (rejected.reason, rejected.field) == (Reason.MISSING_FIELD, "user_id")


@pytest.mark.parametrize("placeholder", ["null", "undefined", "00000000-0000-0000-0000-000000000000", "anonymous", "0"])
def test_a_placeholder_is_an_id_like_any_other(placeholder: str) -> None:
    assert interaction_of({"user_id": placeholder}).user_id == placeholder


@pytest.mark.parametrize(
    "text", ["Ω-7", "a b", "zero\u200bwidth", "\u202egnp", "ａｂｃ", "'; MATCH (n) DELETE n //", "x" * 128]
)
def test_ids_are_any_text_without_control_characters(text: str) -> None:
    for field in ("event_id", "user_id", "item_id", "order_id", "list_id", "recommendation_id"):
        assert getattr(interaction_of({field: text}), field) == text


@pytest.mark.parametrize("character", ["\x00", "\n", "\x1b", "\x7f", "\x85"])
@pytest.mark.parametrize("field", ["event_id", "user_id", "item_id", "order_id", "list_id", "recommendation_id"])
def test_a_control_character_in_an_id_is_refused(field: str, character: str) -> None:
    rejected = rejection_of({field: f"secret{character}x"})
    assert (rejected.reason, rejected.field) == (Reason.BAD_CHARACTER, field)
    assert "secret" not in rejected.message


def test_a_control_character_in_the_anonymous_id_is_refused() -> None:
    rejected = rejection_of({"user_id": None, "anonymous_id": "a\x00"})
    assert (rejected.reason, rejected.field) == (Reason.BAD_CHARACTER, "anonymous_id")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kitchen > Mugs", "Kitchen > Mugs"),
        ("Kitchen>Mugs", "Kitchen > Mugs"),
        ("  Kitchen  >  > Mugs > ", "Kitchen > Mugs"),
        ("Mugs", "Mugs"),
        ("", None),
        (" > > ", None),
        (["Kitchen", " Mugs "], "Kitchen > Mugs"),
        (["", "Mugs"], "Mugs"),
        ([], None),
        (None, None),
        ("Cafe\u0301", "Caf\u00e9"),
        (["A>B", "C"], "A>B > C"),
    ],
)
def test_a_category_is_a_path_of_labels(text: object, expected: str | None) -> None:
    assert interaction_of({"category": text}).category == expected


def test_the_separator_is_a_setting() -> None:
    settings = TrackerSettings(category_separator="/")
    assert interaction_of({"category": "Woman/Shoes/"}, settings).category == "Woman > Shoes"


@pytest.mark.parametrize(
    ("category", "reason"),
    [
        (["A > B"], Reason.BAD_CHARACTER),
        (["A\x00"], Reason.BAD_CHARACTER),
        (["A", 3], Reason.WRONG_TYPE),
        ({"a": 1}, Reason.WRONG_TYPE),
        (7, Reason.WRONG_TYPE),
        (["x"] * 17, Reason.TOO_LONG),
        (["x" * 257], Reason.TOO_LONG),
        (["x" * 250] * 5, Reason.TOO_LONG),
        ("x" * 1025, Reason.TOO_LONG),
    ],
)
def test_a_category_that_is_no_path_is_refused(category: object, reason: Reason) -> None:
    rejected = rejection_of({"category": category})
    assert rejected.reason is reason
    assert rejected.field.startswith("category")


@pytest.mark.parametrize(("written", "read"), [("gbp", "GBP"), ("Eur", "EUR"), (None, None)])
def test_a_currency_is_read_in_any_case(written: str | None, read: str | None) -> None:
    assert interaction_of({"currency": written}).currency == read


@pytest.mark.parametrize("currency", ["", "EU", "EURO", "€", "usd\n", "12A", "ÅÄÖ"])
def test_a_currency_is_three_letters(currency: str) -> None:
    assert rejection_of({"currency": currency}).reason is Reason.BAD_CURRENCY


@pytest.mark.parametrize("price", [0, 0.0, -0.0, 19, 2.55, 1e12])
def test_a_price_is_any_number_from_zero(price: float) -> None:
    read = interaction_of({"price": price}).price
    assert read == price
    assert str(read)[0] != "-"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("price", -0.01, Reason.OUT_OF_RANGE),
        ("price", 1e13, Reason.OUT_OF_RANGE),
        ("price", "2.55", Reason.WRONG_TYPE),
        ("price", True, Reason.WRONG_TYPE),
        ("quantity", 0, Reason.OUT_OF_RANGE),
        ("quantity", -1, Reason.OUT_OF_RANGE),
        ("quantity", 2**64, Reason.OUT_OF_RANGE),
        ("quantity", 10**400, Reason.OUT_OF_RANGE),
        ("quantity", 1.0, Reason.WRONG_TYPE),
        ("quantity", 1.5, Reason.WRONG_TYPE),
        ("quantity", True, Reason.WRONG_TYPE),
        ("quantity", "12", Reason.WRONG_TYPE),
        ("position", -1, Reason.OUT_OF_RANGE),
        ("position", "3", Reason.WRONG_TYPE),
        ("user_id", 42, Reason.WRONG_TYPE),
        ("user_id", 4.2, Reason.WRONG_TYPE),
        ("item_id", {"id": 1}, Reason.WRONG_TYPE),
        ("item_id", None, Reason.WRONG_TYPE),
        ("item_id", "", Reason.TOO_SHORT),
        ("item_id", "x" * 129, Reason.TOO_LONG),
        ("event_id", ABSENT, Reason.MISSING_FIELD),
        ("item_id", ABSENT, Reason.MISSING_FIELD),
        ("occurred_at", ABSENT, Reason.MISSING_FIELD),
        ("kind", ABSENT, Reason.MISSING_FIELD),
        ("kind", 3, Reason.WRONG_TYPE),
        ("order_id", "", Reason.TOO_SHORT),
    ],
)
def test_a_field_out_of_its_type_or_limits_is_refused_by_name(field: str, value: object, reason: Reason) -> None:
    rejected = rejection_of({field: value})
    assert (rejected.reason, rejected.field) == (reason, field)


def test_a_message_names_kinds_and_limits() -> None:
    assert rejection_of({"quantity": "12"}).message == "expected integer or null, got text"
    assert rejection_of({"item_id": "x" * 129}).message == "must have at most 128 characters"
    assert rejection_of({"price": -1}).message == "must be >= 0.0"


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (1_317_633_120_123, 1_317_633_120_123),
        ("2011-10-03T09:12:00Z", 1_317_633_120_000),
        ("2011-10-03T09:12:00.123456+02:00", 1_317_625_920_123),
        ("2011-10-03t09:12:00z", 1_317_633_120_000),
        ("1971-01-01T00:00:00Z", 31_536_000_000),
    ],
)
def test_a_time_is_rfc_3339_or_milliseconds_and_never_altered(written: object, at: int) -> None:
    assert interaction_of({"occurred_at": written}).occurred_at == at


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (1_700_000_000, Reason.BAD_TIMESTAMP_UNIT),
        (0, Reason.BAD_TIMESTAMP_UNIT),
        (1_700_000_000_000_000, Reason.BAD_TIMESTAMP_UNIT),
        (1_700_000_000_000_000_000, Reason.BAD_TIMESTAMP_UNIT),
        (-1, Reason.OUT_OF_RANGE),
        (2**64, Reason.OUT_OF_RANGE),
        ("1970-12-31T23:59:59Z", Reason.OUT_OF_RANGE),
        ("2011-10-03T09:12:00", Reason.BAD_TIMESTAMP),
        ("2011-10-03", Reason.BAD_TIMESTAMP),
        ("03/10/2011 09:12", Reason.BAD_TIMESTAMP),
        ("1317633120123", Reason.BAD_TIMESTAMP),
        ("2011-02-30T00:00:00Z", Reason.BAD_TIMESTAMP),
        ("", Reason.BAD_TIMESTAMP),
        (1317633120123.5, Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        (None, Reason.WRONG_TYPE),
    ],
)
def test_a_time_that_is_neither_is_refused(written: object, reason: Reason) -> None:
    rejected = rejection_of({"occurred_at": written})
    assert (rejected.reason, rejected.field) == (reason, "occurred_at")


@pytest.mark.parametrize("written", [1_700_000_000, 1_700_000_000_000_000])
def test_a_time_that_is_refused_is_not_repeated(written: int) -> None:
    message = rejection_of({"occurred_at": written}).message
    assert message.startswith("it looks like ")
    assert str(written) not in message


def test_the_future_begins_five_minutes_after_both_clocks() -> None:
    limit = NOW + 5 * MINUTE
    assert decode_event({"occurred_at": limit}).interactions
    assert decode_event({"occurred_at": limit + 1}, record_at=NOW + 1).interactions
    assert decode_event({"occurred_at": limit + 1}, now=NOW + 1).interactions
    rejected = rejection_of({"occurred_at": limit + 1})
    assert (rejected.reason, rejected.field) == (Reason.IN_THE_FUTURE, "occurred_at")


def test_old_is_no_fault_and_late_only_by_setting() -> None:
    old = {"occurred_at": "2001-01-01T00:00:00Z"}
    assert decode_event(old).interactions
    decoded = decode_event(old, settings=TrackerSettings(max_late_seconds=60))
    assert (decoded.interactions, decoded.late) == ((), 1)


def test_lateness_goes_by_the_records_timestamp_so_that_a_replay_agrees() -> None:
    settings = TrackerSettings(max_late_seconds=120)
    year_later = NOW + 365 * 24 * 60 * MINUTE
    assert decode_event({}, record_at=NOW, now=year_later, settings=settings).interactions


def test_an_unknown_field_is_ignored_whatever_it_holds() -> None:
    assert decode_event({"weather": {"deep": [[1, 2], {"x": None}]}, "type": "track"}).interactions
