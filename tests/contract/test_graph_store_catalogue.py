"""Items and categories: stubs, catalogue rows, moves, removals, and which categories count as derived."""

import asyncio

import pytest

from graph.model import ItemRow
from graph.snapshot import snapshot
from graph.store import GraphStore, MissingNodes, StoreError
from tests.contract.conftest import OpenStore
from tests.contract.graph_calls import Writer, interest, purchased, user, viewed


async def derived(store: GraphStore, path: str) -> bool:
    view = await store.view_category(path)
    assert view is not None
    return view.derived


async def items_in(store: GraphStore, path: str) -> int:
    view = await store.view_category(path)
    assert view is not None
    return view.items


async def test_stubs_bring_their_ancestors_and_are_no_rows(store: GraphStore) -> None:
    for _ in range(2):
        await store.ensure_stubs(["Home > Kitchen > Mugs", "Home > Kitchen > Mugs", "Garden"], ["i2", "i1", "i1"])
    assert await store.category_paths("", 10) == ["Garden", "Home", "Home > Kitchen", "Home > Kitchen > Mugs"]
    assert await store.category_paths("Home", 1) == ["Home > Kitchen"]
    assert await store.item_ids("", 10) == ["i1", "i2"]
    assert await store.item_ids("i1", 10) == ["i2"]
    assert await store.load_items(["i1", "i2"]) == {}
    assert not await derived(store, "Home > Kitchen > Mugs")
    await store.ensure_stubs([], [])


async def test_a_row_comes_back_exactly(store: GraphStore, writer: Writer) -> None:
    rows = [
        ItemRow("full", "A mug", "Home > Mugs", False, "Brand", 4.95, "EUR", False, 0.123456789012345, "Tea & Mugs"),
        ItemRow("bare"),
        ItemRow("derived", "T", "Cluster > Candle", True),
        ItemRow("free", price=0.0, quality=0.0),
    ]
    await writer.items(*rows)
    assert await store.load_items(["full", "bare", "derived", "free", "nothing"]) == {row.item_id: row for row in rows}
    assert await store.load_items([]) == {}


async def test_a_new_row_replaces_the_old_one(store: GraphStore, writer: Writer) -> None:
    await writer.items(ItemRow("i1", "Old", "A", False, "Brand", 1.0, "EUR", True, 0.5, "Mug"))
    await writer.items(ItemRow("i1", "New", "A"))
    assert await store.load_items(["i1"]) == {"i1": ItemRow("i1", "New", "A")}
    assert await items_in(store, "A") == 1


async def test_an_item_has_one_category(store: GraphStore, writer: Writer) -> None:
    await writer.items(ItemRow("i1", category="A > B"), ItemRow("i2", category="A > B"))
    await writer.items(ItemRow("i1", category="C"))
    assert (await items_in(store, "A > B"), await items_in(store, "C"), await items_in(store, "A")) == (1, 1, 0)
    await writer.items(ItemRow("i1"))
    assert await items_in(store, "C") == 0
    assert (await store.load_items(["i1"]))["i1"].category is None


async def test_a_stub_becomes_a_row_and_keeps_its_users(store: GraphStore, writer: Writer) -> None:
    await writer.users(user("u1", [interest("A")], [viewed("i1")]))
    await writer.items(ItemRow("i1", "Title", "A > B"))
    view = await store.view_user("u1")
    assert view is not None
    assert view.touches == [viewed("i1")]
    category = await store.view_category("A")
    assert category is not None
    assert (category.interested_users, category.items) == (1, 0)


async def test_a_removed_item_stays_as_a_stub_while_a_user_points_to_it(store: GraphStore, writer: Writer) -> None:
    await writer.items(*(ItemRow(item, item, "A") for item in ("seen", "bought", "unseen", "kept")))
    await writer.users(user("u1", [], [viewed("seen"), purchased("bought")]))
    await writer.items(removed=["seen", "bought", "unseen", "never there"])
    assert await store.item_ids("", 10) == ["bought", "kept", "seen"]
    assert set(await store.load_items(["seen", "bought", "unseen", "kept"])) == {"kept"}
    assert await items_in(store, "A") == 1
    view = await store.view_user("u1")
    assert view is not None
    assert {touch.item_id for touch in view.touches} == {"seen", "bought"}

    await writer.users(user("u1"))
    await writer.items(removed=["seen", "bought"])
    assert await store.item_ids("", 10) == ["kept"]


async def test_a_removed_item_can_come_back(store: GraphStore, writer: Writer) -> None:
    row = ItemRow("i1", "Title", "A", False, "Brand", 1.0, "EUR", True, 1.0, "Mug")
    await writer.items(row)
    await writer.items(removed=["i1"])
    await writer.items(ItemRow("i1"))
    assert await store.load_items(["i1"]) == {"i1": ItemRow("i1")}


async def test_whoever_remembers_a_removed_stub_is_told(store: GraphStore, writer: Writer) -> None:
    await writer.items(ItemRow("i1"))
    await writer.items(removed=["i1"])
    with pytest.raises(MissingNodes) as caught:
        await store.apply_users(writer.next(), [user("u1", [], [viewed("i1")])])
    assert caught.value.items == ["i1"]


async def test_a_category_is_derived_while_only_derived_rows_name_it(store: GraphStore, writer: Writer) -> None:
    await store.ensure_stubs(["Cluster > Candle"], [])
    await writer.items(ItemRow("i1", category="Cluster > Candle", derived=True))
    assert await derived(store, "Cluster > Candle")
    assert await derived(store, "Cluster")
    await writer.items(ItemRow("i2", category="Cluster > Mug", derived=True), ItemRow("i3", category="Cluster"))
    assert not await derived(store, "Cluster")
    assert await derived(store, "Cluster > Candle")
    assert await derived(store, "Cluster > Mug")


@pytest.mark.parametrize("order", [(True, False), (False, True)])
async def test_a_category_given_both_ways_is_real_whatever_came_first(
    store: GraphStore, writer: Writer, order: tuple[bool, bool]
) -> None:
    for number, by_us in enumerate(order):
        await writer.items(ItemRow(f"i{number}", category="A > B", derived=by_us))
    assert not await derived(store, "A > B")
    await writer.items(ItemRow("i0"), ItemRow("i1", category="A > B", derived=True))
    assert not await derived(store, "A > B"), "once real, always real"
    assert (await store.load_items(["i1"]))["i1"].derived, "the row still says that we assigned it"


async def test_both_ways_in_one_call_is_real(store: GraphStore, writer: Writer) -> None:
    await writer.items(ItemRow("i1", category="A > B", derived=True), ItemRow("i2", category="A > B"))
    assert not await derived(store, "A > B")


async def test_derived_without_a_category_is_ignored(store: GraphStore, writer: Writer) -> None:
    await writer.items(ItemRow("i1", derived=True))
    assert await store.load_items(["i1"]) == {"i1": ItemRow("i1")}


async def test_two_workers_cannot_mark_a_real_category_as_derived(open_store: OpenStore, store: GraphStore) -> None:
    other = await open_store()
    ours, theirs = await Writer(store, "items/0").claim(), await Writer(other, "items/1").claim()
    for number in range(15):
        path = f"C{number} > D"
        await asyncio.gather(
            ours.items(ItemRow(f"a{number}", category=path, derived=True)),
            theirs.items(ItemRow(f"b{number}", category=path)),
        )
        assert not await derived(store, path)
        assert not await derived(store, f"C{number}")


@pytest.mark.parametrize(
    ("rows", "removed"),
    [([ItemRow("i1"), ItemRow("i1", "T")], []), ([ItemRow("i1")], ["i1"]), ([], ["i1", "i1"])],
    ids=["written twice", "written and removed", "removed twice"],
)
async def test_a_call_that_contradicts_itself_is_refused(
    store: GraphStore, writer: Writer, rows: list[ItemRow], removed: list[str]
) -> None:
    with pytest.raises(StoreError, match="twice"):
        await store.apply_items(writer.next(), rows, removed)
    assert await store.item_ids("", 10) == []


async def test_a_stale_catalogue_batch_writes_nothing(store: GraphStore, writer: Writer) -> None:
    await writer.items(ItemRow("i1", "T", "A"))
    before = await snapshot(store)
    writer.applied = -1
    with pytest.raises(StoreError):
        await writer.items(ItemRow("i1", "U", "B"), ItemRow("i2"), removed=["i3"])
    assert await snapshot(store) == before
