"""The rule of the ledger, on the store of the specification: what an agent does when the graph under it has changed."""

import copy
import uuid
from collections.abc import Mapping, Sequence

import pytest
from aiokafka import ConsumerRecord

from graph.memory_store import MemoryGraphStore
from graph.store import Fenced, StaleLedger
from stream.agents.catalogue import CatalogueAgent
from stream.intray import Records
from stream.ledgered import (
    LedgeredAgent,
    Outbox,
    TopicMadeAgain,
    decode_sources,
    decode_topic_id,
    encode_sources,
)
from stream.metrics import Metrics
from stream.publisher import Outgoing
from stream.settings import Settings

TOPIC = "bundles"
LEDGER = f"{TOPIC}/0"


class Nowhere:
    """A publisher without a broker."""

    async def publish(self, messages: Sequence[Outgoing], again: object = None) -> None:
        return


class Reader(LedgeredAgent):
    """Moves its ledgers over what it is given, and writes nothing else."""

    role = "reader"

    async def handle(self, records: Records) -> Mapping[int, int]:
        moves = {p: (batch[-1].offset + 1, self.sources[p], Outbox()) for p, batch in records.items()}
        if moves:
            await self.commit(moves, lambda commit: self.store.apply_users(commit, []))
        return {p: applied for p, (applied, _, _) in moves.items()}

    async def republish(self, outboxes: Mapping[int, Outbox]) -> None:
        return

    def forget(self) -> None:
        return


@pytest.fixture
async def agent() -> Reader:
    agent = Reader(TOPIC, MemoryGraphStore(), Nowhere(), Settings(), Metrics(), lambda: 0)
    await agent.assigned(frozenset({0}))
    return agent


def records(first: int, end: int) -> Records:
    return {0: [ConsumerRecord(TOPIC, 0, offset, 0, 0, None, b"", None, 0, 0, ()) for offset in range(first, end)]}


async def applied(agent: Reader) -> int:
    return (await agent.store.read_ledgers([LEDGER]))[LEDGER].applied


async def test_failures_begin_at_zero_so_that_the_first_is_an_increase(agent: Reader) -> None:
    failed = {"role": "reader", "outcome": "failed"}
    assert agent.metrics.registry.get_sample_value("interest_graph_transactions_total", failed) == 0.0


async def test_a_batch_in_hand_is_applied_from_where_the_ledger_is(agent: Reader) -> None:
    await agent.apply(records(0, 5))
    await agent.apply(records(3, 8))
    assert await applied(agent) == 8


async def test_an_older_graph_is_never_moved_past_what_it_lacks(agent: Reader) -> None:
    """Records 5 to 9 are not in hand any more: only a seek brings them back."""
    await agent.apply(records(0, 5))
    older = copy.deepcopy(agent.store)
    await agent.apply(records(5, 10))
    agent.store = older
    with pytest.raises(StaleLedger):
        await agent.apply(records(10, 15))
    assert await applied(agent) == 5


async def test_an_older_graph_is_noticed_without_a_record(agent: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    await agent.apply(records(0, 5))
    older = copy.deepcopy(agent.store)
    await agent.apply(records(5, 10))
    monkeypatch.setattr("stream.ledgered._MIND_SECONDS", -1.0)
    await agent.apply({})
    agent.store = older
    with pytest.raises(StaleLedger):
        await agent.apply({})


async def test_another_owner_is_noticed_without_a_record(agent: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.ledgered._MIND_SECONDS", -1.0)
    await agent.store.claim({LEDGER: uuid.uuid4().hex})
    with pytest.raises(Fenced):
        await agent.apply({})


def test_the_topic_id_is_no_source() -> None:
    data = encode_sources({"s/0": 7}, "id-1")
    assert decode_sources(data) == {"s/0": 7}
    assert decode_topic_id(data) == "id-1"
    assert decode_topic_id(encode_sources({"s/0": 7})) == decode_topic_id(b"") == ""


async def test_a_ledger_of_a_former_topic_is_refused(agent: Reader) -> None:
    agent.topic_id = "former"
    await agent.apply(records(0, 5))
    await agent.claim({0})
    agent.topic_id = "present"
    with pytest.raises(TopicMadeAgain, match=f"topic {TOPIC} was deleted and made again.*replay the interactions"):
        await agent.claim({0})


async def test_a_ledger_without_an_id_takes_the_present_one(agent: Reader) -> None:
    await agent.apply(records(0, 5))
    agent.topic_id = "present"
    await agent.claim({0})
    await agent.apply(records(5, 6))
    assert decode_topic_id((await agent.store.read_ledgers([LEDGER]))[LEDGER].sources) == "present"


async def test_a_catalogue_that_was_made_again_is_read_from_its_start() -> None:
    agent = CatalogueAgent(TOPIC, MemoryGraphStore(), Nowhere(), Settings(), Metrics(), lambda: 0)
    agent.topic_id = "former"
    await agent.claim({0, 1})
    moves: dict[int, tuple[int, dict[str, int], Outbox]] = {p: (5, {}, Outbox()) for p in (0, 1)}
    await agent.commit(moves, lambda commit: agent.store.apply_items(commit, [], []))
    agent.topic_id = "present"
    await agent.assigned(frozenset({0}))
    assert await agent.positions(frozenset({0})) == {0: -1}
    await agent.assigned(frozenset({0, 1}))
    assert await agent.positions(frozenset({0, 1})) == {0: -1, 1: -1}
