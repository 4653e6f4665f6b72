"""What the contract suite does not ask of the memory store: isolation from its callers, and its counters."""

from graph.memory_store import MemoryGraphStore
from graph.model import Interest, ItemRow, Touch
from graph.store import LedgerCommit, LedgerMove, UserWrite


async def claimed() -> MemoryGraphStore:
    store = MemoryGraphStore()
    await store.claim({"bundles/0": "token"})
    await store.ensure_stubs(["A", "B"], ["i1"])
    return store


def commit(expected: int) -> LedgerCommit:
    return LedgerCommit({"bundles/0": "token"}, [LedgerMove("bundles/0", expected, expected + 1, b"", b"")])


async def test_lists_changed_by_the_caller_afterwards_do_not_change_the_graph() -> None:
    store = await claimed()
    interests, touches, items = [Interest("A", 1.0, 5, 1.0, 1, 0)], [Touch("i1", False, 1, 5)], ["i1"]
    await store.apply_users(commit(-1), [UserWrite("u1", 1, 5, 1, items, items, b"", interests, touches)])
    interests.clear()
    touches.clear()
    items.clear()
    view = await store.view_user("u1")
    assert view is not None
    assert (len(view.interests), len(view.touches), view.cross_sell, view.up_sell) == (1, 1, ["i1"], ["i1"])


async def test_lists_of_a_view_changed_by_its_reader_do_not_change_the_graph() -> None:
    store = await claimed()
    interests = [Interest("A", 1.0, 5, 1.0, 1, 0)]
    await store.apply_users(commit(-1), [UserWrite("u1", 1, 5, 1, ["i1"], [], b"", interests, [])])
    view = await store.view_user("u1")
    assert view is not None
    view.interests.clear()
    view.cross_sell.clear()
    again = await store.view_user("u1")
    assert again is not None
    assert (again.interests, again.cross_sell) == (interests, ["i1"])


async def test_degrees_follow_users_who_change_their_mind() -> None:
    store = await claimed()
    for turn in range(6):
        path = "AB"[turn % 2]
        users = [
            UserWrite(name, 1, 5, 1, [], [], b"", [Interest(path, 1.0, 5, 1.0, 1, 0)], []) for name in ("u1", "u2")
        ]
        await store.apply_users(commit(turn - 1), users)
        views = [await store.view_category(name) for name in "AB"]
        assert [view.interested_users for view in views if view] == [2 * (path == "A"), 2 * (path == "B")]


async def test_degrees_follow_items_that_move() -> None:
    store = await claimed()
    for turn, path in enumerate(["A", "B", None, "B", "B"]):
        await store.apply_items(commit(turn - 1), [ItemRow("i1", category=path)], [])
        views = [await store.view_category(name) for name in "AB"]
        assert [view.items for view in views if view] == [path == "A", path == "B"]
    await store.apply_items(commit(4), [], ["i1"])
    view = await store.view_category("B")
    assert view is not None
    assert view.items == 0
