"""What must hold of whatever comes out of a decoder, for any bytes at all."""

import math
import re
import unicodedata

from graph.model import CATEGORY_SEPARATOR, Interaction, ItemRow
from stream.bundles import FORMAT, Bundle, Entry, ItemRecord, decode_bundle, decode_item, encode
from stream.catalogue import MAX_BRAND_CHARACTERS, MAX_TITLE_CHARACTERS
from stream.deadletter import build_dead_letter, describe, is_complete, parse_dead_letter
from stream.trackers import Decoded, Reason, Rejected, Stage
from stream.trackers.limits import EARLIEST_MS, MAX_ID_CHARACTERS, MAX_LABELS, MAX_PATH_CHARACTERS

LONGEST_ID = MAX_ID_CHARACTERS + len("anon:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIELD = re.compile(r"[A-Za-z_]*(\[(\d+|\.\.\.)\])?(\.[A-Za-z_]+(\[(\d+|\.\.\.)\])?)*")


def check_rejected(rejected: Rejected, key: bytes | None, value: bytes | None) -> None:
    """A known reason, a field that is a path of our own words, one short line; and a dead letter that says the same."""
    assert rejected.reason in Reason, rejected.reason
    assert rejected.stage in Stage, rejected.stage
    assert _FIELD.fullmatch(rejected.field), rejected.field
    assert 0 < len(rejected.message) <= 200, rejected.message
    assert not _CONTROL.search(rejected.message), rejected.message
    letter = describe(rejected, "t", 0, 1)
    record = build_dead_letter(letter, key, value, [])
    assert parse_dead_letter(record.headers) == letter
    if is_complete(record.headers):
        assert (record.key, record.value) == (key, value)


def check_decoded(decoded: Decoded) -> None:
    """Interactions or exactly one count; each interaction within its limits, and the same after a bundle."""
    counts = decoded.ignored, decoded.filtered, decoded.late
    assert sum(map(bool, counts)) + bool(decoded.interactions) == 1
    assert max(decoded.ignored, decoded.filtered) <= 1
    assert len(decoded.ignored_name) <= 64
    for interaction in decoded.interactions:
        _check_interaction(interaction)
    entries = tuple(Entry(0, 1, index, 2, interaction) for index, interaction in enumerate(decoded.interactions))
    assert decode_bundle(encode(Bundle(FORMAT, ("t/0",), entries))).entries == entries


def _check_interaction(interaction: Interaction) -> None:
    _check_id(interaction.event_id)
    _check_id(interaction.user_id)
    _check_id(interaction.item_id)
    for text in (interaction.order_id, interaction.list_id, interaction.recommendation_id):
        if text is not None:
            _check_id(text)
    _check_path(interaction.category)
    _check_price(interaction.price)
    assert EARLIEST_MS <= interaction.occurred_at < 2**63
    assert interaction.currency is None or re.fullmatch("[A-Z]{3}", interaction.currency)
    assert 1 <= interaction.quantity <= 1_000_000_000
    assert interaction.position is None or 0 <= interaction.position <= 1_000_000_000


def check_row(row: ItemRow) -> None:
    """A catalogue row within its limits, and the same after a record of the items topic."""
    _check_id(row.item_id)
    for text, limit in ((row.title, MAX_TITLE_CHARACTERS), (row.brand or "", MAX_BRAND_CHARACTERS)):
        text.encode()
        assert not _CONTROL.search(text)
        assert text == text.strip()
        assert len(text) <= 4 * limit  # NFC makes some characters three or four
    _check_path(row.category)
    _check_price(row.price)
    assert row.quality is None or 0 <= row.quality <= 1
    assert decode_item(encode(ItemRecord(FORMAT, row))).row == row


def _check_id(text: str) -> None:
    text.encode()
    assert 1 <= len(text) <= LONGEST_ID
    assert not _CONTROL.search(text)


def _check_path(path: str | None) -> None:
    if path is None:
        return
    path.encode()
    labels = path.split(CATEGORY_SEPARATOR)
    assert 1 <= len(labels) <= MAX_LABELS
    assert all(labels)
    assert len(path) <= MAX_PATH_CHARACTERS
    assert not _CONTROL.search(path)
    assert unicodedata.is_normalized("NFC", path)


def _check_price(price: float | None) -> None:
    if price is not None:
        assert 0 <= price <= 1e12
        assert math.copysign(1, price) == 1
