"""Segment's dialect: names, products, and the ways its libraries write what they do not know."""

import json
from typing import Any

import pytest

from stream.settings import TrackerSettings
from stream.trackers import Decoded, Reason, Rejected, decode

NOW = 1_800_000_000_000
PRODUCTS = [{"product_id": "p1", "sku": "s1", "price": 5}, {"product_id": "p2", "sku": "s2", "price": 7}]


def track(event: object = "Product Viewed", properties: object = None, **changes: object) -> dict[str, Any]:
    message: dict[str, Any] = {
        "type": "track",
        "event": event,
        "messageId": "m1",
        "userId": "u1",
        "timestamp": "2023-11-14T22:13:20Z",
        "properties": {"product_id": "p1", "sku": "s1"} if properties is None else properties,
    }
    return message | changes


def decode_message(message: object, settings: TrackerSettings | None = None, record_at: int = NOW) -> Decoded:
    value = json.dumps(message).encode()
    return decode(value, record_at=record_at, now=NOW, settings=settings or TrackerSettings())


def rejection_of(message: object, settings: TrackerSettings | None = None) -> tuple[Reason, str]:
    with pytest.raises(Rejected) as caught:
        decode_message(message, settings)
    return caught.value.reason, caught.value.field


@pytest.mark.parametrize("type_", ["identify", "page", "screen", "group", "alias"])
def test_calls_other_than_track_are_ignored(type_: str) -> None:
    decoded = decode_message({"type": type_, "userId": 7})
    assert (decoded.dialect, decoded.ignored, decoded.ignored_name) == ("segment", 1, type_)


@pytest.mark.parametrize("event", ["Product List Viewed", "Checkout Started", "product viewed", "", "Video Played"])
def test_events_of_other_names_are_ignored_whatever_is_in_them(event: str) -> None:
    decoded = decode_message(track(event, properties="nothing"))
    assert (decoded.ignored, decoded.ignored_name) == (1, event)


def test_an_event_without_a_name_is_refused() -> None:
    assert rejection_of(track(event=None)) == (Reason.WRONG_TYPE, "event")
    message = track()
    del message["event"]
    assert rejection_of(message) == (Reason.MISSING_FIELD, "event")


def test_a_single_product_is_number_zero() -> None:
    assert [i.event_id for i in decode_message(track()).interactions] == ["m1#0"]


def test_one_message_with_many_products_is_as_many_interactions() -> None:
    properties = {"order_id": "o1", "currency": "usd", "products": PRODUCTS}
    found = decode_message(track("Order Completed", properties)).interactions
    assert [(i.event_id, i.item_id, i.price, i.currency, i.order_id) for i in found] == [
        ("m1#0", "p1", 5.0, "USD", "o1"),
        ("m1#1", "p2", 7.0, "USD", "o1"),
    ]


def test_one_bad_product_refuses_the_whole_message() -> None:
    bad = {"products": [*PRODUCTS, {"product_id": "p3", "price": "free"}]}
    assert rejection_of(track("Order Completed", bad)) == (Reason.WRONG_TYPE, "properties.products[2].price")


def test_which_field_is_the_item_is_a_setting_and_the_other_is_not_looked_at() -> None:
    by_sku = TrackerSettings(segment_item_field="sku")
    message = track(properties={"product_id": 7, "sku": "s1"})
    assert [i.item_id for i in decode_message(message, by_sku).interactions] == ["s1"]
    assert rejection_of(message) == (Reason.WRONG_TYPE, "properties.product_id")


@pytest.mark.parametrize("products", [[{"sku": "s"}], [{"product_id": "", "sku": "s"}], [{"product_id": None}]])
def test_a_product_without_the_chosen_field_is_refused(products: object) -> None:
    message = track("Order Refunded", {"products": products})
    assert rejection_of(message) == (Reason.MISSING_FIELD, "properties.products[0].product_id")
    assert rejection_of(track(properties={"sku": "s"})) == (Reason.MISSING_FIELD, "properties.product_id")


def test_an_order_names_its_products() -> None:
    assert rejection_of(track("Order Completed", {"order_id": "o"})) == (
        Reason.MISSING_FIELD,
        "properties.products",
    )
    assert rejection_of(track("Order Refunded", {"products": []})) == (Reason.TOO_SHORT, "properties.products")
    many = {"products": [{"product_id": "p"}] * 1001}
    assert rejection_of(track("Order Completed", many)) == (Reason.TOO_LONG, "properties.products")


def test_the_largest_order_has_ids_within_the_limit() -> None:
    message = track("Order Completed", {"products": [{"product_id": "p"}] * 1000}, messageId="m" * 124)
    ids = [i.event_id for i in decode_message(message).interactions]
    assert len(set(ids)) == 1000
    assert max(map(len, ids)) == 128
    assert rejection_of(track(messageId="m" * 125)) == (Reason.TOO_LONG, "messageId")


def test_an_empty_text_is_an_absent_one() -> None:
    properties = {"product_id": "p1", "currency": "", "category": "", "order_id": "", "list_id": ""}
    (interaction,) = decode_message(track(properties=properties, userId="", anonymousId="a1")).interactions
    assert interaction.user_id == "anon:a1"
    assert (interaction.currency, interaction.category, interaction.order_id, interaction.list_id) == (None,) * 4


def test_a_message_of_nobody_is_refused() -> None:
    assert rejection_of(track(userId=None, anonymousId="")) == (Reason.MISSING_FIELD, "userId")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"messageId": ""}, (Reason.TOO_SHORT, "messageId")),
        ({"messageId": "m\n"}, (Reason.BAD_CHARACTER, "messageId")),
        ({"userId": "u\x00"}, (Reason.BAD_CHARACTER, "userId")),
        ({"userId": 17}, (Reason.WRONG_TYPE, "userId")),
        ({"timestamp": "yesterday"}, (Reason.BAD_TIMESTAMP, "timestamp")),
        ({"timestamp": 1_700_000_000}, (Reason.BAD_TIMESTAMP_UNIT, "timestamp")),
        ({"timestamp": NOW + 300_001}, (Reason.IN_THE_FUTURE, "timestamp")),
        ({"properties": []}, (Reason.WRONG_TYPE, "properties")),
        ({"properties": {"product_id": "p\x1b"}}, (Reason.BAD_CHARACTER, "properties.product_id")),
        ({"properties": {"product_id": "p", "order_id": "o\n"}}, (Reason.BAD_CHARACTER, "properties.order_id")),
        ({"properties": {"product_id": "p", "quantity": 1.0}}, (Reason.WRONG_TYPE, "properties.quantity")),
        ({"properties": {"product_id": "p", "quantity": 0}}, (Reason.OUT_OF_RANGE, "properties.quantity")),
        ({"properties": {"product_id": "p", "currency": "dollar"}}, (Reason.BAD_CURRENCY, "properties.currency")),
        ({"properties": {"product_id": "p", "category": ["a", 1]}}, (Reason.WRONG_TYPE, "properties.category[1]")),
    ],
)
def test_what_is_wrong_is_named_by_segments_own_path(changes: dict[str, object], expected: object) -> None:
    assert rejection_of(track(**changes)) == expected


def test_missing_fields_are_named() -> None:
    for field in ("messageId", "timestamp", "properties"):
        message = track()
        del message[field]
        assert rejection_of(message) == (Reason.MISSING_FIELD, field)


def test_without_consent_a_message_is_filtered_whatever_else_is_wrong() -> None:
    decoded = decode_message(track(properties={"consent": False, "price": "?"}, userId=7))
    assert (decoded.filtered, decoded.interactions) == (1, ())


def test_late_counts_interactions() -> None:
    message = track("Order Completed", {"products": PRODUCTS})
    decoded = decode_message(message, TrackerSettings(max_late_seconds=60))
    assert (decoded.interactions, decoded.late) == ((), 2)


def test_the_time_it_was_received_plays_no_part() -> None:
    message = track(receivedAt="nonsense", sentAt=7, originalTimestamp=None)
    assert decode_message(message).interactions[0].occurred_at == 1_700_000_000_000


def test_an_object_with_a_kind_is_our_own_dialect_even_if_it_has_a_type() -> None:
    assert rejection_of({"type": "track", "kind": "view", "event_id": "e"})[0] is Reason.MISSING_FIELD
    assert decode_message({"type": "track", "kind": "wave"}).dialect == "native"
