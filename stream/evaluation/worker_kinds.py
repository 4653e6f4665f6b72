"""Kinds of interactions as the worker knows them, and which of a log's it does not know."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from encoders.training.events import TEACHING_KINDS
from stream.evaluation.interactions import BoolArray
from stream.evaluation.reading import RawEvents

_TRACKER_NAMES = {"cart": "add_to_cart"}
_SHOWN = 5


def worker_kind(kind: str) -> str:
    """Return the kind of an interaction as a tracker names it; case does not matter, none is a view."""
    lower = kind.lower()
    return _TRACKER_NAMES.get(lower, lower or "view")


def are_known(raw: RawEvents) -> BoolArray:
    """Return (m,): which interactions are of kinds that teach the worker."""
    return np.array([worker_kind(kind) in TEACHING_KINDS for kind in raw.kinds], np.bool_)


def are_purchases(raw: RawEvents) -> BoolArray:
    """Return (m,): which interactions are purchases."""
    return np.array([worker_kind(kind) == "purchase" for kind in raw.kinds], np.bool_)


def known_to_worker(raw: RawEvents) -> tuple[RawEvents, Counter[str]]:
    """Return the interactions that teach the worker, under its names of the kinds, and the other kinds, counted."""
    kinds = [worker_kind(kind) for kind in raw.kinds]
    kept = [place for place, kind in enumerate(kinds) if kind in TEACHING_KINDS]
    unknown = Counter(
        written for written, kind in zip(raw.kinds, kinds, strict=True) if kind not in TEACHING_KINDS
    )  # fmt: skip
    named = replace(raw, kinds=kinds)
    return (_select(named, kept) if unknown else named), unknown


def say_unknown(unknown: Mapping[str, int], of: int) -> str:
    """Say how many of so many events have kinds that the worker does not know, and the most frequent of these."""
    most = sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))
    names = [f"{kind!r} {count:,}" for kind, count in most[:_SHOWN]]
    if len(most) > _SHOWN:
        names.append(f"and {len(most) - _SHOWN} more")
    *others, last = sorted(TEACHING_KINDS)
    known = f"{', '.join(others)} or {last}"
    return (
        f"{sum(unknown.values()):,} of {of:,} events have kinds that the worker does not know: {', '.join(names)}; "
        f"write {known}"
    )


def _select(raw: RawEvents, places: list[int]) -> RawEvents:
    columns: dict[str, Any] = {}
    for field in fields(raw):
        column = getattr(raw, field.name)
        if isinstance(column, np.ndarray):
            columns[field.name] = column[places]
        elif isinstance(column, list):
            columns[field.name] = [column[place] for place in places]
    return replace(raw, **columns)
