"""Our own dialect: one JSON object, one interaction."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from graph.model import Interaction, Kind
from stream.settings import TrackerSettings
from stream.trackers.limits import (
    Category,
    Currency,
    Id,
    Position,
    Price,
    Quantity,
    Time,
    category_path,
    check_characters,
    check_clock,
    milliseconds,
    user_of,
)
from stream.trackers.outcome import Decoded, Stage
from stream.trackers.parsing import parse

DIALECT = "native"
KINDS = {kind.value: kind for kind in Kind}


class NativeEvent(msgspec.Struct, frozen=True):
    """One event as producers write it. Unknown fields are ignored; null means absent for what is optional."""

    event_id: Annotated[Id, Meta(description="Identifies the event; sent twice, it counts once.")]
    kind: Annotated[str, Meta(extra_json_schema={"enum": list(KINDS)}, description="Another kind is ignored.")]
    item_id: Id
    occurred_at: Time
    user_id: Id | None = None
    anonymous_id: Annotated[Id | None, Meta(description="Used when there is no user_id.")] = None
    category: Category | None = None
    price: Price | None = None
    currency: Currency | None = None
    quantity: Quantity | None = None
    order_id: Id | None = None
    list_id: Id | None = None
    position: Position | None = None
    recommendation_id: Id | None = None
    consent: Annotated[bool, Meta(description="false: counted, never applied.")] = True


_DECODER = msgspec.json.Decoder(NativeEvent)


def decode(body: bytes, kind: Any, consent: Any, *, record_at: int, now: int, settings: TrackerSettings) -> Decoded:
    """Decode checked bytes whose ``kind`` and ``consent`` were read before (untyped).

    Times in ms. Without consent nothing else is looked at, so that a fault never sends the event to the dead letters.
    Raises Rejected.
    """
    if consent is False:
        return Decoded(DIALECT, filtered=1)
    if isinstance(kind, str) and kind not in KINDS:
        return Decoded(DIALECT, ignored=1, ignored_name=kind[:64])
    event = parse(_DECODER, body, Stage.DECODE)
    user = user_of(event.user_id, event.anonymous_id, "user_id", "anonymous_id")
    # isprintable() is false for more than control characters, and five times as fast as looking for those.
    ids = f"{event.event_id}{user}{event.item_id}{event.order_id}{event.list_id}{event.recommendation_id}"
    if not ids.isprintable():
        check_characters(
            (name, getattr(event, name))
            for name in ("event_id", "user_id", "anonymous_id", "item_id", "order_id", "list_id", "recommendation_id")
        )
    occurred_at = milliseconds(event.occurred_at, "occurred_at")
    interaction = Interaction(
        event.event_id,
        KINDS[event.kind],
        user,
        event.item_id,
        occurred_at,
        category_path(event.category, settings.category_separator, "category"),
        None if event.price is None else event.price + 0.0,  # -0.0 becomes 0.0
        event.currency and event.currency.upper(),
        event.quantity or 1,
        event.order_id,
        event.list_id,
        event.position,
        event.recommendation_id,
    )
    if check_clock(occurred_at, "occurred_at", record_at, now, settings):
        return Decoded(DIALECT, late=1)
    return Decoded(DIALECT, (interaction,))
