import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.model import Family, Interaction, ItemRow, Kind, Level
from graph.transitions import Delta
from stream.bundles import (
    ERASING_FORMAT,
    FORMAT,
    PARTS,
    Bundle,
    DeltaMessage,
    Entry,
    ItemRecord,
    NewerFormat,
    decode_bundle,
    decode_deltas,
    decode_item,
    delta_cause,
    delta_messages,
    encode,
)

INTERACTION = Interaction(
    "e1", Kind.PURCHASE, "u1", "i1", 1_760_000_000_000, "Kitchen > Mugs", 4.95, "GBP", 2, "o1", "list", 3, "r1"
)
BUNDLE = Bundle(FORMAT, ("topic-id/0",), (Entry(0, 17, 1, 1_760_000_000_500, INTERACTION),), ("u2",))
DELTAS = DeltaMessage(
    FORMAT,
    "topic-id/3",
    ((delta_cause(17), (Delta(Level.CATEGORY, Family.BOUGHT_NEXT, "A", "B", -0.5, 1_760_000_000_000, -1, 0),)),),
)
ITEM = ItemRecord(
    FORMAT, ItemRow("i1", "Mug", "Kitchen > Mugs", True, "Acme", 4.95, "GBP", False, 0.5), "m", b"h", b"v"
)


def test_records_come_back_as_they_were() -> None:
    assert decode_bundle(encode(BUNDLE)) == BUNDLE
    assert decode_deltas(encode(DELTAS)) == DELTAS
    assert decode_item(encode(ITEM)) == ITEM


def test_a_newer_format_is_refused_by_name() -> None:
    message = f"format {ERASING_FORMAT + 1}, this version reads up to {ERASING_FORMAT}"
    with pytest.raises(NewerFormat, match=message):
        decode_bundle(encode(msgspec.structs.replace(BUNDLE, format=ERASING_FORMAT + 1)))
    message = f"format {FORMAT + 1}, this version reads up to {FORMAT}"
    with pytest.raises(NewerFormat, match=message):
        decode_deltas(encode(msgspec.structs.replace(DELTAS, format=FORMAT + 1)))
    with pytest.raises(NewerFormat, match=message):
        decode_item(encode(msgspec.structs.replace(ITEM, format=FORMAT + 1)))


def test_fields_that_a_newer_writer_appended_are_skipped() -> None:
    fields = msgspec.msgpack.decode(encode(BUNDLE))
    assert decode_bundle(encode([*fields, "new"])) == BUNDLE


@given(st.tuples(st.integers(0, 1 << 40), st.integers(0, PARTS - 2)), st.integers(0, 1 << 40))
def test_causes_order_like_offset_then_part(place: tuple[int, int], other: int) -> None:
    offset, part = place
    assert delta_cause(offset, part) < delta_cause(offset, part + 1) <= delta_cause(offset)
    assert (delta_cause(offset) < delta_cause(other, 0)) == (offset < other)


def _delta(n: int, text: str = "") -> Delta:
    return Delta(Level.CATEGORY, Family.VIEWED_NEXT, f"A{n}", f"B{text}", 1.0, 1_760_000_000_000, 1, 1)


def test_deltas_travel_in_one_message_while_they_fit() -> None:
    causes = [(delta_cause(n), (_delta(n), _delta(n + 1))) for n in range(20)]
    (message,) = delta_messages("t/0", causes)
    assert decode_deltas(message) == DeltaMessage(FORMAT, "t/0", tuple(causes))
    assert delta_messages("t/0", []) == []


@given(st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=12), max_size=12), st.integers(100, 3_000))
def test_no_message_of_deltas_is_too_large_and_no_delta_is_lost(causes: list[list[int]], max_bytes: int) -> None:
    given_causes = [(delta_cause(n), tuple(_delta(i, "x" * i) for i in texts)) for n, texts in enumerate(causes)]
    messages = [decode_deltas(value) for value in delta_messages("t/0", given_causes, max_bytes)]
    for message in messages:
        assert len(message.causes) == sum(len(d) for _, d in message.causes) == 1 or len(encode(message)) <= (
            max_bytes + 40 + 12 * len(message.causes)
        )
    sent = [(cause, delta) for message in messages for cause, deltas in message.causes for delta in deltas]
    wanted = [(n, delta) for n, (_, deltas) in enumerate(given_causes) for delta in deltas]
    assert [(cause // PARTS, delta) for cause, delta in sent] == wanted
    numbers = [cause for message in messages for cause, _ in message.causes]
    assert numbers == sorted(set(numbers))  # or a reader would take a piece for a redelivery
    assert {cause for cause, _ in given_causes} <= set(numbers)
