"""What a worker remembers of a user, as the for-you list is asked about it."""

from dataclasses import dataclass
from typing import Self

from graph.state import active_actions
from stream.users import CachedUser


@dataclass(frozen=True, slots=True)
class History:
    """What a user did, oldest first, what happened at once by event id. items: ids; times: ms."""

    user_id: str
    items: tuple[str, ...]
    times: tuple[int, ...]

    def without(self, item_id: str) -> Self:
        """Return the history of a user who had never met the item."""
        kept = [place for place, item in enumerate(self.items) if item != item_id]
        items, times = tuple(self.items[place] for place in kept), tuple(self.times[place] for place in kept)
        return type(self)(self.user_id, items, times)

    def latest(self, most: int) -> list[str]:
        """Return the latest distinct items, the latest first."""
        return list(dict.fromkeys(reversed(self.items)))[:most]


def history_of(user: CachedUser) -> History:
    """Return what the state keeps one by one: all purchases within its bound, and the latest of everything.

    What was taken back is left out.
    """
    state = user.state
    kept = {action.key: action.item_id for action in active_actions(state.purchases, state.refunds)}
    kept |= {entry.key: entry.item_id for entry in state.history if entry.active}
    ordered = sorted(kept)
    return History(user.user_id, tuple(kept[key] for key in ordered), tuple(at for at, _ in ordered))
