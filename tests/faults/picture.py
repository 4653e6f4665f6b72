"""Graph and lists as one picture: both read while nothing moved, so that what differs is wrong and not just newer."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from graph.store import UserView
from stream.settings import Settings
from stream.stores import open_store
from tests.faults.grounds import Lag
from tests.integration.test_end_to_end import all_users
from tests.integration.workers import read_all

_PATIENCE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 1.0

T = TypeVar("T")
Listed = tuple[int, list[str], list[str]]
"""A list's version, and the item ids of both its parts."""


@dataclass(frozen=True)
class Picture:
    """``latest`` is each user's last record, ``highest`` the highest version that was ever published of them.

    ``gone``: users whose last record is empty.
    """

    users: dict[str, UserView]
    latest: dict[str, Listed]
    highest: dict[str, int]
    gone: frozenset[str] = frozenset()

    def unlike(self) -> list[str]:
        """Return the users whose last published list is not the graph's."""
        return [
            user_id
            for user_id, view in sorted(self.users.items())
            if self.latest.get(user_id) != (view.version, view.cross_sell, view.up_sell)
        ]


def read_steadily(
    marks: Callable[[], object],
    read: Callable[[], T],
    settled: Callable[[T], bool],
    patience_seconds: float = _PATIENCE_SECONDS,
    pause_seconds: float = _LOOK_AGAIN_SECONDS,
) -> tuple[T, bool]:
    """Read until nothing moved meanwhile; return what was read, and whether it was steady before patience ran out.

    A list is published after the commit that it tells of, so marks may stand still in between, for a moment: what is
    not ``settled`` is read again, too, and is returned as it is when it stays so.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        before = marks()
        found = read()
        steady = marks() == before
        if (steady and settled(found)) or time.monotonic() >= deadline:
            return found, steady
        time.sleep(pause_seconds)


def take_picture(lag: Lag) -> tuple[Picture, bool]:
    """Return users and lists, and whether they belong together (nothing was written while they were read)."""
    return read_steadily(lag.marks, lambda: _read(lag.settings), lambda picture: not picture.unlike())


def _read(settings: Settings) -> Picture:
    async def users() -> dict[str, UserView]:
        store = open_store(settings)
        await store.start()
        try:
            return await all_users(store)
        finally:
            await store.close()

    found = asyncio.run(users())
    highest: defaultdict[str, int] = defaultdict(int)
    latest: dict[str, Listed] = {}
    gone: set[str] = set()
    for key, value, _, _ in read_all(settings, settings.topics.recommendations):
        assert key is not None
        if value is None:
            gone.add(key.decode())
            latest.pop(key.decode(), None)
            highest.pop(key.decode(), None)
            continue
        gone.discard(key.decode())
        record = json.loads(value)
        cross_sell, up_sell = ([listed["item_id"] for listed in record[name]] for name in ("cross_sell", "up_sell"))
        latest[key.decode()] = record["version"], cross_sell, up_sell
        highest[key.decode()] = max(highest[key.decode()], record["version"])
    return Picture(found, latest, dict(highest), frozenset(gone))
