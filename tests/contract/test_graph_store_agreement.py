"""The memory store is the specification: any sequence of calls leaves the same graph in Neo4j."""

import random
from collections.abc import AsyncIterator, Sequence

import pytest

from graph.memory_store import MemoryGraphStore
from graph.model import AssociationEdge, Family, ItemRow
from graph.neo4j_store import Neo4jGraphStore
from graph.snapshot import snapshot
from graph.store import GraphStore, StoreError, UserWrite
from stream.servers.neo4j import Neo4jServer
from tests.contract.graph_calls import LEDGER, NOW, TOKEN, association, interest, move, purchased, user, viewed

CATEGORIES = ["A", "A > B", "A > B > C", "D", "D > B", "é > \U0001f600"]
ITEMS = [f"i{number}" for number in range(6)]
USERS = [f"u{number}" for number in range(5)]
CALLS = 60


@pytest.fixture
async def neo4j_store(empty_graph: Neo4jServer) -> AsyncIterator[Neo4jGraphStore]:
    store = Neo4jGraphStore(empty_graph.uri, empty_graph.user, empty_graph.password, patience_seconds=10)
    await store.start()
    await store.ensure_schema({})
    yield store
    await store.close()


class Caller:
    """Makes random calls, some of them wrong, and notes how each of them ended."""

    def __init__(self, store: GraphStore, seed: int) -> None:
        self.store = store
        self.dice = random.Random(seed)
        self.applied = -1
        self.endings: list[str] = []

    async def make(self, calls: int) -> list[str]:
        await self.store.claim({LEDGER: TOKEN})
        for _ in range(calls):
            try:
                self.endings.append(await self.call())
            except StoreError as error:
                self.endings.append(f"{type(error).__name__}: {error}")
        return self.endings

    async def call(self) -> str:
        kind = self.dice.choice(["stubs", "users", "users", "users", "items", "items", "associations"])
        expected = self.applied - (self.dice.random() < 0.1)
        commit = move(expected, self.applied + 1, sources=bytes([len(self.endings)]), outbox=kind.encode())
        if kind == "stubs":
            await self.store.ensure_stubs(self.some(CATEGORIES), self.some(ITEMS))
            return kind
        if kind == "users":
            await self.store.apply_users(commit, [self.user(name) for name in self.some(USERS)])
        elif kind == "items":
            written = self.some(ITEMS)
            removed = [item for item in self.some(ITEMS) if item not in written]
            await self.store.apply_items(commit, [self.row(item) for item in written], removed)
        else:
            states = {name: self.dice.choice([b"", b"1", b"2"]) for name in self.some(USERS)}
            await self.store.apply_associations(commit, states, self.edges(), self.edges())
        self.applied += 1
        return kind

    def some(self, keys: Sequence[str]) -> list[str]:
        return self.dice.sample(keys, self.dice.randrange(len(keys)))

    def user(self, user_id: str) -> UserWrite:
        return user(
            user_id,
            [
                interest(path, self.dice.uniform(0.1, 9), NOW - self.dice.randrange(99))
                for path in self.some(CATEGORIES)
            ],
            [viewed(item, self.dice.randrange(9)) for item in self.some(ITEMS)]
            + [purchased(item, 1, NOW - self.dice.randrange(99)) for item in self.some(ITEMS)],
            version=self.dice.randrange(10**9),
            cross_sell=self.some(ITEMS),
            unresolved=self.dice.choice([None, LEDGER]),
        )

    def row(self, item: str) -> ItemRow:
        category = self.dice.choice([None, *CATEGORIES])
        topic = self.dice.choice([None, "Mug", "Candle"])
        title = self.dice.choice(["", "Title"])
        return ItemRow(item, title, category, self.dice.random() < 0.5, price=1.5, micro_topic=topic)

    def edges(self) -> list[AssociationEdge]:
        return [
            association(family, source, target, self.dice.uniform(0.1, 9))
            for family in Family
            for source in self.some(CATEGORIES)
            for target in self.some(CATEGORIES)
        ]


@pytest.mark.parametrize("seed", range(6))
async def test_both_stores_end_every_call_alike_and_with_the_same_graph(
    neo4j_store: Neo4jGraphStore, seed: int
) -> None:
    memory = MemoryGraphStore()
    specified = await Caller(memory, seed).make(CALLS)
    assert await Caller(neo4j_store, seed).make(CALLS) == specified
    assert {ending.partition(":")[0] for ending in specified} >= {"users", "items", "associations", "StaleLedger"}
    assert await snapshot(neo4j_store) == await snapshot(memory)
    for name in USERS:
        assert await neo4j_store.load_associations([name]) == await memory.load_associations([name])
    assert await neo4j_store.load_users(USERS) == await memory.load_users(USERS)
    assert await neo4j_store.unresolved_users(LEDGER, "", 9) == await memory.unresolved_users(LEDGER, "", 9)
    assert await neo4j_store.read_ledgers([LEDGER]) == await memory.read_ledgers([LEDGER])
    assert await neo4j_store.association_edges() == await memory.association_edges()
