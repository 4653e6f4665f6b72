"""From raw events to a log: whose sequence an interaction belongs to, and which interactions share a step."""

from enum import StrEnum

import numpy as np

from stream.evaluation.interactions import BoolArray, Catalogue, IntArray, Log
from stream.evaluation.reading import RawEvents


class Sequence(StrEnum):
    """What makes a sequence, and a step of it."""

    USER = "user"  # every interaction is a step
    BASKET = "basket"  # a user's sequence; what has one session_id (or, without any, one time) is one step
    SESSION = "session"  # a session's sequence; every interaction is a step


SESSION_GAP_MS = 30 * 60_000
"""Where events carry no session_id, a user's pause of so long begins another session."""


def build_log(raw: RawEvents, catalogue: Catalogue, sequence: Sequence) -> tuple[Log, tuple[str, ...]]:
    """Return the log and the name of each user (or session) in it."""
    names = _session_names(raw) if sequence is Sequence.SESSION else raw.users
    users = _codes(names)
    sessions = _codes(raw.sessions) if sequence is Sequence.BASKET else np.zeros(len(users), np.int64)
    order = np.lexsort((sessions, raw.times, users))  # stable: ties keep the file's order
    users, times, sessions = users[order], raw.times[order], sessions[order]
    starts_user = np.diff(users, prepend=-1) != 0
    starts_step = np.ones(len(users), np.bool_)
    if sequence is Sequence.BASKET:
        apart = np.diff(sessions if any(raw.sessions) else times, prepend=-1) != 0
        starts_step = starts_user | apart
    log = Log(
        users=users,
        items=np.array([catalogue.codes[item] for item in raw.items], np.int64)[order],
        times=times,
        prices=raw.prices[order],
        steps=_count_within(starts_step, starts_user),
        n_users=int(users.max(initial=-1)) + 1,
    )
    return log, tuple(dict.fromkeys(names))


def order_by_user(raw: RawEvents) -> IntArray:
    """Return the places in ``raw`` of the interactions of its log, where users are the sequences."""
    order: IntArray = np.lexsort((raw.times, _codes(raw.users)))
    return order


def _codes(names: list[str]) -> IntArray:
    known = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], np.int64)


def _count_within(starts_step: BoolArray, starts_user: BoolArray) -> IntArray:
    total = np.cumsum(starts_step)
    first: IntArray = np.maximum.accumulate(np.where(starts_user, total, 0))
    steps: IntArray = (total - first).astype(np.int64)
    return steps


def _session_names(raw: RawEvents) -> list[str]:
    if any(raw.sessions):
        return [session or user for session, user in zip(raw.sessions, raw.users, strict=True)]
    names: list[str] = []
    last: dict[str, tuple[int, int]] = {}
    for user, at in zip(raw.users, raw.times.tolist(), strict=True):
        before, number = last.get(user, (at, 0))
        if at - before > SESSION_GAP_MS:
            number += 1
        last[user] = (at, number)
        names.append(f"{user}#{number}")
    return names
