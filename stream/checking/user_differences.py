"""What of a user in the graph is not as the recomputed state, or the last list, says. Pure."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from graph.decay import decay_factor
from graph.interest import CategoryOf, interests, touches
from graph.model import Interest, Touch
from graph.settings import GraphSettings, InterestSettings
from graph.state import HistoryEntry, UserState, decode_state
from graph.store import StoredUser, UserView
from graph.views import latest_first
from stream.checking.findings import Difference, Invariant
from stream.checking.numbers import close, close_at_one_time
from stream.checking.published import LastList
from stream.recommendations import rfc3339

_ID_BYTES = 8
_SOME_FORMER_CATEGORY = "\x00"
"""Stands for a category that an item had: no path holds a control character."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A recomputed user. ``least_position``: the offset that its last list must name, or a later one."""

    user_id: str
    state: UserState
    least_position: int


def graph_differences(
    expected: Expected, view: UserView, category_of: CategoryOf, settings: GraphSettings
) -> Iterator[Difference]:
    """Compare what an analyst sees of a user with its recomputation."""
    where, state = f"user {expected.user_id}", expected.state
    if view.events != state.events:
        invariant = Invariant.ONCE if view.events > state.events else Invariant.ACCOUNTING
        yield _difference(invariant, where, "events", state.events, view.events)
    if view.last_event_at != state.last_event_at:
        yield _difference(Invariant.GRAPH, where, "lastEventAt", state.last_event_at, view.last_event_at)
    wanted_touches = {(touch.item_id, touch.purchased): touch for touch in latest_first(touches(state))}
    found_touches = {(touch.item_id, touch.purchased): touch for touch in view.touches}
    for key in sorted(wanted_touches.keys() | found_touches.keys()):
        wanted_touch, found_touch = wanted_touches.get(key), found_touches.get(key)
        if wanted_touch != found_touch:
            edge = "PURCHASED" if key[1] else "VIEWED"
            counts = _counted(wanted_touch), _counted(found_touch)
            yield _difference(Invariant.GRAPH, f"{where}: {edge} {key[0]}", "edge", *counts)
    yield from _interest_differences(where, interests(state, category_of, settings.interest), view, settings.interest)


def _interest_differences(
    where: str, wanted: Sequence[Interest], view: UserView, settings: InterestSettings
) -> Iterator[Difference]:
    expected = {interest.category: interest for interest in wanted[: settings.max_edges]}
    found = {interest.category: interest for interest in view.interests}
    for category in sorted(expected.keys() | found.keys()):
        edge = f"{where}: interest in {category}"
        one, other = expected.get(category), found.get(category)
        if one is None or other is None:
            yield _difference(Invariant.GRAPH, edge, "edge", _drawn(one), _drawn(other))
            continue
        if (one.views, one.purchases) != (other.views, other.purchases):
            counts = [f"{interest.views} and {interest.purchases}" for interest in (one, other)]
            yield _difference(Invariant.GRAPH, edge, "views and purchases", *counts)
        times = one.updated_at, other.updated_at
        if not close_at_one_time(one.weight, times[0], other.weight, times[1], settings.half_life_seconds):
            yield _difference(Invariant.GRAPH, edge, "weight", _drawn(one), _drawn(other))
        elif times[0] != times[1]:
            yield _difference(Invariant.GRAPH, edge, "updatedAt", *times)
        elif not close(one.rank_key, other.rank_key):
            yield _difference(Invariant.GRAPH, edge, "rankKey", one.rank_key, other.rank_key)


def only_moved(
    expected: Expected,
    view: UserView,
    category_of: CategoryOf,
    moved: Callable[[str], bool],
    settings: InterestSettings,
) -> bool:
    """Tell whether the interests differ in nothing but the categories that the contributions are counted under.

    So it is between a change of an item's category and the user's next event or refresh. What has no category any
    more may still be counted, or not. ``moved``: whether an item may have been in another category before.
    """

    def last_category_of(item_id: str) -> str | None:
        return category_of(item_id) or (_SOME_FORMER_CATEGORY if moved(item_id) else None)

    placed, at_most = (interests(expected.state, place, settings) for place in (category_of, last_category_of))
    if len(placed) >= settings.max_edges or len(view.interests) == settings.max_edges:
        return True
    found, at = view.interests, max((edge.updated_at for edge in (*at_most, *view.interests)), default=0)
    least, most, total = (_total(edges, at, settings) for edges in (placed, at_most, found))
    return all(
        low <= one <= high or close(low, one) or close(one, high)
        for low, one, high in zip(least, total, most, strict=True)
    )


def _total(found: Iterable[Interest], at: int, settings: InterestSettings) -> tuple[int, int, float]:
    """Return all views, purchases and weight, the latter at ``at`` (ms)."""
    edges = list(found)
    weight = sum(edge.weight * decay_factor(at - edge.updated_at, settings.half_life_seconds) for edge in edges)
    return sum(edge.views for edge in edges), sum(edge.purchases for edge in edges), weight


def state_differences(expected: Expected, stored: UserState) -> Iterator[Difference]:
    """Compare the opaque state with the recomputed one, less what the catalogue's time of arrival decides."""
    where, wanted = f"state of user {expected.user_id}", expected.state
    for what in ("events", "last_event_at", "event_ids", "purchases", "refunds", "cart_additions", "cart_removals"):
        one, other = getattr(wanted, what), getattr(stored, what)
        if one != other:
            yield _difference(Invariant.GRAPH, where, what, _short(one), _short(other))
    if _entries(wanted.history) != _entries(stored.history):
        yield _difference(Invariant.GRAPH, where, "history", len(wanted.history), len(stored.history))


def _entries(history: Iterable[HistoryEntry]) -> list[tuple[object, ...]]:
    return [(entry.key, entry.item_id, entry.kind, entry.price, entry.currency, entry.active) for entry in history]


def list_differences(expected: Expected, view: UserView, last: LastList | None, topic: str) -> Iterator[Difference]:
    """Compare the published list with the user it was published of."""
    where = f"user {expected.user_id}"
    if last is None:
        yield _difference(Invariant.VERSIONS, where, "no list on the recommendations topic", view.version, "")
        return
    where = f"{where}: last list {last.place}"
    for what, one, other in (
        ("version", view.version, last.version),
        ("crossSell", list(view.cross_sell), list(last.cross_sell)),
        ("upSell", list(view.up_sell), list(last.up_sell)),
    ):
        if one != other:
            invariant = Invariant.VERSIONS if what == "version" else Invariant.GRAPH
            yield Difference(invariant, where, f"{what} of graph and topic differ", str(other), str(one))
    if last.position.topic != topic:
        yield _difference(Invariant.PREFIX, where, "position", topic, last.position.topic)
    elif last.position.offset < expected.least_position:
        what = "its position is before the user's last bundle"
        yield _difference(Invariant.PREFIX, where, what, expected.least_position, last.position.offset)
    event_time = rfc3339(expected.state.last_event_at)
    if last.event_time != event_time:
        yield _difference(Invariant.PREFIX, where, "event_time", event_time, last.event_time)


def stored_state(stored: StoredUser) -> UserState | None:
    """Decode a user's state; None when it cannot be read. Raises graph.store.Refused for a newer format."""
    try:
        return decode_state(stored.state)
    except (zlib.error, msgspec.DecodeError, IndexError):
        return None


def remembered_ids(state: UserState) -> set[bytes]:
    """Return the fingerprints of the event ids that a state remembers."""
    ids = state.event_ids
    return {ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES)}


def _difference(invariant: Invariant, where: str, what: str, expected: object, found: object) -> Difference:
    return Difference(invariant, where, what, str(expected), str(found))


def _drawn(interest: Interest | None) -> str:
    return "no edge" if interest is None else f"{interest.weight!r} at {interest.updated_at}"


def _counted(touch: Touch | None) -> str:
    return "no edge" if touch is None else f"{touch.count}, last at {touch.last_at}"


def _short(value: object) -> str:
    return f"{len(value)} kept" if isinstance(value, list | bytes) else str(value)
