"""What only the real Neo4j can show: the drawn graph, its schema, its locks, its plans."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from neo4j import Driver, GraphDatabase

from graph import neo4j_store, queries
from graph.model import Family, ItemRow
from graph.neo4j_plans import HOT
from graph.neo4j_session import run
from graph.neo4j_store import Neo4jGraphStore
from graph.store import MissingNodes, Refused, StoreError, Unavailable
from stream.servers.neo4j import Neo4jServer
from stream.servers.ports import free_port
from tests.contract.graph_calls import LEDGER, NOW, TOKEN, Writer, association, interest, move, purchased, user, viewed

INJECTIONS = ["x'}) DETACH DELETE user //", "`:Admin {a:1}) SET n:Admin //", "$userId", "a\\u0027}) CREATE (:Admin) //"]


@pytest.fixture
def driver(empty_graph: Neo4jServer) -> Iterator[Driver]:
    """Look at the graph behind the store's back."""
    with GraphDatabase.driver(empty_graph.uri, auth=(empty_graph.user, empty_graph.password)) as driver:
        yield driver


@pytest.fixture
async def store(empty_graph: Neo4jServer) -> AsyncIterator[Neo4jGraphStore]:
    store = Neo4jGraphStore(empty_graph.uri, empty_graph.user, empty_graph.password, patience_seconds=10)
    await store.start()
    await store.ensure_schema({"bundles": 4})
    yield store
    await store.close()


@pytest.fixture
async def writer(store: Neo4jGraphStore) -> Writer:
    return await Writer(store).claim()


def rows(driver: Driver, query: Any, **parameters: Any) -> list[list[Any]]:
    return [record.values() for record in driver.execute_query(query, parameters, database_="neo4j").records]


async def draw_everything(writer: Writer, text: str = "i1") -> None:
    """Write at least one of every node and edge, with ``text`` wherever text goes."""
    category = f"Root > {text}"
    await writer.users(
        user(
            text,
            [interest(category)],
            [viewed(text), purchased(text)],
            unresolved=text,
            cross_sell=[text],
            up_sell=[text],
        )
    )
    await writer.items(ItemRow(text, text, category, False, text, 1.0, text, True, 0.5, text))
    await writer.associations([association(family, category, "Root") for family in Family], states={text: b"1"})
    await writer.store.claim({text: text})


async def test_the_drawn_graph_has_the_documented_elements(driver: Driver, writer: Writer) -> None:
    await draw_everything(writer)
    nodes = rows(driver, "MATCH (n) UNWIND labels(n) AS l UNWIND keys(n) AS k RETURN l, collect(DISTINCT k) ORDER BY l")
    assert {label: set(keys) for label, keys in nodes} == {
        "User": {"userId", "name", "events", "lastEventAt", "version", "crossSell", "upSell"},
        "UserState": {"userId", "state", "unresolved"},
        "Item": {"itemId", "name", "title", "brand", "price", "currency", "available", "quality", "microTopic"},
        "Category": {"path", "name", "level", "derived"},
        "AssociationState": {"key", "state"},
        "StreamOffset": {"key", "owner", "applied", "sources", "outbox", "touched"},
        "SchemaVersion": {"name", "version", "topics", "partitions", "touched"},
    }
    edges = rows(
        driver,
        "MATCH (a)-[r]->(b) UNWIND coalesce(keys(r), [null]) AS k "
        "RETURN labels(a)[0], type(r), labels(b)[0], collect(DISTINCT k)",
    )
    assert {(a, kind, b): set(keys) for a, kind, b, keys in edges} == {
        ("User", "INTERESTED_IN", "Category"): {"weight", "updatedAt", "rankKey", "score", "views", "purchases"},
        ("User", "VIEWED", "Item"): {"count", "lastAt"},
        ("User", "PURCHASED", "Item"): {"count", "lastAt"},
        ("Item", "IN_CATEGORY", "Category"): {"derived"},
        ("Category", "VIEWED_NEXT", "Category"): {"weight", "users", "confidence", "lift", "updatedAt"},
        ("Category", "BOUGHT_NEXT", "Category"): {"weight", "users", "confidence", "lift", "updatedAt"},
    }
    assert rows(driver, "MATCH (a)-[r:CHILD_OF]->(b) RETURN a.path, a.level, b.path, b.level, keys(r)") == [
        ["Root > i1", 2, "Root", 1, []]
    ]


async def test_every_statement_of_a_transaction_was_planned_before(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = {query for query, _ in HOT}
    sent: set[str] = set()

    async def noted(transaction: Any, query: Any, **parameters: Any) -> Any:
        sent.add(query)
        return await run(transaction, query, **parameters)

    monkeypatch.setattr(neo4j_store, "run", noted)
    await draw_everything(writer)
    assert sent - {queries.CLAIM_LEDGERS} <= planned
    assert queries.DRAW_EDGES in sent


async def test_plans_change_nothing(driver: Driver, writer: Writer) -> None:
    await draw_everything(writer)
    everything = (
        "MATCH (n) OPTIONAL MATCH (n)-[r]->(m) "
        "WITH elementId(n) AS node, elementId(r) AS edge, labels(n) AS labels, n{.*, touched: 0} AS properties, r "
        "RETURN node, edge, labels, properties, type(r), r{.*} ORDER BY node, edge"
    )
    before = rows(driver, everything)
    await writer.store.ensure_schema({"bundles": 4})
    assert rows(driver, everything) == before


async def test_times_are_utc_datetimes_with_milliseconds(driver: Driver, writer: Writer) -> None:
    await draw_everything(writer)
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=NOW)
    found = rows(
        driver,
        "MATCH (u:User)-[i:INTERESTED_IN]->() MATCH (u)-[v:VIEWED|PURCHASED]->() MATCH ()-[a:BOUGHT_NEXT]->() "
        "UNWIND [u.lastEventAt, i.updatedAt, v.lastAt, a.updatedAt] AS at "
        "RETURN DISTINCT at, at.timezone, at.epochMillis, valueType(at)",
    )
    assert [[at.to_native(), *rest] for at, *rest in found] == [[expected, "Z", NOW, "ZONED DATETIME NOT NULL"]]
    assert expected.microsecond == 123_000


async def test_every_drawn_node_has_a_caption(driver: Driver, writer: Writer) -> None:
    await draw_everything(writer)
    await writer.items(ItemRow("i2", "A title"), ItemRow("i3"))
    captions = rows(driver, "MATCH (n:User|Item|Category) RETURN labels(n)[0], n.name")
    assert sorted(captions) == [
        ["Category", "Root"],
        ["Category", "i1"],
        ["Item", "A title"],
        ["Item", "i1"],
        ["Item", "i3"],
        ["User", "i1"],
    ]


async def test_no_analyst_meets_a_blob(driver: Driver, writer: Writer) -> None:
    await draw_everything(writer)
    unconnected = rows(driver, "MATCH (n) WHERE NOT (n)--() RETURN DISTINCT labels(n)[0]")
    assert sorted(label for [label] in unconnected) == [
        "AssociationState",
        "SchemaVersion",
        "StreamOffset",
        "UserState",
    ]


async def test_text_never_becomes_schema(driver: Driver, writer: Writer) -> None:
    await draw_everything(writer)
    schema = (
        "CALL db.labels() YIELD label RETURN label AS name UNION CALL db.relationshipTypes() YIELD relationshipType "
    )
    schema += (
        "RETURN relationshipType AS name UNION CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey AS name"
    )
    before = sorted(rows(driver, schema))
    for text in INJECTIONS:
        await draw_everything(writer, text)
    assert sorted(rows(driver, schema)) == before
    assert rows(driver, "MATCH (u:User) RETURN count(u)") == [[1 + len(INJECTIONS)]]
    assert rows(driver, "MATCH (n:Admin) RETURN count(n)") == [[0]]


async def test_the_schema_is_there_and_newer_ones_are_refused(driver: Driver, store: Neo4jGraphStore) -> None:
    constraints = rows(
        driver, "SHOW CONSTRAINTS YIELD type, labelsOrTypes, properties RETURN labelsOrTypes[0], type, properties"
    )
    assert {(label, kind, *properties) for label, kind, properties in constraints} == {
        ("User", "UNIQUENESS", "userId"),
        ("UserState", "UNIQUENESS", "userId"),
        ("Item", "UNIQUENESS", "itemId"),
        ("Category", "UNIQUENESS", "path"),
        ("AssociationState", "UNIQUENESS", "key"),
        ("StreamOffset", "UNIQUENESS", "key"),
        ("SchemaVersion", "UNIQUENESS", "name"),
    }
    indexes = rows(
        driver,
        "SHOW INDEXES YIELD labelsOrTypes, properties, owningConstraint, state "
        "WHERE owningConstraint IS NULL AND labelsOrTypes <> [] RETURN labelsOrTypes, properties, state",
    )
    assert indexes == [[["UserState"], ["unresolved", "userId"], "ONLINE"]]
    rows(driver, "MATCH (s:SchemaVersion) SET s.version = 2")
    with pytest.raises(Refused, match=r"version 2.*upgrade"):
        await store.ensure_schema({"bundles": 4})


KEYED = [name for name in vars(queries) if name.isupper() and name not in {"ASSOCIATION_EDGES"}]


@pytest.mark.parametrize("name", KEYED)
async def test_statements_seek_and_never_scan(driver: Driver, store: Neo4jGraphStore, name: str) -> None:
    plan = driver.execute_query("EXPLAIN " + getattr(queries, name), database_="neo4j").summary.plan
    operators = list(_operators(plan))
    assert not [o for o in operators if "Scan" in o or "Sort" in o], operators
    assert [o for o in operators if "IndexSeek" in o], operators


def _operators(plan: Any) -> Iterator[str]:
    yield plan["operatorType"]
    for child in plan.get("children", ()):
        yield from _operators(child)


async def test_two_writers_on_the_same_categories_lose_nothing_and_never_deadlock(
    driver: Driver, empty_graph: Neo4jServer, store: Neo4jGraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Categories and items with few edges are locked by whoever draws one more: only one may draw at a time."""
    other = Neo4jGraphStore(empty_graph.uri, empty_graph.user, empty_graph.password)
    await other.start()
    categories = [f"C{number}" for number in range(12)]
    items = [f"i{number}" for number in range(12)]
    await store.ensure_stubs(categories, items)

    async def write(client: Neo4jGraphStore, worker: int) -> None:
        writer = await Writer(client, f"bundles/{worker}").claim()
        for batch in range(12):
            step = 1 if (worker + batch) % 2 else -1
            users = [
                user(
                    f"{worker}-{number}",
                    [interest(path, 1.0 + batch) for path in categories[::step][: 1 + (number + batch) % 12]],
                    [viewed(item, batch) for item in items[::step][: 1 + (number * batch) % 12]],
                )
                for number in range(20)
            ]
            await client.apply_users(writer.next(), users)
            writer.applied += 1

    try:
        await asyncio.gather(write(store, 0), write(other, 1))
    finally:
        await other.close()
    assert "will be retried" not in caplog.text
    duplicates = "MATCH (u:User)-[r]->(n) WITH u, type(r) AS kind, n, count(r) AS edges WHERE edges > 1 RETURN count(*)"
    assert rows(driver, duplicates) == [[0]]
    drawn = rows(driver, "MATCH (u:User)-[r:INTERESTED_IN]->() RETURN u.userId, count(r), min(r.weight), max(r.weight)")
    assert sorted(drawn) == sorted(
        [f"{worker}-{number}", 1 + (number + 11) % 12, 12.0, 12.0] for worker in (0, 1) for number in range(20)
    )
    assert {entry.applied for entry in (await store.read_ledgers(["bundles/0", "bundles/1"])).values()} == {11}


async def test_a_removal_and_a_view_of_the_same_item_cannot_leave_half(
    driver: Driver, empty_graph: Neo4jServer, store: Neo4jGraphStore
) -> None:
    catalogue = Neo4jGraphStore(empty_graph.uri, empty_graph.user, empty_graph.password)
    await catalogue.start()

    async def view(writer: Writer, user_id: str) -> None:
        while True:
            try:
                return await writer.users(user(user_id, [], [viewed("i1")]))
            except MissingNodes:
                continue  # removed between the stub and the write: what every caller does

    try:
        remover, writer = await Writer(catalogue, "items/0").claim(), await Writer(store).claim()
        for turn in range(15):
            await remover.items(ItemRow("i1", "T", "A"))
            await asyncio.gather(remover.items(removed=["i1"]), view(writer, f"u{turn}"))
            shown = await store.view_user(f"u{turn}")
            assert shown is not None
            assert shown.touches == [viewed("i1")]
            assert await store.item_ids("", 10) == ["i1"]
            await writer.users(user(f"u{turn}"))
    finally:
        await catalogue.close()
    assert rows(driver, "MATCH (:Item)-[r]->() RETURN count(r)") == [[0]]


async def waits_for_a_lock(driver: Driver, task: "asyncio.Future[Any]") -> None:
    """Return when a transaction is blocked by another."""
    blocked = "SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN status"
    while not await asyncio.to_thread(rows, driver, blocked):
        assert not task.done(), "it must wait for the lock"


async def test_what_others_made_of_a_category_while_we_waited_counts(
    driver: Driver, store: Neo4jGraphStore, writer: Writer
) -> None:
    await store.ensure_stubs(["A"], [])
    with driver.session(database="neo4j") as session, session.begin_transaction() as transaction:
        transaction.run("MATCH (c:Category {path: 'A'}) SET c.derived = false").consume()
        writing = asyncio.ensure_future(writer.items(ItemRow("i1", category="A", derived=True)))
        await waits_for_a_lock(driver, writing)
        transaction.commit()
    await writing
    view = await store.view_category("A")
    assert view is not None
    assert not view.derived


async def test_a_claim_sees_what_was_applied_while_it_waited(
    driver: Driver, store: Neo4jGraphStore, writer: Writer
) -> None:
    with driver.session(database="neo4j") as session, session.begin_transaction() as transaction:
        transaction.run("MATCH (ledger:StreamOffset) SET ledger.applied = 7").consume()
        claiming = asyncio.ensure_future(store.claim({LEDGER: "another"}))
        await waits_for_a_lock(driver, claiming)
        transaction.commit()
    assert (await claiming)[LEDGER].applied == 7


async def test_a_held_lock_is_waited_for_and_given_up_in_time(
    driver: Driver, empty_graph: Neo4jServer, writer: Writer
) -> None:
    await writer.users(user("u1", version=1))
    hasty = Neo4jGraphStore(
        empty_graph.uri, empty_graph.user, empty_graph.password, transaction_timeout_seconds=3.0, patience_seconds=10
    )
    await hasty.start()
    try:
        writer = await Writer(hasty).claim()
        with driver.session(database="neo4j") as session, session.begin_transaction() as transaction:
            transaction.run("MATCH (n:User) SET n.held = true").consume()
            with pytest.raises(Unavailable):
                await writer.users(user("u1", version=2))
        await writer.users(user("u1", version=3))
        assert (await hasty.load_users(["u1"]))["u1"].version == 3
    finally:
        await hasty.close()


@pytest.mark.parametrize("step", range(1, 12))
async def test_a_cancelled_write_happens_entirely_or_not_at_all(
    store: Neo4jGraphStore, writer: Writer, step: int
) -> None:
    """Cancelled after the n-th turn of the loop, whatever the driver is doing then."""
    await writer.users(user("u1", version=1))
    task = asyncio.ensure_future(store.apply_users(move(0, 1), [user("u1", version=2), user("u2", version=2)]))
    for _ in range(step * step):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.claim({LEDGER: TOKEN})  # waits for the lock of whatever is still under way
    applied = (await store.read_ledgers([LEDGER]))[LEDGER].applied
    versions = {name: stored.version for name, stored in (await store.load_users(["u1", "u2"])).items()}
    assert (applied, versions) in [(0, {"u1": 1}), (1, {"u1": 2, "u2": 2})]


async def test_wrong_settings_are_refused_by_name(empty_graph: Neo4jServer) -> None:
    uri, name, password = empty_graph.uri, empty_graph.user, empty_graph.password
    with pytest.raises(Refused, match=r"neo4j\.password"):
        await Neo4jGraphStore(uri, name, "wrong password").start()
    with pytest.raises(Refused, match=r"neo4j\.database"):
        await Neo4jGraphStore(uri, name, password, "nowhere").start()
    with pytest.raises(Refused, match=r"neo4j\.uri"):
        await Neo4jGraphStore("http://127.0.0.1", name, password).start()


async def test_a_server_that_never_comes_is_unavailable_after_our_patience() -> None:
    store = Neo4jGraphStore(f"bolt://127.0.0.1:{free_port()}", "neo4j", "password", patience_seconds=0.3)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(store.start(), 20)
    await store.close()


async def test_a_store_that_was_not_started_says_so() -> None:
    with pytest.raises(StoreError, match="not started"):
        await Neo4jGraphStore("bolt://127.0.0.1:1", "neo4j", "password").user_ids("", 1)
