"""Files of events and of catalogue rows, as the messages that a tracker or a shop would have sent.

Four forms, told by the name, each also with ``.gz`` behind it:

- ``.jsonl`` or ``.ndjson``: one message per line in any dialect, byte for byte; blank lines are skipped.
- ``.csv`` of events: our own field names, or those of common data sets: ``type`` (where ``cart`` is ``add_to_cart`` and
  ``return`` is ``refund``), ``ts_ms``. Other columns, such as ``session_id``, are left out.
- ``.csv`` of the catalogue: our own field names, or ``category_path`` (labels joined by " > ").

Nothing is repaired: a cell that is not what its field wants is sent as it stands, to be refused with its reason.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from graph.model import category_labels

_SAMPLE_BYTES = 65_536
_READ_ERRORS = (OSError, EOFError, zlib.error)
_EVENT_NAMES = {"type": "kind", "ts_ms": "occurred_at"}
_NEEDED_BY_EVENTS = frozenset({"event_id", "kind", "occurred_at", "user_id"})
_TYPES = {"cart": "add_to_cart", "return": "refund"}


class EventFileError(Exception):
    """The file cannot be read as what its name says; the message names the line and the mend."""


class NumberedMessage(NamedTuple):
    """A message and the line it stands in, counted from 1. ``key`` is the user's or the item's id, if it has one."""

    line: int
    key: bytes | None
    value: bytes


class _Keys(msgspec.Struct):
    user_id: Any = None
    userId: Any = None
    anonymous_id: Any = None
    anonymousId: Any = None


class _ItemKey(msgspec.Struct):
    item_id: Any = None


_KEYS = msgspec.json.Decoder(_Keys)
_ITEM_KEY = msgspec.json.Decoder(_ItemKey)


def read_messages(path: Path, *, shift_ms: int = 0) -> Iterator[tuple[bytes | None, bytes]]:
    """Yield (key, value) of every event in the file, in its order, holding one line at a time.

    ``shift_ms`` is added to the times of a CSV: for data sets whose clock only tells an order.
    Raises EventFileError.
    """
    for _, key, value in read_numbered_messages(path, shift_ms=shift_ms):
        yield key, value


def read_numbered_messages(path: Path, *, shift_ms: int = 0) -> Iterator[NumberedMessage]:
    """Yield every event with its line; see :func:`read_messages`."""
    if _form(path) == "csv":
        return _read_csv(path, lambda columns: _event_row(path, columns, shift_ms))
    return _read_lines(path, _user_key)


def read_catalogue(path: Path) -> Iterator[tuple[bytes | None, bytes]]:
    """Yield (key, value) of every catalogue row in the file. Raises EventFileError."""
    for _, key, value in read_numbered_catalogue(path):
        yield key, value


def read_numbered_catalogue(path: Path) -> Iterator[NumberedMessage]:
    """Yield every catalogue row with its line. Raises EventFileError."""
    if _form(path) == "csv":
        return _read_csv(path, lambda columns: _catalogue_row(path, columns))
    return _read_lines(path, _item_key)


def count_hint(path: Path) -> int:
    """Estimate how many messages the file holds, from its size and its first lines; for progress bars only.

    Raises EventFileError.
    """
    form = _form(path)
    with _open(path) as file:
        try:
            sample = file.read(_SAMPLE_BYTES)
            whole = not file.read(1)
        except _READ_ERRORS as error:
            raise EventFileError(f"{path}: {error}") from None
    lines = sample.count(b"\n") + (not sample.endswith(b"\n") and bool(sample))
    size = len(sample) if whole else _unpacked_size(path)
    return max(0, round(size / max(1, len(sample)) * lines) - (form == "csv"))


def _form(path: Path) -> str:
    if path.is_dir():
        raise EventFileError(f"{path}: is a folder; name a file in it")
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        return "csv"
    if name.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    raise EventFileError(f"{path}: name it .csv, .jsonl or .ndjson (and .gz if compressed) after what is in it")


def _open(path: Path) -> IO[bytes]:
    try:
        return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise EventFileError(f"{path}: {error.strerror or error}") from None


def _unpacked_size(path: Path) -> int:
    with path.open("rb") as file:
        if path.suffix != ".gz":
            return file.seek(0, io.SEEK_END)
        file.seek(-4, io.SEEK_END)
        return int.from_bytes(file.read(4), "little")  # gzip's last field: the size modulo 2^32


def _read_lines(path: Path, key_of: Callable[[bytes], bytes | None]) -> Iterator[NumberedMessage]:
    with _open(path) as file:
        number = 0
        try:
            for number, line in enumerate(file, 1):
                if value := line.rstrip(b"\r\n"):
                    yield NumberedMessage(number, key_of(value), value)
        except _READ_ERRORS as error:
            raise EventFileError(f"{path}: line {number + 1}: {error}") from None


def _read_csv(
    path: Path, reader: Callable[[list[str]], Callable[[list[str]], tuple[bytes | None, bytes]]]
) -> Iterator[NumberedMessage]:
    with _open(path) as file:
        # Line by line, so that an error in the encoding is told with its line.
        rows = csv.reader(line.decode("utf-8" if index else "utf-8-sig") for index, line in enumerate(file))
        try:
            columns = next(rows, None)
            if columns is None:
                raise EventFileError(f"{path}: empty; the first line must name the columns")
            message = reader([column.strip() for column in columns])
            for row in rows:
                if row:
                    yield NumberedMessage(rows.line_num, *message(row))
        except (*_READ_ERRORS, csv.Error, UnicodeDecodeError) as error:
            raise EventFileError(f"{path}: line {rows.line_num + 1}: {error}") from None


def _event_row(path: Path, columns: list[str], shift_ms: int) -> Callable[[list[str]], tuple[bytes | None, bytes]]:
    names = [_EVENT_NAMES.get(column, column) for column in columns]
    if "item_id" in names and not {"event_id", "kind", "occurred_at"}.intersection(names):
        raise EventFileError(
            f"{path}: line 1 names no column event_id, kind or occurred_at: it is no file of events; validate and "
            "replay read catalogue rows with --catalogue"
        )
    _require(path, names, {"event_id", "item_id", "kind (or type)", "occurred_at (or ts_ms)"})
    if "anonymous_id" not in names:
        _require(path, names, {"user_id (or anonymous_id)"})
    known = [(index, name, _EVENT_CELLS[name]) for index, name in enumerate(names) if name in _EVENT_CELLS]

    def message(row: list[str]) -> tuple[bytes | None, bytes]:
        event = {name: read(row[index]) for index, name, read in known if index < len(row) and row[index]}
        if "type" in columns and event.get("kind") in _TYPES:
            event["kind"] = _TYPES[event["kind"]]
        if shift_ms and isinstance(event.get("occurred_at"), int):
            event["occurred_at"] += shift_ms
        key = event.get("user_id") or event.get("anonymous_id")
        return key and key.encode(), msgspec.json.encode(event)

    return message


def _catalogue_row(path: Path, columns: list[str]) -> Callable[[list[str]], tuple[bytes | None, bytes]]:
    names = ["category" if column == "category_path" else column for column in columns]
    _require(path, names, {"item_id"})
    _refuse_columns_of_events(path, columns)
    cells: dict[str, Callable[[str], Any]] = dict(_CATALOGUE_CELLS)
    if "category_path" in columns:
        cells["category"] = category_labels
    known = [(index, name, cells[name]) for index, name in enumerate(names) if name in cells]

    def message(row: list[str]) -> tuple[bytes | None, bytes]:
        item = {name: read(row[index]) for index, name, read in known if index < len(row) and row[index]}
        key = item.get("item_id")
        return key and key.encode(), msgspec.json.encode(item)

    return message


def _require(path: Path, names: list[str], required: set[str]) -> None:
    if missing := sorted(column for column in required if column.split(" ")[0] not in names):
        raise EventFileError(f"{path}: line 1 names no column {', '.join(missing)}")


def _refuse_columns_of_events(path: Path, columns: list[str]) -> None:
    """Raise EventFileError where the four columns are that events need beside an item, or three and no title."""
    names = [{"anonymous_id": "user_id"}.get(name, name) for name in (_EVENT_NAMES.get(c, c) for c in columns)]
    found = [column for column, name in zip(columns, names, strict=True) if name in _NEEDED_BY_EVENTS]
    if len(_NEEDED_BY_EVENTS.intersection(names)) >= len(_NEEDED_BY_EVENTS) - ("title" not in names):
        raise EventFileError(
            f"{path}: line 1 names the columns {', '.join(found)}: a file of events, not of catalogue rows; validate "
            "and replay read it without --catalogue"
        )


def _text(cell: str) -> str:
    return cell


def _integer(cell: str) -> Any:
    """Read 6 and 6.0, the latter because spreadsheets write it; leave anything else to be refused."""
    number = _number(cell)
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 2**53 else number


def _number(cell: str) -> Any:
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if abs(number) != float("inf") and number == number else cell


def _time(cell: str) -> Any:
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 20 else cell


def _boolean(cell: str) -> Any:
    return {"true": True, "false": False}.get(cell.lower(), cell)


_EVENT_CELLS: dict[str, Callable[[str], Any]] = {
    "event_id": _text,
    "kind": _text,
    "user_id": _text,
    "anonymous_id": _text,
    "item_id": _text,
    "occurred_at": _time,
    "category": _text,
    "price": _number,
    "currency": _text,
    "quantity": _integer,
    "order_id": _text,
    "list_id": _text,
    "position": _integer,
    "recommendation_id": _text,
    "consent": _boolean,
}
_CATALOGUE_CELLS: dict[str, Callable[[str], Any]] = {
    "item_id": _text,
    "title": _text,
    "category": _text,
    "brand": _text,
    "price": _number,
    "currency": _text,
    "available": _boolean,
    "quality": _number,
}


def _user_key(value: bytes) -> bytes | None:
    try:
        keys = _KEYS.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for key in (keys.user_id, keys.userId, keys.anonymous_id, keys.anonymousId):
        if isinstance(key, str) and key:
            return key.encode()
    return None


def _item_key(value: bytes) -> bytes | None:
    try:
        key = _ITEM_KEY.decode(value).item_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return key.encode() if isinstance(key, str) and key else None
