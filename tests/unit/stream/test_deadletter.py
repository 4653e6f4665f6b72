"""Dead letters: byte for byte there, and the same way back."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.deadletter import (
    EXCERPT_BYTES,
    HEADER_PREFIX,
    DeadLetter,
    NotADeadLetter,
    build_dead_letter,
    describe,
    is_complete,
    original_headers,
    parse_dead_letter,
)
from stream.topics import MAX_MESSAGE_BYTES
from stream.trackers import Reason, Rejected, Stage

LETTER = DeadLetter("shop.interactions.v1", 3, 123, "decode", "wrong_type", "price", "expected number, got text")

headers = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50)), max_size=5)


@given(st.none() | st.binary(), st.none() | st.binary(), headers)
@settings(deadline=None)
def test_key_value_and_headers_are_kept_byte_for_byte(
    key: bytes | None, value: bytes | None, incoming: list[tuple[str, bytes | None]]
) -> None:
    record = build_dead_letter(LETTER, key, value, incoming)
    assert (record.key, record.value) == (key, value)
    assert record.headers[: len(incoming)] == incoming
    assert original_headers(record.headers) == incoming
    assert parse_dead_letter(record.headers) == LETTER
    assert is_complete(record.headers)


def test_a_rejection_says_where_and_why() -> None:
    rejected = Rejected(Stage.DECODE, Reason.TOO_LONG, "item_id", "must have at most 128 characters")
    letter = describe(rejected, "t", 1, 2)
    assert letter == DeadLetter("t", 1, 2, "decode", "too_long", "item_id", "must have at most 128 characters")
    assert build_dead_letter(letter, None, b"x", []).headers == [
        ("dlq.errors.topic", b"t"),
        ("dlq.errors.partition", b"1"),
        ("dlq.errors.offset", b"2"),
        ("dlq.errors.stage", b"decode"),
        ("dlq.errors.reason", b"too_long"),
        ("dlq.errors.field", b"item_id"),
        ("dlq.errors.message", b"must have at most 128 characters"),
    ]


def test_an_incoming_header_cannot_speak_for_us() -> None:
    forged: list[tuple[str, bytes | None]] = [("dlq.errors.topic", b"secrets"), ("dlq.errors.value.sha256", b"0")]
    record = build_dead_letter(LETTER, b"k", b"v", [*forged, ("traceparent", b"00-1")])
    assert parse_dead_letter(record.headers).topic == "shop.interactions.v1"
    assert original_headers(record.headers) == [("traceparent", b"00-1")]
    assert is_complete(record.headers)


def test_a_message_is_one_line_of_bounded_length() -> None:
    letter = DeadLetter("t", 0, 0, "decode", "wrong_type", "a\r\nb" * 1000, "line\nbreak\x00" * 1000)
    parsed = parse_dead_letter(build_dead_letter(letter, None, None, []).headers)
    assert parsed.field.startswith("a  ba  b")
    assert len(parsed.field) == 256
    assert parsed.message.startswith("line break line")
    assert len(parsed.message) == 512


def test_the_largest_event_is_kept_whole() -> None:
    value = b"x" * (MAX_MESSAGE_BYTES - 2_000)
    assert build_dead_letter(LETTER, b"k", value, []).value == value


def test_what_does_not_fit_is_kept_by_hash_and_excerpt() -> None:
    value = b"x" * MAX_MESSAGE_BYTES
    record = build_dead_letter(LETTER, b"k", value, [("h", b"1")])
    found = dict(record.headers)
    assert record.value == value[:EXCERPT_BYTES]
    assert record.key == b"k"
    assert found["h"] == b"1"
    assert found["dlq.errors.value.sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert found["dlq.errors.value.bytes"] == str(len(value)).encode()
    assert parse_dead_letter(record.headers) == LETTER
    assert not is_complete(record.headers)


@given(
    st.sampled_from([0, 100, 5_000]), st.sampled_from([0, 100, 5_000, 50_000]), st.sampled_from([0, 100, 5_000, 50_000])
)
def test_whatever_came_in_the_letter_fits(key_bytes: int, value_bytes: int, header_bytes: int) -> None:
    limit = 8_000
    record = build_dead_letter(LETTER, b"k" * key_bytes, b"v" * value_bytes, [("h", b"h" * header_bytes)], limit)
    size = len(record.key or b"") + len(record.value or b"")
    size += sum(len(name) + len(content or b"") for name, content in record.headers)
    assert size <= limit
    assert parse_dead_letter(record.headers) == LETTER
    whole = (record.key, record.value, original_headers(record.headers)) == (
        b"k" * key_bytes,
        b"v" * value_bytes,
        [("h", b"h" * header_bytes)],
    )
    assert is_complete(record.headers) == whole


def test_a_bomb_of_headers_leaves_their_number() -> None:
    bomb: list[tuple[str, bytes | None]] = [(f"h{i}", b"x" * 1000) for i in range(100)]
    record = build_dead_letter(LETTER, b"k", b"v", bomb, 8_000)
    assert dict(record.headers)["dlq.errors.headers.dropped"] == b"100"
    assert (record.key, record.value) == (b"k", b"v")
    assert not is_complete(record.headers)


@pytest.mark.parametrize("missing", ["topic", "partition", "offset", "stage", "reason", "field", "message"])
def test_a_record_without_our_headers_is_no_dead_letter(missing: str) -> None:
    complete = build_dead_letter(LETTER, None, None, []).headers
    without = [header for header in complete if header[0] != HEADER_PREFIX + missing]
    with pytest.raises(NotADeadLetter, match=missing):
        parse_dead_letter(without)
    with pytest.raises(NotADeadLetter, match=missing):
        parse_dead_letter([*without, (HEADER_PREFIX + missing, None)])


@pytest.mark.parametrize(("name", "content"), [("offset", b"many"), ("topic", b"\xff")])
def test_headers_that_are_not_what_they_should_be(name: str, content: bytes) -> None:
    complete = build_dead_letter(LETTER, None, None, []).headers
    with pytest.raises(NotADeadLetter):
        parse_dead_letter([*complete, (HEADER_PREFIX + name, content)])
