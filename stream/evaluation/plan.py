"""Protocols to tests: what is asked of a shop, and the earlier tests that teach the ranker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path

import numpy as np

from stream.evaluation.cases import Candidates, Split
from stream.evaluation.interactions import Catalogue, Log
from stream.evaluation.protocols.last_step import last_step_splits
from stream.evaluation.protocols.next_basket import default_cut, next_basket_splits, only_new_items
from stream.evaluation.protocols.session import session_splits
from stream.evaluation.reading import RawEvents, build_catalogue, read_events, read_items
from stream.evaluation.shop import Sequence as Sequences
from stream.evaluation.shop import build_log, sessions_of_test

EARLIER_TESTS = 3
"""So many steps back does leave-one-out learn from."""

NEW_ITEMS = "new items"


class Protocol(StrEnum):
    """How a log becomes a test."""

    LEAVE_ONE_OUT = "leave-one-out"
    NEXT_BASKET = "next-basket"
    SESSION = "session"
    PREQUENTIAL = "prequential"


SEQUENCES = {
    Protocol.LEAVE_ONE_OUT: Sequences.USER,
    Protocol.NEXT_BASKET: Sequences.BASKET,
    Protocol.SESSION: Sequences.SESSION,
    Protocol.PREQUENTIAL: Sequences.USER,
}


class CannotTest(Exception):
    """The data gives this protocol nothing to test; the message says what is missing."""


@dataclass(frozen=True)
class Shop:
    """A shop as one protocol sees it. test_sessions: (n_users,) marks them, None: the protocol chooses."""

    raw: RawEvents
    log: Log
    users: tuple[str, ...]
    catalogue: Catalogue
    test_sessions: np.ndarray | None = None


@dataclass(frozen=True)
class PlannedTest:
    """One test and, the nearest first, earlier ones of its kind."""

    name: str
    split: Split
    earlier: tuple[Split, ...]


def read_shop(
    events: Sequence[Path],
    items: Path | None,
    protocol: Protocol,
    test: Path | None = None,
    kinds: frozenset[str] | None = None,
) -> Shop:
    """Read the files of a shop; ``test``: its sessions are the test. Raises EventFileError, CannotTest."""
    raw = read_events(events, kinds, test)
    if not len(raw):
        raise CannotTest("the files hold no interaction of the kinds asked for")
    catalogue = build_catalogue([raw], read_items(items) if items else {})
    log, names = build_log(raw, catalogue, SEQUENCES[protocol])
    marks = sessions_of_test(raw) if test is not None else None
    return Shop(raw, log, names, catalogue, marks)


def plan(shop: Shop, protocol: Protocol, cut: int | None, test_days: float) -> Iterator[PlannedTest]:
    """Yield the tests of a protocol other than prequential, the main one first. Raises CannotTest."""
    if protocol is Protocol.LEAVE_ONE_OUT:
        splits = list(islice(last_step_splits(shop.log, shop.catalogue), 1 + EARLIER_TESTS))
    elif protocol is Protocol.SESSION:
        splits = list(session_splits(shop.log, shop.catalogue, shop.test_sessions, test_days))
    else:
        splits = list(next_basket_splits(shop.log, shop.catalogue, default_cut(shop.log) if cut is None else cut))
    yield _test(protocol.value, splits, _asked(shop, protocol, cut, test_days))
    if protocol is Protocol.NEXT_BASKET:
        new = [replace(split, cases=only_new_items(split.cases), candidates=Candidates.NEW) for split in splits]
        if len(new[0].cases):
            yield _test(NEW_ITEMS, new)


def _asked(shop: Shop, protocol: Protocol, cut: int | None, test_days: float) -> str:
    """Say what was asked of which time."""
    first, last = (_minute(int(at)) for at in (shop.log.times.min(), shop.log.times.max()))
    span = f" (the log is from {first} to {last}"
    if protocol is Protocol.NEXT_BASKET:
        span += f", cut at {_minute(default_cut(shop.log) if cut is None else cut)}"
    elif protocol is Protocol.SESSION and shop.test_sessions is None:
        span += f", of which the last {test_days:g} days are the test"
    return f"{span})"


def _minute(at: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M}"
    except (OverflowError, OSError, ValueError):
        return f"{at} ms"


def _test(name: str, splits: Sequence[Split], asked: str = "") -> PlannedTest:
    if not splits or not len(splits[0].cases):
        raise CannotTest(f"{name}: the data holds no case: a history and something after it{asked}")
    earlier = tuple(split for split in splits[1:] if len(split.cases) and len(split.knowledge.log))
    if not earlier:
        raise CannotTest(f"{name}: the data holds no earlier test of the same kind to learn from{asked}")
    return PlannedTest(name, splits[0], earlier)
