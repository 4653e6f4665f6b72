"""Files of events, items and sessions to arrays.

Events: CSV with ``user_id, item_id, ts_ms`` (or ``occurred_at`` in ms) and, if known, ``type`` (or ``kind``),
``price, session_id``. Items: CSV with ``item_id`` and, if known, ``title, category_path`` (or ``category``, labels
joined by " > "), ``brand, price``. Sessions, as the session-based literature keeps them: tab- or comma-separated
``SessionId, ItemId, Time`` (seconds). Each also with ``.gz`` behind it.
"""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from graph.model import category_labels
from stream.evaluation.interactions import Catalogue, DoubleArray, IntArray, hash_order
from stream.event_files import EventFileError

NOT_INTERACTIONS = {"return", "refund", "impression", "remove_from_cart"}
"""Kinds that neither teach nor are predicted."""

_READ_ERRORS = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True)
class RawEvents:
    """m interactions as they stand in the file, sorted by time; ties keep the file's order. ``times`` in ms."""

    users: list[str]
    items: list[str]
    kinds: list[str]
    times: IntArray
    prices: DoubleArray
    sessions: list[str]

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class RawItem:
    """One row of the catalogue. ``price``: NaN when unknown."""

    title: str = ""
    category: tuple[str, ...] = ()
    brand: str = ""
    price: float = float("nan")


def read_events(paths: Iterable[Path], kinds: frozenset[str] | None = None) -> RawEvents:
    """Read files of one schema into one log, without :data:`NOT_INTERACTIONS`; only ``kinds`` when given.

    Raises EventFileError.
    """
    rows: list[tuple[str, str, str, int, float, str]] = []
    for path in paths:
        rows += _session_rows(path) if _is_session_file(path) else _event_rows(path)
    rows = [row for row in rows if row[2] not in NOT_INTERACTIONS and (kinds is None or row[2] in kinds)]
    rows.sort(key=lambda row: row[3])
    return RawEvents(
        users=[row[0] for row in rows],
        items=[row[1] for row in rows],
        kinds=[row[2] for row in rows],
        times=np.array([row[3] for row in rows], np.int64),
        prices=np.array([row[4] for row in rows], np.float64),
        sessions=[row[5] for row in rows],
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
    with _open(path) as file:
        try:
            return file.readline().decode("utf-8-sig").startswith("SessionId")
        except _READ_ERRORS as error:
            raise EventFileError(f"{path}: {error}") from None


def _event_rows(path: Path) -> Iterator[tuple[str, str, str, int, float, str]]:
    columns, rows = _table(path, {"user_id", "item_id", "ts_ms (or occurred_at)"})
    place = {name: index for index, name in enumerate(columns)}
    user, item = place["user_id"], place["item_id"]
    time = place.get("ts_ms", place.get("occurred_at"))
    kind = place.get("type", place.get("kind"))
    price, session = place.get("price"), place.get("session_id")
    for line, row in rows:
        try:
            at = int(_cell(row, time))
        except ValueError:
            message = f"{_cell(row, time)!r} is no time; write integer milliseconds"
            raise EventFileError(f"{path}: line {line}: {message}") from None
        if not row[user] or not row[item]:
            raise EventFileError(f"{path}: line {line}: no user_id or no item_id")
        amount = _price(path, line, _cell(row, price))
        yield row[user], row[item], _cell(row, kind), at, amount, _cell(row, session)


def _session_rows(path: Path) -> Iterator[tuple[str, str, str, int, float, str]]:
    columns, rows = _table(path, {"SessionId", "ItemId", "Time"})
    place = {name: index for index, name in enumerate(columns)}
    session, item, time = place["SessionId"], place["ItemId"], place["Time"]
    for line, row in rows:
        try:
            at = round(float(row[time]) * 1000)
        except ValueError:
            raise EventFileError(f"{path}: line {line}: {row[time]!r} is no time in seconds") from None
        yield row[session], row[item], "click", at, float("nan"), row[session]


def _table(path: Path, required: set[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    rows = _rows(path)
    _, columns = next(rows, (1, []))
    missing = sorted(name for name in required if not any(part in columns for part in _names(name)))
    if missing:
        raise EventFileError(f"{path}: line 1 names no column {', '.join(missing)}")
    return columns, rows


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
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise EventFileError(f"{path}: line {line}: {text!r} is no price") from None
