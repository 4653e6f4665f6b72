"""Bytes that no parser may be trusted with: each has one reason, and nothing else ever comes out."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.settings import TrackerSettings
from stream.trackers import EXPLANATIONS, Decoded, Reason, Rejected, decode
from stream.trackers.parsing import MAX_DEPTH

NOW = 1_800_000_000_000
GOOD = b'{"event_id":"e1","kind":"view","user_id":"u1","item_id":"i1","occurred_at":1700000000000%s}'


def decode_bytes(value: bytes | None, **changes: Any) -> Decoded:
    return decode(value, record_at=NOW, now=NOW, settings=TrackerSettings(**changes))


def rejection_of(value: bytes | None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode_bytes(value)
    return caught.value


def nested(depth: int, inner: bytes = b"1") -> bytes:
    """Return an event that is ``depth`` levels deep, its own object included."""
    return GOOD % (b',"x":' + b"[" * (depth - 1) + inner + b"]" * (depth - 1))


CATALOGUE = {
    "utf-16": ('{"a":1}'.encode("utf-16"), Reason.NOT_UTF8),
    "utf-16 without a mark": ('{"a":1}'.encode("utf-16-le"), Reason.NOT_JSON),
    "latin-1": (GOOD % b',"x":"caf\xe9"', Reason.NOT_UTF8),
    "an overlong slash": (GOOD % b',"x":"\xc0\xaf"', Reason.NOT_UTF8),
    "a surrogate in utf-8": (GOOD % b',"x":"\xed\xa0\x80"', Reason.NOT_UTF8),
    "no value": (None, Reason.NULL_VALUE),
    "no bytes": (b"", Reason.EMPTY_VALUE),
    "blanks": (b" \r\n", Reason.EMPTY_VALUE),
    "only a byte order mark": (b"\xef\xbb\xbf", Reason.EMPTY_VALUE),
    "truncated": ((GOOD % b"")[:-10], Reason.NOT_JSON),
    "something behind": (GOOD % b"" + b" {}", Reason.NOT_JSON),
    "a trailing comma": (GOOD % b",", Reason.NOT_JSON),
    "single quotes": (b"{'event_id': 'e1'}", Reason.NOT_JSON),
    "a leading zero": (GOOD % b',"quantity":01', Reason.NOT_JSON),
    "a comment": (GOOD % b" /* x */", Reason.NOT_JSON),
    "a raw control character": (GOOD % b',"x":"a\x01"', Reason.NOT_JSON),
    "a schema registry frame": (b"\x00\x00\x00\x00\x07" + GOOD % b"", Reason.NOT_JSON),
    "gzip": (b"\x1f\x8b\x08\x00" + b"x" * 20, Reason.NOT_JSON),
    "pickle": (b"\x80\x04\x95\x0c\x00", Reason.NOT_UTF8),
    "tab-separated values": (b"app\tweb\t2023-11-14", Reason.NOT_JSON),
    "null": (b"null", Reason.NOT_OBJECT),
    "text": (b'"abc"', Reason.NOT_OBJECT),
    "a list": (b"[1,2]", Reason.NOT_OBJECT),
    "a number": (b"12", Reason.NOT_OBJECT),
    "NaN": (GOOD % b',"price":NaN', Reason.BAD_NUMBER),
    "Infinity": (GOOD % b',"price":Infinity', Reason.BAD_NUMBER),
    "-Infinity where nobody looks": (GOOD % b',"x":-Infinity', Reason.BAD_NUMBER),
    "1e400": (GOOD % b',"price":1e400', Reason.BAD_NUMBER),
    "the text NaN is no number": (GOOD % b',"price":"NaN"', Reason.WRONG_TYPE),
    "2^63": (GOOD % b',"quantity":9223372036854775808', Reason.OUT_OF_RANGE),
    "2^64": (GOOD % b',"quantity":18446744073709551616', Reason.OUT_OF_RANGE),
    "5000 digits": (GOOD % (b',"quantity":' + b"9" * 5000), Reason.OUT_OF_RANGE),
    "a lone high surrogate": (GOOD % b',"order_id":"\\ud800"', Reason.BAD_UNICODE),
    "a lone high surrogate before a letter": (GOOD % b',"order_id":"\\ud800b"', Reason.BAD_UNICODE),
    "a lone low surrogate": (GOOD % b',"order_id":"\\udc00"', Reason.BAD_UNICODE),
    "NUL in an id": (GOOD % b',"order_id":"a\\u0000"', Reason.BAD_CHARACTER),
    "one level too many": (nested(MAX_DEPTH + 1), Reason.TOO_DEEP),
    "nested 1,000": (nested(1_000), Reason.TOO_DEEP),
    "nested 100,000": (nested(100_000), Reason.TOO_DEEP),
    "nested and never closed": (b"[" * 100_000, Reason.TOO_DEEP),
    "objects nested 1,000": (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, Reason.TOO_DEEP),
    "2 MB": (GOOD % (b',"x":"' + b"x" * 2_000_000 + b'"'), Reason.TOO_LARGE),
    "neither dialect": (b"{}", Reason.MISSING_FIELD),
    "a cloud event around it": (b'{"specversion":"1.0","type":"click","data":{}}', Reason.MISSING_FIELD),
}


@pytest.mark.parametrize(("value", "reason"), CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_of_bad_input(value: bytes | None, reason: Reason) -> None:
    rejected = rejection_of(value)
    assert rejected.reason is reason
    assert len(rejected.message) <= 200


ACCEPTED = {
    "a byte order mark": b"\xef\xbb\xbf" + GOOD % b"",
    "white space around": b" \n" + GOOD % b"" + b"\r\n",
    "duplicate keys, the last wins": b'{"item_id":"i0",' + (GOOD % b"")[1:],
    "as deep as allowed": nested(MAX_DEPTH),
    "brackets inside a text": GOOD % (b',"x":"' + b"[{" * 500 + b'"'),
    "brackets and quotes inside a text": nested(MAX_DEPTH, b'"' + rb"\"[[[\\" * 50 + b'"'),
    "many brackets, none deep": GOOD % (b',"x":[' + b",".join([b"{}"] * 500) + b"]"),
    "a pair of surrogates": GOOD % b',"order_id":"\\ud83d\\ude00"',
    "1e400 where nobody looks": GOOD % b',"x":1e400',
    "a formula": GOOD % b',"order_id":"=cmd|calc"',
}


@pytest.mark.parametrize("value", ACCEPTED.values(), ids=ACCEPTED)
def test_odd_but_right(value: bytes) -> None:
    (interaction,) = decode_bytes(value).interactions
    assert interaction.item_id == "i1"


def test_the_size_limit_is_a_setting_and_inclusive() -> None:
    value = GOOD % b""
    assert decode_bytes(value, max_message_bytes=len(value)).interactions
    with pytest.raises(Rejected, match=f"the limit is {len(value) - 1}"):
        decode_bytes(value, max_message_bytes=len(value) - 1)


HOSTILE = {
    "escaped quotes": b'{"x":"' + rb"\"" * 400_000,
    "brackets in an open text": b'{"x":"' + b"[" * 900_000,
    "half surrogates": b'{"x":"' + rb"\ud800" * 150_000 + b'"',
    "open brackets and quotes": b'["' * 450_000,
    "combining marks": json.dumps({"kind": "view", "category": ["a\u0327\u0301" * 30_000]}).encode(),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_megabyte_costs_no_more_than_its_length(value: bytes) -> None:
    started = time.process_time()
    with pytest.raises(Rejected):
        decode_bytes(value)
    assert time.process_time() - started < 1.0


def test_a_rejection_never_repeats_what_a_person_typed() -> None:
    secret = "ana@example.com"
    for field in ("user_id", "item_id", "event_id", "anonymous_id", "category", "price", "currency", "consent", "kind"):
        for wrong in ({"a": secret}, secret + "\x00", [secret + "\x00"], secret * 100):
            message = json.loads(GOOD % b"") | {field: wrong}
            with contextlib.suppress(Rejected):
                decode_bytes(json.dumps(message).encode())
                continue  # an odd text can be right
            assert secret not in str(rejection_of(json.dumps(message).encode()))


@pytest.mark.parametrize(("value", "said"), [(b"nonsense", "JSON is malformed: "), (b'{"a":', "input data ")])
def test_the_parser_is_quoted_as_a_sentence_goes_on(value: bytes, said: str) -> None:
    rejected = rejection_of(value)
    assert rejected.reason is Reason.NOT_JSON
    assert rejected.message.startswith(said)


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Reason)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=8,
)
FIELDS = (
    "event_id kind user_id anonymous_id item_id occurred_at category price currency quantity order_id list_id position "
    "recommendation_id consent type event messageId userId anonymousId timestamp properties"
)
fields = st.sampled_from(FIELDS.split())
plausible: st.SearchStrategy[Any] = st.sampled_from(
    [
        "view",
        "track",
        "Order Completed",
        "Product Viewed",
        "2023-11-14T22:13:20Z",
        1_700_000_000_000,
        "EUR",
        1,
        0.5,
        {"product_id": "p", "products": [{"product_id": "p", "price": 1}]},
    ]
)


def outcome(value: bytes) -> Decoded | None:
    try:
        return decode_bytes(value)
    except Rejected:
        return None


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_random_bytes_are_decoded_or_rejected_and_nothing_else(value: bytes) -> None:
    outcome(value)


@given(st.dictionaries(fields, any_json | plausible))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_random_objects_are_decoded_or_rejected_and_nothing_else(message: dict[str, Any]) -> None:
    outcome(json.dumps(message).encode("utf-8", "surrogatepass"))


@given(st.data())
@settings(deadline=None)
def test_a_damaged_good_message_is_decoded_or_rejected_and_nothing_else(data: st.DataObject) -> None:
    value = bytearray(GOOD % b',"price":2.5,"category":["A","B"],"currency":"EUR"')
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    decoded = outcome(bytes(value))
    if decoded is not None:
        assert len(decoded.interactions) + decoded.ignored + decoded.filtered + decoded.late == 1
        for interaction in decoded.interactions:
            if b'"price"' in value:  # else the damage made another field of it, and those we do not know are ignored
                assert interaction.price is not None
                assert 0 <= interaction.price <= 1e12


@given(st.integers(1, 60), st.integers(1, 60))
@settings(deadline=None)
def test_depth_is_counted_exactly(lists: int, objects: int) -> None:
    inner = b'{"a":' * objects + b"1" + b"}" * objects
    decoded = outcome(nested(1 + lists, inner))
    assert (decoded is not None) == (1 + lists + objects <= MAX_DEPTH)
