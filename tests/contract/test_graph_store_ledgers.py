"""Claims, fences and the rule that the transaction which writes the data carries the offset."""

import asyncio

import pytest

from graph.snapshot import snapshot
from graph.store import Fenced, GraphStore, LedgerCommit, LedgerEntry, LedgerMove, MissingNodes, StaleLedger, StoreError
from tests.contract.conftest import OpenStore
from tests.contract.graph_calls import LEDGER, TOKEN, Writer, interest, move, user, viewed


async def test_a_first_claim_creates_ledgers_before_their_first_record(store: GraphStore) -> None:
    claimed = await store.claim({"bundles/1": "b", "bundles/0": "a"})
    assert claimed == {"bundles/0": LedgerEntry("bundles/0", "a"), "bundles/1": LedgerEntry("bundles/1", "b")}
    assert claimed["bundles/0"].applied == -1
    assert await store.read_ledgers(["bundles/1", "bundles/0", "bundles/9"]) == claimed


async def test_claiming_and_reading_nothing_does_nothing(store: GraphStore) -> None:
    assert await store.claim({}) == {}
    assert await store.read_ledgers([]) == {}


async def test_a_second_claim_keeps_everything_but_the_owner(store: GraphStore, writer: Writer) -> None:
    await store.apply_users(move(-1, 12, sources=b"\x00s", outbox=b"o\xff"), [user()])
    assert await store.claim({LEDGER: "another"}) == {LEDGER: LedgerEntry(LEDGER, "another", 12, b"\x00s", b"o\xff")}


async def test_sources_and_outbox_are_kept_byte_for_byte_and_replaced(store: GraphStore, writer: Writer) -> None:
    every_byte = bytes(range(256))
    await store.apply_users(move(-1, 0, sources=every_byte, outbox=every_byte * 300), [])
    entry = (await store.read_ledgers([LEDGER]))[LEDGER]
    assert (entry.applied, entry.sources, entry.outbox) == (0, every_byte, every_byte * 300)
    await store.apply_users(move(0, 2**40), [])
    assert await store.read_ledgers([LEDGER]) == {LEDGER: LedgerEntry(LEDGER, TOKEN, 2**40)}


async def test_a_worker_that_lost_its_claim_is_fenced_and_writes_nothing(store: GraphStore, writer: Writer) -> None:
    await writer.users(user(version=1))
    await store.claim({LEDGER: "another"})
    before = await snapshot(store)
    with pytest.raises(Fenced, match=LEDGER):
        await writer.users(user(version=2), user("u2"))
    assert await snapshot(store) == before
    assert (await store.read_ledgers([LEDGER]))[LEDGER].applied == 0


async def test_being_fenced_is_told_before_a_stale_ledger(store: GraphStore, writer: Writer) -> None:
    other = await Writer(store, token="another").claim()
    await other.users(user())
    with pytest.raises(Fenced):
        await writer.users(user())


async def test_a_ledger_that_nobody_claimed_is_fenced(store: GraphStore) -> None:
    with pytest.raises(Fenced, match="nobody"):
        await store.apply_users(move(-1, 0), [user()])
    assert await store.read_ledgers([LEDGER]) == {}
    assert await store.user_ids("", 10) == []


@pytest.mark.parametrize("expected", [-1, 3, 5])
async def test_a_batch_computed_from_another_offset_is_stale_and_writes_nothing(
    store: GraphStore, writer: Writer, expected: int
) -> None:
    await store.apply_users(move(-1, 4, sources=b"s", outbox=b"o"), [user(version=1)])
    with pytest.raises(StaleLedger, match=f"4, the batch was computed from {expected}"):
        await store.apply_users(move(expected, 9), [user(version=2)])
    assert (await store.load_users(["u1"]))["u1"].version == 1
    assert await store.read_ledgers([LEDGER]) == {LEDGER: LedgerEntry(LEDGER, TOKEN, 4, b"s", b"o")}


async def test_one_commit_moves_several_ledgers(store: GraphStore) -> None:
    owners = {"bundles/1": "b", "bundles/0": "a"}
    await store.claim(owners)
    moves = [LedgerMove("bundles/1", -1, 11, b"1", b"x"), LedgerMove("bundles/0", -1, 10, b"0", b"y")]
    await store.apply_users(LedgerCommit(owners, moves), [user()])
    assert await store.read_ledgers(list(owners)) == {
        "bundles/0": LedgerEntry("bundles/0", "a", 10, b"0", b"y"),
        "bundles/1": LedgerEntry("bundles/1", "b", 11, b"1", b"x"),
    }


@pytest.mark.parametrize("lost", ["bundles/0", "bundles/1"])
async def test_one_lost_ledger_stops_all_of_a_commit(store: GraphStore, lost: str) -> None:
    owners = {"bundles/0": "a", "bundles/1": "b"}
    await store.claim(owners)
    await store.claim({lost: "another"})
    with pytest.raises(Fenced, match=lost):
        await store.apply_users(LedgerCommit(owners, [LedgerMove(key, -1, 9, b"", b"") for key in owners]), [user()])
    assert {entry.applied for entry in (await store.read_ledgers(list(owners))).values()} == {-1}
    assert await store.user_ids("", 10) == []


@pytest.mark.parametrize(
    "commit",
    [
        LedgerCommit({}, []),
        LedgerCommit({}, [LedgerMove(LEDGER, -1, 0, b"", b"")]),
        LedgerCommit({LEDGER: TOKEN}, [LedgerMove(LEDGER, -1, 0, b"", b""), LedgerMove(LEDGER, -1, 1, b"", b"")]),
    ],
    ids=["no move", "no owner", "one ledger twice"],
)
async def test_a_commit_that_contradicts_itself_is_refused(
    store: GraphStore, writer: Writer, commit: LedgerCommit
) -> None:
    with pytest.raises(StoreError):
        await store.apply_users(commit, [user()])
    assert await store.user_ids("", 10) == []
    assert (await store.read_ledgers([LEDGER]))[LEDGER].applied == -1


async def test_a_missing_node_rolls_everything_back(store: GraphStore, writer: Writer) -> None:
    await writer.users(user("u1", [interest("Mugs")], [viewed("i1")], version=1))
    before = await snapshot(store)
    broken = user("u2", [interest("Mugs"), interest("Nowhere")], [viewed("i1"), viewed("nothing")])
    with pytest.raises(MissingNodes) as caught:
        await store.apply_users(writer.next(), [user("u1", version=2), broken])
    assert (caught.value.categories, caught.value.items) == (["Nowhere"], ["nothing"])
    assert await snapshot(store) == before
    assert (await store.read_ledgers([LEDGER]))[LEDGER].applied == 0


async def test_of_two_commits_from_the_same_offset_one_wins(open_store: OpenStore, store: GraphStore) -> None:
    other = await open_store()
    await store.claim({LEDGER: TOKEN})
    for offset in range(-1, 9):
        results = await asyncio.gather(
            store.apply_users(move(offset, offset + 1, outbox=b"0"), [user("u0", version=offset)]),
            other.apply_users(move(offset, offset + 1, outbox=b"1"), [user("u1", version=offset)]),
            return_exceptions=True,
        )
        [loser] = [result for result in results if result is not None]
        assert isinstance(loser, StaleLedger)
        winner = results.index(None)
        assert (await store.read_ledgers([LEDGER]))[LEDGER].outbox == str(winner).encode()
        written = await store.load_users(["u0", "u1"])
        assert written[f"u{winner}"].version == offset
        assert f"u{1 - winner}" not in written or written[f"u{1 - winner}"].version < offset


async def test_a_claim_waits_for_nobody_and_what_came_before_it_counts(
    open_store: OpenStore, store: GraphStore, writer: Writer
) -> None:
    other = await open_store()
    for turn in range(10):
        token = f"token {turn}"
        applied, claimed = await asyncio.gather(
            writer.users(user(version=turn)), other.claim({LEDGER: token}), return_exceptions=True
        )
        assert not isinstance(claimed, BaseException)
        stands = (await store.read_ledgers([LEDGER]))[LEDGER]
        assert stands == claimed[LEDGER], "nothing moved after the claim"
        if applied is not None:
            assert isinstance(applied, Fenced)
        writer = await Writer(store, token=token).claim()
