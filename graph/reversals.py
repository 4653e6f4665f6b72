"""What a refund takes back of purchases, and a removal of cart additions, whatever the order of arrival.

The answer is that of the interactions handled in order of (time, event id): a reversal takes the newest addition of
the same item that is still open, of its own order when it names one; a reversal that finds none waits, and the first
addition it fits goes to it. Computed anew from the kept additions and reversals each time, never adjusted, so that
arrival order cannot matter.

Once an item has additions that are no longer kept, a reversal that names no order and finds none open means one of
those: it is lost, and never waits for a later addition that it has nothing to do with.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

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


def reversed_additions(
    additions: Sequence[Action], reversals: Sequence[Action], forgotten: Collection[str] = ()
) -> dict[str, str]:
    """Return event id of each addition that was taken back -> event id of the reversal that took it.

    Both sequences may be in any order. ``forgotten`` are the items that have additions which are no longer kept.
    Runs in O(n log n) over the items that have a reversal.
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
    for item_id, entries in by_item.items():
        entries.sort(key=lambda entry: entry[:3])
        ordered = ((is_reversal, action) for _, _, is_reversal, action in entries)
        taken.update(_match_item(ordered, item_id in forgotten))
    return taken


def _match_item(ordered: Iterable[tuple[bool, Action]], forgotten: bool) -> dict[str, str]:
    open_additions: list[Action] = []
    waiting: list[Action] = []
    taken: dict[str, str] = {}
    for is_reversal, action in ordered:
        if is_reversal:
            addition = next((a for a in reversed(open_additions) if _fits(action, a)), None)
            if addition is not None:
                open_additions.remove(addition)
                taken[addition.event_id] = action.event_id
            elif not is_lost(action, forgotten):
                waiting.append(action)
        else:
            reversal = next((r for r in waiting if _fits(r, action)), None)
            if reversal is None:
                open_additions.append(action)
            else:
                waiting.remove(reversal)
                taken[action.event_id] = reversal.event_id
    return taken


def is_lost(reversal: Action, forgotten: bool) -> bool:
    """Tell whether a reversal that took nothing is given up; ``forgotten``: its item has additions no longer kept."""
    return forgotten and reversal.order_id is None


def _fits(reversal: Action, addition: Action) -> bool:
    return reversal.order_id is None or reversal.order_id == addition.order_id
