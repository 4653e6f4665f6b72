"""What a refund takes back of purchases, and a removal of cart additions, whatever the order of arrival.

The answer is that of the interactions handled in order of (time, event id): a reversal takes the newest addition of
the same item that is still open, of its own order when it names one; a reversal that finds none waits, and the first
addition it fits goes to it. Computed anew from the kept additions and reversals each time, never adjusted, so that
arrival order cannot matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec


class Action(msgspec.Struct, array_like=True):
    """One purchase, cart addition, refund or cart removal. Ordered by (at, event_id)."""

    at: int
    event_id: str
    item_id: str
    order_id: str | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Position in time: (ms, event id)."""
        return self.at, self.event_id


def reversed_additions(additions: Sequence[Action], reversals: Sequence[Action]) -> dict[str, str]:
    """Return event id of each addition that was taken back -> event id of the reversal that took it.

    Both sequences may be in any order. Runs in O(n log n) over the items that have a reversal.
    """
    if not reversals:
        return {}
    items = {reversal.item_id for reversal in reversals}
    by_item: defaultdict[str, list[tuple[int, str, bool, Action]]] = defaultdict(list)
    for is_reversal, actions in ((False, additions), (True, reversals)):
        for action in actions:
            if action.item_id in items:
                by_item[action.item_id].append((*action.key, is_reversal, action))
    taken: dict[str, str] = {}
    for entries in by_item.values():
        entries.sort(key=lambda entry: entry[:3])
        taken.update(_match_item((is_reversal, action) for _, _, is_reversal, action in entries))
    return taken


def _match_item(ordered: Iterable[tuple[bool, Action]]) -> dict[str, str]:
    open_additions: list[Action] = []
    waiting: list[Action] = []
    taken: dict[str, str] = {}
    for is_reversal, action in ordered:
        if is_reversal:
            addition = next((a for a in reversed(open_additions) if _fits(action, a)), None)
            if addition is None:
                waiting.append(action)
            else:
                open_additions.remove(addition)
                taken[addition.event_id] = action.event_id
        else:
            reversal = next((r for r in waiting if _fits(r, action)), None)
            if reversal is None:
                open_additions.append(action)
            else:
                waiting.remove(reversal)
                taken[action.event_id] = reversal.event_id
    return taken


def _fits(reversal: Action, addition: Action) -> bool:
    return reversal.order_id is None or reversal.order_id == addition.order_id
