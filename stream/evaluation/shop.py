"""From raw events to a log: whose sequence an interaction belongs to, and which interactions share a step."""

from collections import Counter
from collections.abc import Hashable, Iterable
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from stream.evaluation.interactions import BoolArray, Catalogue, IntArray, Log
from stream.evaluation.reading import RawEvents


class Sequence(StrEnum):
    """What makes a sequence, and a step of it."""

    USER = "user"  # every interaction is a step
    BASKET = "basket"  # a user's sequence; what has one session_id (or, without one, one time) is one step
    SESSION = "session"  # a user's session's sequence; every interaction is a step


SESSION_GAP_MS = 30 * 60_000
"""Of a user's events without a session_id, a pause of so long begins another session."""


class SessionKey(NamedTuple):
    """What makes two events one session: trackers count sessions per user, and files count them anew."""

    session: str
    user: str
    tested: bool


def build_log(raw: RawEvents, catalogue: Catalogue, sequence: Sequence) -> tuple[Log, tuple[str, ...]]:
    """Return the log and the name of each user (or session) in it."""
    if sequence is Sequence.SESSION:
        keys = session_keys(raw)
        users, names = _codes(keys), _session_names(tuple(dict.fromkeys(keys)))
    else:
        users, names = _codes(raw.users), tuple(dict.fromkeys(raw.users))
    sessions = _codes(_baskets(raw)) if sequence is Sequence.BASKET else np.zeros(len(users), np.int64)
    order = np.lexsort((sessions, raw.times, users))  # stable: ties keep the file's order
    users, times, sessions = users[order], raw.times[order], sessions[order]
    starts_user = np.diff(users, prepend=-1) != 0
    starts_step = np.ones(len(users), np.bool_)
    if sequence is Sequence.BASKET:
        starts_step = starts_user | (np.diff(sessions, prepend=-1) != 0)
    log = Log(
        users=users,
        items=np.array([catalogue.codes[item] for item in raw.items], np.int64)[order],
        times=times,
        prices=raw.prices[order],
        steps=_count_within(starts_step, starts_user),
        places=order.astype(np.int64),
        n_users=int(users.max(initial=-1)) + 1,
    )
    return log, names


def sessions_of_test(raw: RawEvents) -> BoolArray:
    """Return (n_users,) which sessions of the log are of the file of test sessions."""
    return np.array([key.tested for key in dict.fromkeys(session_keys(raw))], np.bool_)


def session_keys(raw: RawEvents) -> list[SessionKey]:
    """Return each interaction's session."""
    keys: list[SessionKey] = []
    last: dict[tuple[str, bool], tuple[int, int]] = {}
    columns = zip(_sessions(raw), raw.users, raw.times.tolist(), raw.tested.tolist(), strict=True)
    for session, user, at, tested in columns:
        if not session:
            before, number = last.get((user, tested), (at, 0))
            number += at - before > SESSION_GAP_MS
            last[user, tested] = at, number
        keys.append(SessionKey(session or f"{user}#{number}", user, tested))
    return keys


def _codes(names: Iterable[Hashable]) -> IntArray:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def _count_within(starts_step: BoolArray, starts_user: BoolArray) -> IntArray:
    total = np.cumsum(starts_step)
    first: IntArray = np.maximum.accumulate(np.where(starts_user, total, 0))
    steps: IntArray = (total - first).astype(np.int64)
    return steps


def _sessions(raw: RawEvents) -> list[str]:
    """Return each interaction's session_id; one without takes that of what the user did at the same time, if any."""
    if all(raw.sessions) or not any(raw.sessions):
        return raw.sessions
    moments = list(zip(raw.users, raw.times.tolist(), strict=True))
    known = {moment: session for moment, session in zip(moments, raw.sessions, strict=True) if session}
    return [session or known.get(moment, "") for moment, session in zip(moments, raw.sessions, strict=True)]


def _baskets(raw: RawEvents) -> list[str | int]:
    return [session or at for session, at in zip(_sessions(raw), raw.times.tolist(), strict=True)]


def _session_names(keys: tuple[SessionKey, ...]) -> tuple[str, ...]:
    """Return a name for each session: its id, with its user where several have it, and the test's marked if need be."""
    forms = [
        [key.session for key in keys],
        [f"{key.user}/{key.session}" for key in keys],
        [f"{key.user}/{key.session}{' (test)' * key.tested}" for key in keys],
    ]
    counts = [Counter(names) for names in forms]
    return tuple(
        next((name for name, count in zip(names, counts, strict=True) if count[name] == 1), names[-1])
        for names in zip(*forms, strict=True)
    )
