"""Segment and RudderStack ``track`` calls, as those products publish them: one message, one interaction per product.

Source: Segment's e-commerce specification, version 2 ("Product Viewed" and so on; names are compared exactly).
"""

from collections.abc import Sequence
from functools import lru_cache
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec
from msgspec import Meta

from graph.model import Interaction, Kind
from stream.settings import TrackerSettings
from stream.trackers.limits import (
    MAX_ID_CHARACTERS,
    Category,
    Position,
    Price,
    Quantity,
    Time,
    category_path,
    check_characters,
    check_clock,
    check_spread,
    milliseconds,
    user_of,
)
from stream.trackers.outcome import Decoded, Reason, Rejected, Stage
from stream.trackers.parsing import parse

DIALECT = "segment"
TRACK = "track"
TYPES = frozenset({TRACK, "identify", "page", "screen", "group", "alias"})
ITEM_EVENTS = {
    "Product Viewed": Kind.VIEW,
    "Product Clicked": Kind.CLICK,
    "Product Added": Kind.ADD_TO_CART,
    "Product Removed": Kind.REMOVE_FROM_CART,
}
ORDER_EVENTS = {"Order Completed": Kind.PURCHASE, "Order Refunded": Kind.REFUND}
MAX_PRODUCTS = 1_000

P = TypeVar("P")

# The trackers' libraries send "" for what they do not know, so an empty text is an absent one.
_Text = Annotated[str, Meta(max_length=MAX_ID_CHARACTERS)]
_Currency = Annotated[str, Meta(pattern=r"^([A-Za-z]{3})?(?![\s\S])")]


class _Product(msgspec.Struct, frozen=True):
    item_id: _Text | None = None
    category: Category | None = None
    price: Price | None = None
    currency: _Currency | None = None
    quantity: Quantity | None = None
    position: Position | None = None


class _Order(msgspec.Struct, Generic[P], frozen=True):
    products: Annotated[list[P], Meta(min_length=1, max_length=MAX_PRODUCTS)]
    currency: _Currency | None = None
    order_id: _Text | None = None
    list_id: _Text | None = None
    recommendation_id: _Text | None = None


class _Item(_Product, frozen=True):
    order_id: _Text | None = None
    list_id: _Text | None = None
    recommendation_id: _Text | None = None


class _Track(msgspec.Struct, Generic[P], frozen=True):
    message_id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS - len("#999"))] = msgspec.field(
        name="messageId"
    )
    timestamp: Time
    properties: P
    user_id: _Text | None = msgspec.field(name="userId", default=None)
    anonymous_id: _Text | None = msgspec.field(name="anonymousId", default=None)


class _Consent(msgspec.Struct, frozen=True):
    consent: Any = None


_CONSENT = msgspec.json.Decoder(_Consent)


@lru_cache(maxsize=8)
def _decoders(
    item_field: str,
) -> tuple[msgspec.json.Decoder[_Track[_Item]], msgspec.json.Decoder[_Track[_Order[_Product]]]]:
    """Build the parsers whose ``item_id`` is called ``item_field``; the other item field is never looked at."""
    fields = [("item_id", _Text | None, None)]
    names = {"item_id": item_field}
    item = msgspec.defstruct("Item", fields, bases=(_Item,), rename=names, frozen=True)
    product = msgspec.defstruct("Product", fields, bases=(_Product,), rename=names, frozen=True)
    order = GenericAlias(_Order, (product,))
    return (
        msgspec.json.Decoder(cast("type[_Track[_Item]]", GenericAlias(_Track, (item,)))),
        msgspec.json.Decoder(cast("type[_Track[_Order[_Product]]]", GenericAlias(_Track, (order,)))),
    )


def decode(
    body: bytes, type_: str, event: Any, properties: bytes, *, record_at: int, now: int, settings: TrackerSettings
) -> Decoded:
    """Decode checked bytes whose ``type``, ``event`` (untyped) and ``properties`` (raw JSON) were read before.

    Times in ms. Calls other than ``track`` and events of other names are ignored, whatever else is in them; so are
    messages whose ``properties.consent`` is false. Raises Rejected.
    """
    if type_ != TRACK:
        return Decoded(DIALECT, ignored=1, ignored_name=type_)
    if not isinstance(event, str):
        reason = Reason.MISSING_FIELD if event is msgspec.UNSET else Reason.WRONG_TYPE
        raise Rejected(Stage.DECODE, reason, "event", "expected the event's name as text")
    if properties[:1] == b"{" and parse(_CONSENT, properties, Stage.DECODE).consent is False:
        return Decoded(DIALECT, filtered=1)
    item_decoder, order_decoder = _decoders(settings.segment_item_field)
    if kind := ITEM_EVENTS.get(event):
        track = parse(item_decoder, body, Stage.DECODE)
        return _interactions(track, track.properties, [track.properties], kind, record_at, now, settings)
    if kind := ORDER_EVENTS.get(event):
        order = parse(order_decoder, body, Stage.DECODE)
        return _interactions(order, order.properties, order.properties.products, kind, record_at, now, settings)
    return Decoded(DIALECT, ignored=1, ignored_name=event[:64])


def _interactions(
    track: _Track[Any],
    properties: _Item | _Order[_Product],
    products: Sequence[_Product],
    kind: Kind,
    record_at: int,
    now: int,
    settings: TrackerSettings,
) -> Decoded:
    user = user_of(track.user_id, track.anonymous_id, "userId", "anonymousId")
    if not f"{track.message_id}{user}".isprintable():
        check_characters(
            [("messageId", track.message_id), ("userId", track.user_id), ("anonymousId", track.anonymous_id)]
        )
    if not f"{properties.order_id}{properties.list_id}{properties.recommendation_id}".isprintable():
        check_characters(
            (f"properties.{name}", getattr(properties, name)) for name in ("order_id", "list_id", "recommendation_id")
        )
    occurred_at = milliseconds(track.timestamp, "timestamp")
    interactions = []
    for index, product in enumerate(products):
        path = f"properties.products[{index}]" if isinstance(properties, _Order) else "properties"
        item = product.item_id
        if not item:
            raise Rejected(Stage.DECODE, Reason.MISSING_FIELD, f"{path}.{settings.segment_item_field}", "required")
        if not item.isprintable():
            check_characters([(f"{path}.{settings.segment_item_field}", item)])
        currency = product.currency or properties.currency
        interactions.append(
            Interaction(
                f"{track.message_id}#{index}",
                kind,
                user,
                item,
                occurred_at,
                category_path(product.category, settings.category_separator, f"{path}.category"),
                None if product.price is None else product.price + 0.0,  # -0.0 becomes 0.0
                currency.upper() if currency else None,
                product.quantity or 1,
                properties.order_id or None,
                properties.list_id or None,
                product.position,
                properties.recommendation_id or None,
            )
        )
    check_spread(interactions, "properties.products")
    if check_clock(occurred_at, "timestamp", record_at, now, settings):
        return Decoded(DIALECT, late=len(interactions))
    return Decoded(DIALECT, tuple(interactions))
