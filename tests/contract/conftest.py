"""Every implementation of the graph store, empty and with its schema, for one suite."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from graph.memory_store import MemoryGraphStore
from graph.neo4j_store import Neo4jGraphStore
from graph.store import GraphStore
from tests.contract.graph_calls import Writer

OpenStore = Callable[[], Awaitable[GraphStore]]


@pytest.fixture(params=["memory", pytest.param("neo4j", marks=pytest.mark.servers)])
async def open_store(request: pytest.FixtureRequest) -> AsyncIterator[OpenStore]:
    """Open further clients of one empty graph, as further processes would."""
    opened: list[GraphStore] = []
    memory = MemoryGraphStore()

    async def from_memory() -> GraphStore:
        return memory

    async def from_neo4j() -> GraphStore:
        store = Neo4jGraphStore(server.uri, server.user, server.password, patience_seconds=10)
        opened.append(store)
        await store.start()
        return store

    if request.param == "memory":
        yield from_memory
    else:
        server = request.getfixturevalue("empty_graph")
        yield from_neo4j
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> GraphStore:
    """One client of an empty graph."""
    store = await open_store()
    await store.ensure_schema({"bundles": 4})
    return store


@pytest.fixture
async def writer(store: GraphStore) -> Writer:
    """A worker that owns one ledger of an empty graph."""
    return await Writer(store).claim()
