"""Files of events, items and sessions to arrays.

Events: CSV with ``user_id, item_id, ts_ms`` (or ``occurred_at`` in ms) and, if known, ``type`` (or ``kind``, in any
case), ``price, session_id, event_id``; of rows with one event_id the first counts. Items: CSV with ``item_id`` and, if
known, ``title, category_path`` (or ``category``, labels joined by " > "), ``brand, price``. Sessions, as the
session-based literature keeps them: tab- or comma-separated ``SessionId, ItemId, Time`` (seconds). Columns in any
order; others are left out. Each also with ``.gz`` behind it.
"""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from graph.model import category_labels
from stream.evaluation.interactions import BoolArray, Catalogue, DoubleArray, IntArray, hash_order
from stream.event_files import EventFileError

NOT_INTERACTIONS = {"return", "refund", "impression", "remove_from_cart"}
"""Kinds that neither teach nor are predicted."""

_SESSION_COLUMNS = frozenset({"SessionId", "ItemId", "Time"})
_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800
"""1990 and 2100 in seconds; in milliseconds all of that is in the first weeks of 1970."""
_LARGEST = 2**62

_READ_ERRORS = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True)
class RawEvents:
    """m interactions as they stand in the file, sorted by time; ties keep the file's order. ``times`` in ms.

    tested: (m,) which are of the file of test sessions. repeated: rows left out, whose event_id had come before.
    """

    users: list[str]
    items: list[str]
    kinds: list[str]
    times: IntArray
    prices: DoubleArray
    sessions: list[str]
    tested: BoolArray
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class RawItem:
    """One row of the catalogue. ``price``: NaN when unknown."""

    title: str = ""
    category: tuple[str, ...] = ()
    brand: str = ""
    price: float = float("nan")


class _Row(NamedTuple):
    user: str
    item: str
    kind: str
    at: int
    price: float
    session: str
    event_id: str = ""


def read_events(paths: Iterable[Path], kinds: frozenset[str] | None = None, test: Path | None = None) -> RawEvents:
    """Read files of one schema into one log, without :data:`NOT_INTERACTIONS`; only ``kinds`` when given.

    test: one more file, of the sessions to test on. Raises EventFileError.
    """
    rows: list[_Row] = []
    tested: list[bool] = []
    seen: set[str] = set()
    repeated = 0
    for path, is_test in (*((path, False) for path in paths), *([(test, True)] if test else [])):
        for row in _session_rows(path) if _is_session_file(path) else _event_rows(path):
            if row.event_id in seen:
                repeated += 1
                continue
            if row.event_id:
                seen.add(row.event_id)
            if row.kind not in NOT_INTERACTIONS and (kinds is None or row.kind in kinds):
                rows.append(row)
                tested.append(is_test)
    times = np.array([row.at for row in rows], np.int64)
    order = np.argsort(times, kind="stable")
    rows = [rows[place] for place in order.tolist()]
    return RawEvents(
        users=[row.user for row in rows],
        items=[row.item for row in rows],
        kinds=[row.kind for row in rows],
        times=times[order],
        prices=np.array([row.price for row in rows], np.float64),
        sessions=[row.session for row in rows],
        tested=np.array(tested, np.bool_)[order],
        repeated=repeated,
    )


def read_items(path: Path) -> dict[str, RawItem]:
    """Read the catalogue by item id. Raises EventFileError."""
    items: dict[str, RawItem] = {}
    columns, rows = _table(path, {"item_id"})
    place = {name: columns.index(name) for name in columns}
    category = place.get("category_path", place.get("category"))
    for line, row in rows:
        item_id = row[place["item_id"]]
        if not item_id:
            raise EventFileError(f"{path}: line {line}: no item_id")
        items[item_id] = RawItem(
            title=_cell(row, place.get("title")),
            category=tuple(category_labels(_cell(row, category))) if _cell(row, category) else (),
            brand=_cell(row, place.get("brand")),
            price=_price(path, line, _cell(row, place.get("price"))),
        )
    return items


def build_catalogue(events: Iterable[RawEvents], items: dict[str, RawItem]) -> Catalogue:
    """Return the items of the file and those that only events name."""
    ids = hash_order(set(items).union(*(part.items for part in events)))
    rows = [items.get(item_id, RawItem()) for item_id in ids]
    return Catalogue(
        item_ids=tuple(ids),
        titles=tuple(row.title for row in rows),
        brands=tuple(row.brand for row in rows),
        categories=tuple(row.category for row in rows),
        prices=np.array([row.price for row in rows], np.float64),
    )


def _is_session_file(path: Path) -> bool:
    rows = _rows(path)
    _, columns = next(rows, (1, []))
    return set(columns) >= _SESSION_COLUMNS


def _event_rows(path: Path) -> Iterator[_Row]:
    columns, rows = _table(path, {"user_id", "item_id", "ts_ms (or occurred_at)"})
    place = {name: index for index, name in enumerate(columns)}
    user, item = place["user_id"], place["item_id"]
    time = place.get("ts_ms", place.get("occurred_at"))
    kind = place.get("type", place.get("kind"))
    price, session, event = place.get("price"), place.get("session_id"), place.get("event_id")
    first, last = _LARGEST, -_LARGEST
    for line, row in rows:
        at = _milliseconds(path, line, _cell(row, time))
        first, last = min(first, at), max(last, at)
        if not row[user] or not row[item]:
            raise EventFileError(f"{path}: line {line}: no user_id or no item_id")
        amount = _price(path, line, _cell(row, price))
        kind_of = _cell(row, kind).lower()
        yield _Row(row[user], row[item], kind_of, at, amount, _cell(row, session), _cell(row, event))
    if _FIRST_SECOND <= first <= last <= _LAST_SECOND:
        raise EventFileError(f"{path}: all times look like seconds ({first} to {last}); write milliseconds since 1970")


def _milliseconds(path: Path, line: int, text: str) -> int:
    try:
        at = int(text) if text.lstrip("-").isdigit() else int(float(text))
        if abs(at) < _LARGEST:
            return at
    except (ValueError, OverflowError):
        pass
    raise EventFileError(f"{path}: line {line}: {text!r} is no time; write integer milliseconds")


def _session_rows(path: Path) -> Iterator[_Row]:
    columns, rows = _table(path, _SESSION_COLUMNS)
    place = {name: index for index, name in enumerate(columns)}
    session, item, time = place["SessionId"], place["ItemId"], place["Time"]
    for line, row in rows:
        try:
            at = round(float(row[time]) * 1000)
        except (ValueError, OverflowError):
            raise EventFileError(f"{path}: line {line}: {row[time]!r} is no time in seconds") from None
        if abs(at) >= _LARGEST:
            raise EventFileError(f"{path}: line {line}: {row[time]!r} is no time in seconds")
        yield _Row(row[session], row[item], "click", at, float("nan"), row[session])


def _table(path: Path, required: Set[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    rows = _rows(path)
    _, columns = next(rows, (1, []))
    missing = sorted(name for name in required if not any(part in columns for part in _names(name)))
    if missing:
        hint = _separator_hint(path, columns)
        raise EventFileError(f"{path}: line 1 names no column {', '.join(missing)}{hint}")
    return columns, rows


def _separator_hint(path: Path, columns: Sequence[str]) -> str:
    if len(columns) == 1 and ";" in columns[0]:
        return "; columns are separated by commas or tabs, not by semicolons"
    if {".jsonl", ".ndjson", ".json"} & set(path.suffixes) or (columns[:1] and columns[0].startswith("{")):
        return "; this reads CSV, not JSON"
    return ""


def _names(name: str) -> list[str]:
    return name.replace("(or ", "").replace(")", "").split(" ")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    line = 0
    with _open(path) as file:
        try:
            first = file.readline().decode("utf-8-sig")
            delimiter = "\t" if "\t" in first else ","
            columns = next(csv.reader([first], delimiter=delimiter), [])
            yield 1, [column.strip() for column in columns]
            reader = csv.reader((text.decode() for text in file), delimiter=delimiter)
            for line, row in enumerate(reader, 2):
                if not row:
                    continue
                if len(row) < len(columns):
                    raise EventFileError(f"{path}: line {line}: {len(row)} cells where line 1 names {len(columns)}")
                yield line, row
        except _READ_ERRORS as error:
            raise EventFileError(f"{path}: line {line + 1}: {error}") from None


def _open(path: Path) -> IO[bytes]:
    try:
        return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise EventFileError(f"{path}: {error.strerror or error}") from None


def _cell(row: list[str], column: int | None) -> str:
    return "" if column is None else row[column]


def _price(path: Path, line: int, text: str) -> float:
    """Return the price, NaN where there is none: an empty cell, or what stands for one (below 0, or not finite)."""
    try:
        price = float(text) if text else float("nan")
    except ValueError:
        raise EventFileError(f"{path}: line {line}: {text!r} is no price") from None
    return price if 0.0 <= price < float("inf") else float("nan")
