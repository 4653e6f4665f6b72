"""Neo4j lost at the worst moments: around COMMIT, for a while, for ever, and by kill -9."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from graph.neo4j_store import Neo4jGraphStore
from graph.queries import WRITE_USERS
from graph.store import Fenced, StaleLedger, Unavailable
from stream.servers.neo4j import Neo4jServer
from tests.contract.graph_calls import LEDGER, TOKEN, Writer, interest, move, user
from tests.integration.bolt_proxy import BoltProxy, Fate


@pytest.fixture
async def proxy(empty_graph: Neo4jServer) -> AsyncIterator[BoltProxy]:
    proxy = BoltProxy(empty_graph.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def store(empty_graph: Neo4jServer, proxy: BoltProxy) -> AsyncIterator[Neo4jGraphStore]:
    """A store that reaches its server through the proxy."""
    store = Neo4jGraphStore(
        proxy.uri, empty_graph.user, empty_graph.password, transaction_timeout_seconds=8.0, patience_seconds=20
    )
    await store.start()
    await store.ensure_schema({"bundles": 4})
    yield store
    await store.close()


@pytest.fixture
async def hasty(empty_graph: Neo4jServer, proxy: BoltProxy, store: Neo4jGraphStore) -> AsyncIterator[Neo4jGraphStore]:
    """A second store behind the proxy, one that waits for 2 s only."""
    hasty = Neo4jGraphStore(
        proxy.uri, empty_graph.user, empty_graph.password, transaction_timeout_seconds=2.0, patience_seconds=20
    )
    await hasty.start()
    yield hasty
    await hasty.close()


@pytest.fixture
async def direct(empty_graph: Neo4jServer) -> AsyncIterator[Neo4jGraphStore]:
    """A store that needs no proxy."""
    store = Neo4jGraphStore(empty_graph.uri, empty_graph.user, empty_graph.password, patience_seconds=20)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def writer(store: Neo4jGraphStore) -> Writer:
    writer = await Writer(store).claim()
    await writer.users(user("u1", [interest("A")], version=1))
    return writer


@pytest.mark.parametrize(
    ("fate", "writes"),
    [(Fate.DELIVERED, 1), (Fate.ANSWER_LOST, 1), (Fate.LOST, 2), (Fate.LATE, 1)],
    ids=lambda value: value.name.lower() if isinstance(value, Fate) else str(value),
)
async def test_a_commit_of_unknown_outcome_happens_exactly_once(
    store: Neo4jGraphStore, proxy: BoltProxy, writer: Writer, fate: Fate, writes: int
) -> None:
    """What was committed is found on the ledger, under its lock; what was not is written again."""
    proxy.sent.clear()
    proxy.fate = fate
    await store.apply_users(move(0, 1, sources=b"s", outbox=b"o"), [user("u1", [interest("A", 2.0)], version=2)])
    assert proxy.sent.count(WRITE_USERS.encode()) == writes
    entry = (await store.read_ledgers([LEDGER]))[LEDGER]
    assert (entry.applied, entry.sources, entry.outbox) == (1, b"s", b"o")
    view = await store.view_user("u1")
    assert view is not None
    assert (view.version, view.interests) == (2, [interest("A", 2.0)])


async def test_a_commit_that_moves_no_offset_is_simply_written_again(
    store: Neo4jGraphStore, proxy: BoltProxy, writer: Writer
) -> None:
    proxy.fate = Fate.ANSWER_LOST
    await store.apply_users(move(0, 0, outbox=b"o"), [user("u1", version=3)])
    assert (await store.load_users(["u1"]))["u1"].version == 3
    assert (await store.read_ledgers([LEDGER]))[LEDGER].outbox == b"o"


async def test_whoever_claims_during_an_unknown_outcome_fences_us(
    store: Neo4jGraphStore, direct: Neo4jGraphStore, proxy: BoltProxy, writer: Writer
) -> None:
    proxy.fate = Fate.LOST
    writing = asyncio.ensure_future(store.apply_users(move(0, 1), [user("u1", version=2)]))
    await proxy.lost.wait()
    await proxy.stop()
    claimed = await direct.claim({LEDGER: "another"})
    assert claimed[LEDGER].applied == 0
    await proxy.start()
    with pytest.raises(Fenced):
        await writing
    assert (await direct.load_users(["u1"]))["u1"].version == 1


async def test_an_outcome_that_stays_unknown_is_found_out_by_the_next_call(
    hasty: Neo4jGraphStore, proxy: BoltProxy, writer: Writer
) -> None:
    proxy.fate = Fate.ANSWER_LOST
    writing = asyncio.ensure_future(hasty.apply_users(move(0, 1), [user("u1")]))
    await proxy.lost.wait()
    await proxy.stop()
    with pytest.raises(Unavailable):
        await writing
    await proxy.start()
    with pytest.raises(StaleLedger):
        await hasty.apply_users(move(0, 1), [user("u1")])


async def test_an_absent_server_is_unavailable_and_welcome_when_it_is_back(
    hasty: Neo4jGraphStore, proxy: BoltProxy, writer: Writer
) -> None:
    await hasty.ping()
    await proxy.stop()
    with pytest.raises(Unavailable):
        await hasty.ping()
    for call in (
        lambda: hasty.load_users(["u1"]),
        lambda: hasty.claim({LEDGER: TOKEN}),
        lambda: hasty.apply_users(move(0, 1), [user("u1", version=2)]),
    ):
        with pytest.raises(Unavailable):
            await asyncio.wait_for(call(), 20)
    await proxy.start()
    await hasty.ping()
    await hasty.apply_users(move(0, 1), [user("u1", version=2)])
    assert (await hasty.load_users(["u1"]))["u1"].version == 2


async def test_a_half_open_connection_is_given_up_in_time(
    hasty: Neo4jGraphStore, proxy: BoltProxy, writer: Writer
) -> None:
    """The network swallows everything without an error: only our own clock ends the wait."""
    proxy.freeze()
    with pytest.raises(Unavailable, match="within 2 s"):
        await asyncio.wait_for(hasty.apply_users(move(0, 1), [user("u1", version=2)]), 20)
    proxy.thaw()
    await hasty.apply_users(move(0, 1), [user("u1", version=3)])
    assert (await hasty.load_users(["u1"]))["u1"].version == 3


async def test_a_short_absence_is_not_even_noticed(store: Neo4jGraphStore, proxy: BoltProxy, writer: Writer) -> None:
    await proxy.stop()
    writing = asyncio.ensure_future(store.apply_users(move(0, 1), [user("u1", version=2)]))
    done, _ = await asyncio.wait([writing], timeout=0.5)
    assert not done
    await proxy.start()
    await writing
    assert (await store.load_users(["u1"]))["u1"].version == 2


async def test_a_killed_server_comes_back_with_data_and_ledger_in_step(new_neo4j: Callable[..., Neo4jServer]) -> None:
    server = new_neo4j()
    server.start()
    server.wait_ready()
    store = Neo4jGraphStore(
        server.uri, server.user, server.password, transaction_timeout_seconds=10.0, patience_seconds=120
    )
    await store.start()
    try:
        await store.ensure_schema({"bundles": 4})
        writer = await Writer(store).claim()
        written = asyncio.Event()

        async def write_for_ever() -> None:
            while True:
                version = writer.applied + 1
                await writer.users(*(user(f"u{n}", [interest(f"C{n % 7}")], version=version) for n in range(40)))
                if version == 5:
                    written.set()

        writing = asyncio.ensure_future(write_for_ever())
        enough = asyncio.ensure_future(written.wait())
        await asyncio.wait([enough, writing], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert enough.done(), "five batches are written before the server dies"
        server.kill()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(writing, 30)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait_ready)

        applied = (await store.claim({LEDGER: TOKEN}))[LEDGER].applied
        assert applied in {writer.applied, writer.applied + 1}, "nothing acknowledged is lost, one may be unknown"
        users = await store.load_users([f"u{n}" for n in range(40)])
        assert {stored.version for stored in users.values()} == {applied}
        writer.applied = applied
        await writer.users(user("u1", version=10_000))
        assert (await store.load_users(["u1"]))["u1"].version == 10_000
    finally:
        await store.close()
