"""User states in memory: the working copy of one user, and the bounded cache of them."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graph.state import UserState, decode_state
from graph.store import StoredUser


@dataclass(slots=True)
class CachedUser:
    """A user as last committed. Changed in place by a batch; a batch that fails must drop it from the cache.

    ``cross_sell``: the items of the list that this process made last, none before it made one.
    """

    user_id: str
    version: int
    state: UserState
    cross_sell: tuple[str, ...] = ()


def loaded_user(user_id: str, stored: StoredUser | None) -> CachedUser:
    """Return a user as stored, or a new one."""
    if stored is None:
        return CachedUser(user_id, 0, UserState())
    return CachedUser(user_id, stored.version, decode_state(stored.state))


class UserCache:
    """Least-recently-used users, bounded by number."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._users: OrderedDict[str, CachedUser] = OrderedDict()

    def __len__(self) -> int:
        return len(self._users)

    def get(self, user_id: str) -> CachedUser | None:
        """Return a cached user and mark it as used."""
        user = self._users.get(user_id)
        if user is not None:
            self._users.move_to_end(user_id)
        return user

    def latest(self) -> Iterator[CachedUser]:
        """Go through the cached users, those used last first; marks nobody."""
        return reversed(self._users.values())

    def put(self, users: Iterable[CachedUser]) -> None:
        """Keep committed users, letting the least recently used go."""
        for user in users:
            self._users[user.user_id] = user
            self._users.move_to_end(user.user_id)
        while len(self._users) > self._capacity:
            self._users.popitem(last=False)

    def drop(self, user_ids: Iterable[str]) -> None:
        """Forget users whose working copy may differ from the store."""
        for user_id in user_ids:
            self._users.pop(user_id, None)

    def clear(self) -> None:
        """Forget everybody."""
        self._users.clear()
