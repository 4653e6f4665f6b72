"""Catalogue rows: from a record of the catalogue topic to what the graph stores of an item."""

import re
import unicodedata
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from graph.model import ItemRow
from stream.settings import TrackerSettings
from stream.trackers import Reason, Rejected, Stage, event_fields
from stream.trackers.limits import (
    MAX_ID_CHARACTERS,
    Category,
    Currency,
    Id,
    Price,
    category_path,
    check_characters,
)
from stream.trackers.parsing import check_bytes, parse

MAX_TITLE_CHARACTERS = 2_000
MAX_BRAND_CHARACTERS = 256

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class CatalogueRow(msgspec.Struct, frozen=True):
    """One item as the shop describes it. Unknown fields are ignored; null means absent for what is optional."""

    item_id: Annotated[Id, Meta(description="Also the record's key: compaction and removal go by the key.")]
    title: Annotated[str, Meta(max_length=MAX_TITLE_CHARACTERS)] | None = None
    category: Category | None = None
    brand: Annotated[str, Meta(max_length=MAX_BRAND_CHARACTERS)] | None = None
    price: Price | None = None
    currency: Currency | None = None
    available: Annotated[bool, Meta(description="false: never in a list.")] = True
    quality: Annotated[float, Meta(ge=0, le=1, description="An up-sell item's is not below its anchor's.")] | None = (
        None
    )


class Removal(NamedTuple):
    """The item left the catalogue."""

    item_id: str


class _Hints(msgspec.Struct, frozen=True):
    item_id: Any = None
    title: Any = None
    event_id: Any = msgspec.UNSET
    kind: Any = msgspec.UNSET
    occurred_at: Any = msgspec.UNSET
    message_id: Any = msgspec.field(name="messageId", default=msgspec.UNSET)


_DECODER = msgspec.json.Decoder(CatalogueRow)
_HINTS = msgspec.json.Decoder(_Hints)


def decode_row(key: bytes | None, value: bytes | None, settings: TrackerSettings) -> ItemRow | Removal:
    """Decode one record of the catalogue topic; an empty value removes the item that the key names.

    Where a value names an item, the key is not looked at. Control characters in title and brand become blanks, both
    are brought into Unicode form NFC; in ``item_id`` and ``category`` they are refused, for these are keys.

    Raises Rejected, its stage ``catalogue``; an event is refused too, for unknown fields are ignored.
    """
    if not value:
        return Removal(_removed(key))
    body = check_bytes(value, settings.max_message_bytes, Stage.CATALOGUE)
    if fields := event_fields(body):
        # As a row it would wipe out the item's title and all else that it does not say.
        message = f"together with {fields[1]} this is an event, not a catalogue row"
        raise Rejected(Stage.CATALOGUE, Reason.NOT_A_ROW, fields[0], message)
    row = parse(_DECODER, body, Stage.CATALOGUE)
    check_characters([("item_id", row.item_id)], Stage.CATALOGUE)
    return ItemRow(
        item_id=row.item_id,
        title=_one_line(row.title),
        category=category_path(row.category, settings.category_separator, "category", Stage.CATALOGUE),
        brand=_one_line(row.brand) or None,
        price=None if row.price is None else row.price + 0.0,  # -0.0 becomes 0.0
        currency=row.currency.upper() if row.currency else None,
        available=row.available,
        quality=row.quality,
    )


def is_row(value: bytes) -> bool:
    """Tell whether a message is plainly a catalogue row: an item and its title, and nothing of what an event needs."""
    try:
        hints = _HINTS.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    required = hints.event_id, hints.kind, hints.occurred_at, hints.message_id
    return (
        isinstance(hints.item_id, str)
        and isinstance(hints.title, str)
        and all(field is msgspec.UNSET for field in required)
    )


def _removed(key: bytes | None) -> str:
    if not key:
        raise Rejected(Stage.CATALOGUE, Reason.NULL_VALUE, "", "neither a value nor a key that names an item")
    try:
        item_id = key.decode()
    except UnicodeDecodeError:
        raise Rejected(Stage.CATALOGUE, Reason.NOT_UTF8, "key", "not UTF-8") from None
    if len(item_id) > MAX_ID_CHARACTERS:
        raise Rejected(Stage.CATALOGUE, Reason.TOO_LONG, "key", f"must have at most {MAX_ID_CHARACTERS} characters")
    check_characters([("key", item_id)], Stage.CATALOGUE)
    return item_id


def _one_line(text: str | None) -> str:
    return unicodedata.normalize("NFC", _CONTROLS.sub(" ", text)).strip() if text else ""
