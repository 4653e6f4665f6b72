"""Users: absolute values in, the same values out, edges that are not given are gone."""

import math
import random

import pytest

from graph.model import Interest, Touch
from graph.store import GraphStore, StoredUser, StoreError, UserView
from tests.contract.graph_calls import LEDGER, NOW, TOKEN, Writer, interest, move, purchased, user, viewed


async def test_a_user_comes_back_exactly(store: GraphStore, writer: Writer) -> None:
    # Odd milliseconds, times before the epoch and floats with all their digits must survive.
    interests = [
        Interest("Kitchen > Mugs", 0.1 + 0.2, NOW, 12.000000000000002, 4, 1, -0.3333333333333333),
        Interest("Home", 1e-300, 999, 2.5, 0, 0, 0.0),
        Interest("Old", 5.0, -1, -7.25, 1, 0, 1.0),
    ]
    touches = [
        Touch("i1", False, 3, NOW),
        Touch("i1", True, 1, NOW),
        Touch("i2", True, 2**40, NOW + 1),
        Touch("i3", False, 1, -1),
    ]
    lists = (["i2", "i1", "i9"], ["i3"])
    await writer.store.ensure_stubs([i.category for i in interests], [t.item_id for t in touches])
    write = user("u1", interests, touches, version=2**52 + 1, events=17, cross_sell=lists[0], up_sell=lists[1])
    await store.apply_users(move(-1, 0), [write])
    assert await store.view_user("u1") == UserView(
        "u1",
        17,
        NOW,
        2**52 + 1,
        lists[0],
        lists[1],
        [interests[0], interests[1], interests[2]],
        [touches[2], touches[0], touches[1], touches[3]],
    )


async def test_a_state_comes_back_byte_for_byte(store: GraphStore, writer: Writer) -> None:
    states = {"empty": b"", "all": bytes(range(256)), "large": random.Random(1).randbytes(300_000)}
    await writer.users(*(user(name, state=state, version=index) for index, (name, state) in enumerate(states.items())))
    assert await store.load_users([*states, "nobody"]) == {
        name: StoredUser(name, index, state) for index, (name, state) in enumerate(states.items())
    }
    assert await store.load_users([]) == {}


async def test_an_erased_user_leaves_nothing_and_others_everything(store: GraphStore, writer: Writer) -> None:
    edges = [interest("A")], [viewed("i1"), purchased("i2")]
    await writer.users(user("u1", *edges, unresolved=LEDGER), user("u2", *edges), user("u3", *edges))
    await store.apply_users(writer.next(), [user("u3", *edges, version=NOW + 1)], ["u1", "nobody"])
    writer.applied += 1
    assert await store.view_user("u1") is None
    assert set(await store.load_users(["u1", "u2", "u3"])) == {"u2", "u3"}
    assert await store.user_ids("", 10) == ["u2", "u3"]
    assert await store.unresolved_users(LEDGER, "", 10) == []
    assert await store.interested_users("A", -math.inf, 10) == ["u2", "u3"]
    kept = await store.view_user("u2")
    assert kept is not None
    assert len(kept.interests) + len(kept.touches) == 3
    category = await store.view_category("A")
    assert category is not None
    assert category.interested_users == 2
    await store.apply_users(writer.next(), [], ["u2", "u3"])  # nobody else in the transaction
    writer.applied += 1
    assert await store.user_ids("", 10) == []
    await writer.users(user("u1"))  # and it may begin again
    assert await store.user_ids("", 10) == ["u1"]


async def test_a_user_cannot_be_written_and_erased_at_once(store: GraphStore, writer: Writer) -> None:
    with pytest.raises(StoreError, match="the same user is given twice"):
        await store.apply_users(writer.next(), [user("u1")], ["u1"])
    assert await store.user_ids("", 10) == []


async def test_an_unknown_user_has_no_view(store: GraphStore) -> None:
    assert await store.view_user("nobody") is None


async def test_interests_come_strongest_first_and_touches_latest_first(store: GraphStore, writer: Writer) -> None:
    interests = [interest("B"), interest("A"), interest("Z", weight=8.0), interest("Old", weight=8.0, updated_at=0)]
    touches = [purchased("b"), viewed("b"), viewed("a"), viewed("z", last_at=NOW + 1), viewed("old", last_at=0)]
    await writer.users(user("u1", interests, touches))
    view = await store.view_user("u1")
    assert view is not None
    assert [edge.category for edge in view.interests] == ["Z", "A", "B", "Old"]
    assert [(touch.item_id, touch.purchased) for touch in view.touches] == [
        ("z", False),
        ("a", False),
        ("b", False),
        ("b", True),
        ("old", False),
    ]


async def test_writing_twice_changes_nothing(store: GraphStore, writer: Writer) -> None:
    write = user("u1", [interest("A"), interest("B")], [viewed("i1"), purchased("i1")], cross_sell=["i1"])
    await writer.users(write)
    first = await store.view_user("u1")
    await writer.users(write)
    assert await store.view_user("u1") == first


async def test_a_write_is_all_a_user_has_from_then_on(store: GraphStore, writer: Writer) -> None:
    await writer.users(
        user("u1", [interest("A"), interest("B"), interest("C")], [viewed("i1"), viewed("i2"), purchased("i1")]),
        user("u2", [interest("A")], [viewed("i1")]),
    )
    second = user("u1", [interest("D"), interest("B", 2.0)], [purchased("i2"), viewed("i2", 5)], version=9, events=4)
    await writer.users(second)
    view = await store.view_user("u1")
    assert view is not None
    assert (view.version, view.events) == (9, 4)
    assert view.interests == [interest("B", 2.0), interest("D")]
    assert view.touches == [viewed("i2", 5), purchased("i2")]
    untouched = await store.view_user("u2")
    assert untouched is not None
    assert (untouched.interests, untouched.touches) == ([interest("A")], [viewed("i1")])

    await writer.users(user("u1"))
    emptied = await store.view_user("u1")
    assert emptied is not None
    assert (emptied.interests, emptied.touches, emptied.cross_sell) == ([], [], [])


async def test_many_users_in_one_batch(store: GraphStore, writer: Writer) -> None:
    generator = random.Random(3)
    users = [
        user(
            f"u{number}",
            [interest(f"C{c}", generator.uniform(0.1, 9)) for c in generator.sample(range(20), number % 7)],
            [viewed(f"i{i}", number) for i in generator.sample(range(50), number % 4)],
            version=number,
        )
        for number in range(300)
    ]
    generator.shuffle(users)
    for _ in range(2):
        await writer.users(*users)
    for write in users[::29]:
        view = await store.view_user(write.user_id)
        assert view is not None
        assert sorted(view.interests, key=lambda edge: edge.category) == sorted(
            write.interests, key=lambda edge: edge.category
        )
        assert {touch.item_id for touch in view.touches} == {touch.item_id for touch in write.touches}
    category = await store.view_category("C3")
    assert category is not None
    assert category.interested_users == sum(any(i.category == "C3" for i in write.interests) for write in users)


@pytest.mark.parametrize(
    "users",
    [
        [user("u1"), user("u1", version=2)],
        [user("u1", [interest("A"), interest("A", 2.0)])],
        [user("u1", [], [viewed("i1"), viewed("i1", 2)])],
    ],
    ids=["user", "interest", "touch"],
)
async def test_what_is_given_twice_is_refused(store: GraphStore, writer: Writer, users: list[object]) -> None:
    await store.ensure_stubs(["A"], ["i1"])
    with pytest.raises(StoreError, match="twice"):
        await store.apply_users(writer.next(), users)  # type: ignore[arg-type]
    assert await store.user_ids("", 10) == []


# Code points beyond the basic plane sort after all others; UTF-16 would put them before U+FFFD.
ORDERED = ["A", "Z", "a", "a b", "aa", "é", "\ufffd", "\U0001f600"]


async def test_user_ids_are_paged_by_code_points(store: GraphStore, writer: Writer) -> None:
    await writer.users(*(user(name) for name in reversed(ORDERED)))
    pages: list[list[str]] = []
    while page := await store.user_ids(pages[-1][-1] if pages else "", 3):
        pages.append(page)
    assert [name for page in pages for name in page] == ORDERED
    assert [len(page) for page in pages] == [3, 3, 2]
    assert await store.user_ids("aaa", 1) == ["é"]


async def test_unresolved_users_are_paged_per_ledger(store: GraphStore, writer: Writer) -> None:
    waiting = [user(name, unresolved=LEDGER) for name in ORDERED]
    others = [user("other", unresolved="bundles/1"), user("resolved")]
    await writer.users(*waiting, *others)
    first = await store.unresolved_users(LEDGER, "", 5)
    assert first == ORDERED[:5]
    assert await store.unresolved_users(LEDGER, first[-1], 5) == ORDERED[5:]
    assert await store.unresolved_users(LEDGER, ORDERED[-1], 5) == []
    assert await store.unresolved_users("bundles/1", "", 5) == ["other"]
    assert await store.unresolved_users("bundles/9", "", 5) == []

    await writer.users(user("A"), user("other", unresolved=LEDGER))
    assert await store.unresolved_users(LEDGER, "", 3) == ["Z", "a", "a b"]
    assert await store.unresolved_users("bundles/1", "", 5) == []
    assert "other" in await store.unresolved_users(LEDGER, "", 99)


async def test_the_ledgers_token_is_no_part_of_a_user(store: GraphStore, writer: Writer) -> None:
    await writer.users(user("u1", unresolved=LEDGER))
    await store.claim({LEDGER: "another"})
    assert await store.unresolved_users(LEDGER, "", 5) == ["u1"]
    assert TOKEN not in str(await store.view_user("u1"))


async def test_who_is_most_interested_in_a_category(store: GraphStore, writer: Writer) -> None:
    await store.ensure_stubs(["Home", "Home > Lamps"], [])
    weights = {"weak": 0.5, "strong": 4.0, "b": 2.0, "a": 2.0}
    users = [user(name, [interest("Home", weight)]) for name, weight in weights.items()]
    await store.apply_users(move(-1, 0), [*users, user("elsewhere", [interest("Home > Lamps", 9.0)])])
    least = interest("Home", 1.0).rank_key
    assert await store.interested_users("Home", least, 10) == ["strong", "a", "b"]
    assert await store.interested_users("Home", least, 2) == ["strong", "a"]
    assert await store.interested_users("nowhere", least, 10) == []
    assert await store.interested_users("Home", -math.inf, 10) == ["strong", "a", "b", "weak"]
