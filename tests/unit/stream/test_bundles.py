import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.model import Family, Interaction, ItemRow, Kind, Level
from graph.transitions import Delta
from stream.bundles import (
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
    message = f"format {FORMAT + 1}, this version reads up to {FORMAT}"
    with pytest.raises(NewerFormat, match=message):
        decode_bundle(encode(msgspec.structs.replace(BUNDLE, format=FORMAT + 1)))
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
