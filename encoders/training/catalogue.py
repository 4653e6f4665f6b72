"""Read a shop's items from a file, to train on."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Self

from encoders.base import EncoderError


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """The words of one item; category is a joined path."""

    title: str
    brand: str
    category: str

    @classmethod
    def of(cls, row: Mapping[str, object]) -> Self:
        """Take what is known from a catalogue row; a missing field is empty."""
        category = row.get("category") or row.get("category_path") or ""
        joined = " > ".join(map(str, category)) if isinstance(category, list) else str(category)
        return cls(str(row.get("title") or "").strip(), str(row.get("brand") or "").strip(), joined.strip())


def read_catalogue(path: Path) -> list[CatalogueItem]:
    """Read items with a title from CSV (``title``, and ``brand`` and ``category`` if known) or JSON Lines.

    JSON Lines are catalogue rows as produced to the catalogue topic. Either may be compressed (``.gz``).
    Raises EncoderError naming file and line.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    lines_of_json = bool(suffixes) and suffixes[-1] in {".jsonl", ".ndjson", ".json"}
    try:
        with _open(path) as stream:
            rows = _json_rows(path, stream) if lines_of_json else _csv_rows(path, stream)
            items = [CatalogueItem.of(row) for row in rows]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise EncoderError(f"{path} cannot be read: {error}") from error
    items = [item for item in items if item.title]
    if not items:
        raise EncoderError(f"{path} has no item with a title")
    return items


def _open(path: Path) -> TextIOWrapper:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _csv_rows(path: Path, stream: TextIOWrapper) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(stream)
    if "title" not in (reader.fieldnames or ()):
        raise EncoderError(f"{path}: the first line must name the columns, `title` among them")
    yield from reader


def _json_rows(path: Path, stream: TextIOWrapper) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise EncoderError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise EncoderError(f"{path}, line {number} is not a JSON object")
        yield row
