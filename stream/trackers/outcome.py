"""What becomes of a message: interactions, or a count, or a refusal with a reason that never changes its name."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from graph.model import Interaction


class Stage(StrEnum):
    """Where a message was refused."""

    DECODE = "decode"
    CATALOGUE = "catalogue"
    APPLY = "apply"


class Reason(StrEnum):
    """Why a message was refused. Codes are a contract: metrics, dead letters and replays select by them."""

    NULL_VALUE = "null_value"
    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    BAD_UNICODE = "bad_unicode"
    BAD_NUMBER = "bad_number"
    TOO_DEEP = "too_deep"
    NOT_OBJECT = "not_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    BAD_CHARACTER = "bad_character"
    OUT_OF_RANGE = "out_of_range"
    BAD_CURRENCY = "bad_currency"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_TIMESTAMP_UNIT = "bad_timestamp_unit"
    IN_THE_FUTURE = "in_the_future"
    NOT_A_ROW = "not_a_row"
    UNAPPLIABLE = "unappliable"


class Explanation(NamedTuple):
    """A reason in words, and what its producer can do about it."""

    meaning: str
    mend: str


EXPLANATIONS: dict[Reason, Explanation] = {
    Reason.NULL_VALUE: Explanation("the record has no value", "send a JSON object; a null value means nothing here"),
    Reason.EMPTY_VALUE: Explanation("the value has no bytes, or blanks only", "send a JSON object"),
    Reason.TOO_LARGE: Explanation(
        "the value is larger than `trackers.max_message_bytes`, or its interactions together than 1.5 MB",
        "split it, or send less",
    ),
    Reason.NOT_UTF8: Explanation("the bytes are not UTF-8", "encode the JSON as UTF-8, uncompressed"),
    Reason.NOT_JSON: Explanation("the text is not JSON (RFC 8259)", "serialise with a JSON library, never by hand"),
    Reason.BAD_UNICODE: Explanation("an escape stands for half a character", "do not cut text inside a character"),
    Reason.BAD_NUMBER: Explanation("NaN, Infinity, or a number no double can hold", "leave the field out instead"),
    Reason.TOO_DEEP: Explanation("arrays and objects are nested more than 32 deep", "flatten the message"),
    Reason.NOT_OBJECT: Explanation("the JSON is not an object", "send one event per record, as an object"),
    Reason.MISSING_FIELD: Explanation("a required field is absent", "send the field"),
    Reason.WRONG_TYPE: Explanation("a field has another JSON type", 'send the type of the schema: 12 is not "12"'),
    Reason.TOO_SHORT: Explanation("a text or list is empty", "fill the field or leave it out"),
    Reason.TOO_LONG: Explanation("a text or list is longer than its limit", "shorten it to the limit"),
    Reason.BAD_CHARACTER: Explanation(
        "an id or label holds a control character, or a label holds ' > '", "remove the character"
    ),
    Reason.OUT_OF_RANGE: Explanation("a number or time is outside its limits", "send a value within the limits"),
    Reason.BAD_CURRENCY: Explanation("not three ASCII letters", "send an ISO 4217 code such as EUR"),
    Reason.BAD_TIMESTAMP: Explanation(
        "neither RFC 3339 with a zone nor an integer", "send 2026-01-31T12:00:00Z, or milliseconds since 1970"
    ),
    Reason.BAD_TIMESTAMP_UNIT: Explanation(
        "an integer time that is not in milliseconds", "multiply seconds, or divide microseconds, by 1,000"
    ),
    Reason.IN_THE_FUTURE: Explanation(
        "later than both the record's timestamp and our clock by more than `trackers.max_ahead_seconds`",
        "set the producer's clock; send the time it happened",
    ),
    Reason.NOT_A_ROW: Explanation(
        "a catalogue row with the fields of an event",
        "send events to the interactions topic; validate or replay a file of events without --catalogue",
    ),
    Reason.UNAPPLIABLE: Explanation(
        "it was decoded, but failed in the worker every time it was tried", "a defect of ours: report it with the log"
    ),
}
"""Printed by ``validate`` and by the guide for tracker teams."""


class Rejected(Exception):
    """The message is refused whole: its producer must change it. Goes to the dead letters, never retried.

    ``field`` is a path such as ``products[2].price``, empty for the message itself. ``message`` names kinds and
    limits, never what a person typed or is called.
    """

    def __init__(self, stage: Stage, reason: Reason, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.stage = stage
        self.reason = reason
        self.field = field
        self.message = message


class Decoded(msgspec.Struct, frozen=True):
    """A message that was not refused: it has interactions, or exactly one of the counts is not 0.

    ``ignored`` (0 or 1): a kind or event name we do not use (``ignored_name``, at most 64 characters); ``filtered``
    (0 or 1): consent is false; ``late``: its interactions, older than ``trackers.max_late_seconds``.
    """

    dialect: str
    interactions: tuple[Interaction, ...] = ()
    ignored: int = 0
    filtered: int = 0
    late: int = 0
    ignored_name: str = ""
