"""Whether a message is an event, told by its fields: files and topics get mixed up."""

from typing import Any

import msgspec

from stream.trackers.native import KINDS


class _Marks(msgspec.Struct, frozen=True):
    event_id: Any = None
    kind: Any = None
    type: Any = None
    title: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    occurred_at: Any = None
    message_id: Any = msgspec.field(name="messageId", default=None)
    segment_user_id: Any = msgspec.field(name="userId", default=None)
    segment_anonymous_id: Any = msgspec.field(name="anonymousId", default=None)


_MARKS = msgspec.json.Decoder(_Marks)


def event_fields(body: bytes) -> tuple[str, ...]:
    """Return two fields that together make the message plainly an event, in either dialect; () if it is none.

    One field alone never does, for catalogues have many of their own: a ``type`` of the product, the ``user_id`` of a
    seller, the ``event_id`` of a concert. What only an event says is when it occurred, or a kind that is one of ours.
    Beside a title, ``type`` is no kind: a listing may be a purchase or a rent.
    """
    try:
        marks = _MARKS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    doer = _first(("user_id", marks.user_id), ("anonymous_id", marks.anonymous_id))
    kind = _first(("kind", _kind(marks.kind)), ("type", None if marks.title else _kind(marks.type)))
    at, event_id = _first(("occurred_at", marks.occurred_at)), _first(("event_id", marks.event_id))
    message_id = _first(("messageId", marks.message_id))
    sender = _first(("userId", marks.segment_user_id), ("anonymousId", marks.segment_anonymous_id))
    pairs = (event_id, at), (event_id, kind), (doer, at), (doer, kind), (kind, at), (message_id, sender)
    return next((pair for pair in pairs if all(pair)), ())


def _kind(value: Any) -> Any:
    return value if isinstance(value, str) and value in KINDS else None


def _first(*fields: tuple[str, Any]) -> str:
    """Return the name of the first field that says something, else ""."""
    return next((name for name, value in fields if value is not None and value != ""), "")
