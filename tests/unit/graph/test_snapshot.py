"""Two graphs are compared at one common time, and every difference is named."""

from collections.abc import Callable

import pytest

from graph.decay import rank_key
from graph.memory_store import MemoryGraphStore
from graph.model import AssociationEdge, Family, Interest, ItemRow, Touch
from graph.settings import GraphSettings
from graph.snapshot import differences, snapshot
from graph.store import LedgerCommit, LedgerMove, UserWrite

SETTINGS = GraphSettings()
WEEK_MS = 7 * 86_400_000


async def graph(
    weight: float = 2.0,
    at: int = 0,
    views: int = 3,
    events: int = 5,
    lists: tuple[str, ...] = ("i1",),
    count: int = 1,
    category: str = "A",
    edge_weight: float = 4.0,
    edge_at: int = 0,
    lift: float = 1.5,
    title: str = "T",
    derived: bool = False,
    version: int = 1,
    user_id: str = "u1",
) -> MemoryGraphStore:
    store = MemoryGraphStore()
    await store.claim({"l": "t"})
    await store.ensure_stubs(["A", "B"], ["i1"])
    key = rank_key(weight, at, SETTINGS.interest.half_life_seconds)
    interests, touches = [Interest(category, weight, at, key, views, 0)], [Touch("i1", False, count, 9)]
    users = [UserWrite(user_id, events, 9, version, lists, (), b"", interests, touches)]
    edges = [AssociationEdge(Family.VIEWED_NEXT, "A", "B", edge_weight, 2, 0.5, lift, edge_at)]
    moves = [LedgerCommit({"l": "t"}, [LedgerMove("l", at, at + 1, b"", b"")]) for at in (-1, 0, 1)]
    await store.apply_users(moves[0], users)
    await store.apply_associations(moves[1], {}, edges, [])
    await store.apply_items(moves[2], [ItemRow("i1", title, "B", derived)], [])
    return store


async def compared(other: MemoryGraphStore, lists: bool = False) -> list[str]:
    return list(differences(await snapshot(await graph()), await snapshot(other), SETTINGS, lists=lists))


async def test_a_graph_equals_itself() -> None:
    assert await compared(await graph(), lists=True) == []


async def test_weights_at_other_times_are_the_same_when_they_decay_to_the_same() -> None:
    assert await compared(await graph(weight=1.0, at=WEEK_MS)) == []
    assert await compared(await graph(edge_weight=2.0, edge_at=60 * 86_400_000)) == []
    assert len(await compared(await graph(weight=2.0, at=WEEK_MS))) == 1


async def test_versions_never_count_and_lists_only_when_asked() -> None:
    assert await compared(await graph(version=9), lists=True) == []
    other = await graph(lists=("i2",))
    assert await compared(other) == []
    assert await compared(other, lists=True) == ["user u1: cross-sell: ['i1'] and ['i2']"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda: graph(weight=2.00001), "user u1: interest A: weight at 0: 2.0 and 2.00001"),
        (lambda: graph(views=4), "user u1: interest A: counts: (3, 0) and (4, 0)"),
        (lambda: graph(events=6), "user u1: events: 5 and 6"),
        (lambda: graph(edge_weight=5.0), "weight at 0: 4.0 and 5.0"),
        (lambda: graph(lift=2.0), "lift: 1.5 and 2.0"),
        (lambda: graph(count=2), "user u1: touches"),
        (lambda: graph(title="U"), "item i1"),
        (lambda: graph(category="B"), "user u1: interest B: only in the right graph"),
        (lambda: graph(user_id="u2"), "user u2: only in the right graph"),
        (lambda: graph(derived=True), "category B: derived: False and True"),
    ],
)
async def test_every_difference_is_named(change: Callable[[], object], line: str) -> None:
    lines = await compared(await change())  # type: ignore[misc]
    assert any(line in found for found in lines), lines


async def test_paging_reads_more_than_one_page() -> None:
    store = MemoryGraphStore()
    await store.ensure_stubs([], [f"i{number:04}" for number in range(1201)])
    assert len((await snapshot(store)).items) == 1201
