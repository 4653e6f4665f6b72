"""From bytes to a typed message, or to the reason why not. The only place that reads msgspec's error texts."""

import re
from typing import TypeVar

import msgspec

from stream.trackers.outcome import Reason, Rejected, Stage

MAX_DEPTH = 32
"""Deeper than any tracker's context, far from the parser's recursion limit (which depends on its caller)."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FOLD_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Possessive and with an optional end, so that a hostile text is walked once.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_LONE_SURROGATE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)
_NOT_A_NUMBER = re.compile(rb"\b(?:NaN|Infinity)\b")
_FRAMES = {
    b"\x00": "it starts with a zero byte, as schema-registry frames do; send plain JSON",
    b"\x1f\x8b": "it starts as gzip does; send plain JSON and let the Kafka client compress",
}
_WORDS = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "RFC 3339 text",
    "array": "list",
}

T = TypeVar("T")


def check_bytes(value: bytes | None, max_bytes: int, stage: Stage) -> bytes:
    """Check what can be told without parsing; return the JSON text without a byte order mark.

    Raises Rejected: null_value, empty_value, too_large, not_utf8 or too_deep.
    """
    if value is None:
        raise Rejected(stage, Reason.NULL_VALUE, "", "the record has no value")
    if len(value) > max_bytes:
        raise Rejected(stage, Reason.TOO_LARGE, "", f"{len(value)} bytes; the limit is {max_bytes}")
    if value.startswith(_BYTE_ORDER_MARK):
        value = value[len(_BYTE_ORDER_MARK) :]
    if not value or value.isspace():
        raise Rejected(stage, Reason.EMPTY_VALUE, "", "the value is empty")
    for frame, hint in _FRAMES.items():
        if value.startswith(frame):
            raise Rejected(stage, Reason.NOT_JSON, "", f"not JSON: {hint}")
    try:
        # The parser skips unknown fields without looking at their encoding.
        value.isascii() or value.decode()
    except UnicodeDecodeError as error:
        raise Rejected(stage, Reason.NOT_UTF8, "", f"not UTF-8: {error.reason} (byte {error.start})") from None
    if _deeper_than(value, MAX_DEPTH):
        raise Rejected(stage, Reason.TOO_DEEP, "", f"nested more than {MAX_DEPTH} deep")
    return value


def parse(decoder: msgspec.json.Decoder[T], body: bytes, stage: Stage) -> T:
    """Parse checked bytes into the decoder's type.

    Raises Rejected with the path of the first wrong field.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), stage) from None
    except msgspec.DecodeError as error:
        raise _malformed(body, str(error), stage) from None


def _deeper_than(body: bytes, limit: int) -> bool:
    if body.count(b"{") + body.count(b"[") <= limit:
        return False
    # Brackets inside texts count here, which can only refute too little: then the texts are removed first.
    if _height_at_most(_brackets(body), limit):
        return False
    depth = 0
    for byte in _brackets(_STRING.sub(b"", body)):
        depth += 1 if byte == ord("[") else -1
        if depth > limit:
            return True
    return False


def _brackets(body: bytes) -> bytes:
    return body.translate(_FOLD_BRACKETS, _NOT_BRACKETS)


def _height_at_most(brackets: bytes, limit: int) -> bool:
    """Tell whether the brackets are balanced and nested at most ``limit`` deep: each round removes one level."""
    for _ in range(limit):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return True
    return False


def _malformed(body: bytes, text: str, stage: Stage) -> Rejected:
    if _LONE_SURROGATE.search(body):
        return Rejected(stage, Reason.BAD_UNICODE, "", "an escape stands for a lone surrogate")
    if _NOT_A_NUMBER.search(_STRING.sub(b'""', body)):
        return Rejected(stage, Reason.BAD_NUMBER, "", "NaN and Infinity are not JSON")
    return Rejected(stage, Reason.NOT_JSON, "", text if text.startswith("JSON") else text[:1].lower() + text[1:])


def _invalid(text: str, stage: Stage) -> Rejected:
    """Translate msgspec's message, e.g. "Expected `int`, got `str` - at `$.a[0].b`"."""
    text, _, path = text.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", text):
        name = missing[1]
        return Rejected(stage, Reason.MISSING_FIELD, f"{field}.{name}" if field else name, "required")
    if kinds := re.fullmatch(r"Expected `(.+)`, got `(.+)`", text):
        expected, got = (_words(kind) for kind in kinds.groups())
        reason = Reason.WRONG_TYPE if field else Reason.NOT_OBJECT
        return Rejected(stage, reason, field, f"expected {expected}, got {got}")
    if limit := re.fullmatch(r"Expected `(\w+)` of length (>=|<=) (\d+)", text):
        reason = Reason.TOO_SHORT if limit[2] == ">=" else Reason.TOO_LONG
        unit = "entries" if limit[1] == "array" else "characters"
        word = "least" if limit[2] == ">=" else "most"
        return Rejected(stage, reason, field, f"must have at {word} {limit[3]} {unit}")
    if limit := re.fullmatch(r"Expected `\w+` (>=|<=) (\S+)", text):
        return Rejected(stage, Reason.OUT_OF_RANGE, field, f"must be {limit[1]} {limit[2]}")
    if text.startswith("Integer value out of range"):
        return Rejected(stage, Reason.OUT_OF_RANGE, field, "more digits than any limit")
    if text.startswith("Number out of range"):
        return Rejected(stage, Reason.BAD_NUMBER, field, "no double can hold this number")
    if text.startswith("Expected `str` matching regex"):
        return Rejected(stage, Reason.BAD_CURRENCY, field, "expected three ASCII letters (ISO 4217)")
    if "RFC3339" in text or "timezone" in text:
        return Rejected(stage, Reason.BAD_TIMESTAMP, field, "expected RFC 3339 with a zone, or integer milliseconds")
    return Rejected(stage, Reason.WRONG_TYPE, field, "not what the schema says")


def _words(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | "))
