"""The limits that every dialect and the catalogue share: as types, and as checks of what a type cannot say."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from graph.model import ANONYMOUS_PREFIX, CATEGORY_SEPARATOR, Interaction
from stream.settings import TrackerSettings
from stream.trackers.outcome import Reason, Rejected, Stage

MAX_ID_CHARACTERS = 128
MAX_LABEL_CHARACTERS = 256
MAX_LABELS = 16
MAX_PATH_CHARACTERS = 1_024
"""At four bytes a character still half of what Neo4j indexes."""
MAX_INTERACTIONS_BYTES = 1_500_000
"""Of one message's interactions together: they travel in one record, and each repeats the message's own ids."""
_ALWAYS_FIT = 200
"""So many interactions are within that limit even with the longest ids and categories."""
EARLIEST_MS = 31_536_000_000
"""1971-01-01. An integer below is seconds: those of today fall into January 1970 when read as milliseconds."""
LATEST_MS = 100_000_000_000_000
"""The year 5138. An integer above is microseconds or nanoseconds."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS, description="No control characters.")]
Price = Annotated[float, Meta(ge=0, le=1e12, description="Per unit.")]
Currency = Annotated[
    # `$` would let a line end follow; this says "nothing more" in Python and in ECMAScript alike.
    str, Meta(pattern=r"^[A-Za-z]{3}(?![\s\S])", description="ISO 4217, in any case.")
]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Position = Annotated[int, Meta(ge=0, le=1_000_000_000, description="Place in the list, as the tracker counts.")]
Time = (
    Annotated[
        int,
        # Only told, not checked here: other units are to be refused by their name.
        Meta(
            description="Milliseconds since 1970, UTC.",
            extra_json_schema={"minimum": EARLIEST_MS, "maximum": LATEST_MS},
        ),
    ]
    | Annotated[datetime, Meta(tz=True, description="RFC 3339 with a zone.")]
)
Category = (
    Annotated[str, Meta(max_length=MAX_PATH_CHARACTERS, description="Labels joined by the separator setting.")]
    | Annotated[list[str], Meta(max_length=4 * MAX_LABELS, description="Labels, root first.")]
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_encode = msgspec.msgpack.Encoder().encode


def check_characters(fields: Iterable[tuple[str, str | None]], stage: Stage = Stage.DECODE) -> None:
    """Refuse control characters (Unicode Cc) in any of the named texts.

    Raises Rejected: bad_character.
    """
    for field, text in fields:
        if text is not None and (found := _CONTROL.search(text)):
            message = f"control character U+{ord(found[0]):04X} at character {found.start()}"
            raise Rejected(stage, Reason.BAD_CHARACTER, field, message)


def user_of(user_id: str | None, anonymous_id: str | None, field: str, other: str) -> str:
    """Return whose interaction it is: ``user_id``, else the marked ``anonymous_id``; empty counts as absent.

    Raises Rejected: missing_field.
    """
    if user_id:
        return user_id
    if anonymous_id:
        return ANONYMOUS_PREFIX + anonymous_id
    raise Rejected(Stage.DECODE, Reason.MISSING_FIELD, field, f"{field} or {other} is required")


def category_path(
    category: str | list[str] | None, separator: str, field: str, stage: Stage = Stage.DECODE
) -> str | None:
    """Join a category's labels, stripped and in Unicode form NFC; empty labels are dropped, none left is None.

    Raises Rejected: too_long or bad_character.
    """
    if not category:
        return None
    if isinstance(category, str):
        return _split(category, separator, field, stage)
    return _join(category, field, stage)


@lru_cache(maxsize=4096)
def _split(text: str, separator: str, field: str, stage: Stage) -> str | None:
    return _join(text.split(separator), field, stage)


def _join(raw: Sequence[str], field: str, stage: Stage) -> str | None:
    labels = [label for text in raw if (label := text.strip())]
    if len(labels) > MAX_LABELS:
        raise Rejected(stage, Reason.TOO_LONG, field, f"{len(labels)} labels; the limit is {MAX_LABELS}")
    for label in labels:
        if len(label) > MAX_LABEL_CHARACTERS:
            message = f"a label has {len(label)} characters; the limit is {MAX_LABEL_CHARACTERS}"
            raise Rejected(stage, Reason.TOO_LONG, field, message)
        if CATEGORY_SEPARATOR in label:
            raise Rejected(stage, Reason.BAD_CHARACTER, field, f"a label must not hold {CATEGORY_SEPARATOR!r}")
    # Only now: normalising is quadratic in a run of combining marks.
    path = unicodedata.normalize("NFC", CATEGORY_SEPARATOR.join(labels))
    if len(path) > MAX_PATH_CHARACTERS:
        raise Rejected(
            stage, Reason.TOO_LONG, field, f"the path has {len(path)} characters; the limit is {MAX_PATH_CHARACTERS}"
        )
    check_characters([(field, path)], stage)
    return path or None


def milliseconds(time: int | datetime, field: str) -> int:
    """Return a time in milliseconds since 1970, UTC; finer digits are cut off.

    Raises Rejected: bad_timestamp_unit for integers that can only be another unit, out_of_range before 1971.
    """
    if isinstance(time, datetime):
        elapsed = time - _EPOCH
        at = elapsed.days * 86_400_000 + elapsed.seconds * 1000 + elapsed.microseconds // 1000
    else:
        at = time
        if 0 <= at < EARLIEST_MS:
            message = "it looks like seconds; expected milliseconds since 1970"
            raise Rejected(Stage.DECODE, Reason.BAD_TIMESTAMP_UNIT, field, message)
        if at >= 2**63:
            raise Rejected(Stage.DECODE, Reason.OUT_OF_RANGE, field, "more than 64 bits")
        if at > LATEST_MS:
            message = "it looks like microseconds or nanoseconds; expected milliseconds since 1970"
            raise Rejected(Stage.DECODE, Reason.BAD_TIMESTAMP_UNIT, field, message)
    if at < EARLIEST_MS:
        raise Rejected(Stage.DECODE, Reason.OUT_OF_RANGE, field, "before 1971-01-01")
    return at


def check_spread(interactions: Sequence[Interaction], field: str) -> None:
    """Refuse a message whose interactions are too large together, however small it is itself.

    Raises Rejected: too_large.
    """
    if len(interactions) > _ALWAYS_FIT and (size := len(_encode(interactions))) > MAX_INTERACTIONS_BYTES:
        message = f"its {len(interactions)} interactions take {size} bytes; the limit is {MAX_INTERACTIONS_BYTES}"
        raise Rejected(Stage.DECODE, Reason.TOO_LARGE, field, message)


def check_clock(occurred_at: int, field: str, record_at: int, now: int, settings: TrackerSettings) -> bool:
    """Tell whether an interaction is late by the record's timestamp (all in ms), if lateness has a limit.

    The record's timestamp decides lateness, not our clock: a replayed log gives the same answer.
    Raises Rejected: in_the_future.
    """
    ahead = settings.max_ahead_seconds * 1000
    if occurred_at > now + ahead and occurred_at > record_at + ahead:
        seconds = (occurred_at - max(now, record_at)) // 1000
        message = f"{seconds} s later than the record's timestamp and our clock; the limit is {ahead / 1000:.0f} s"
        raise Rejected(Stage.DECODE, Reason.IN_THE_FUTURE, field, message)
    late = settings.max_late_seconds
    return late is not None and occurred_at < record_at - late * 1000
