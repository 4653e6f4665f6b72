"""What an agent leaves in its ledgers when it hands its partitions over: nothing to publish, if all is published."""

from collections.abc import Mapping, Sequence

import pytest

from graph.memory_store import MemoryGraphStore
from graph.store import LedgerCommit, Unavailable, UserWrite
from stream.intray import Records
from stream.ledgered import LedgeredAgent, Outbox, decode_outbox
from stream.metrics import Metrics
from stream.publisher import Outgoing
from stream.settings import Settings
from tests.unit.stream.test_ledgered import LEDGER, TOPIC, Nowhere, records


class Unpublished(Exception):
    """The broker did not take it."""


class Writer(LedgeredAgent):
    """Owes a message for every batch, and sends it unless ``broken``."""

    role = "writer"
    broken = False
    again: tuple[Mapping[int, Outbox], ...] = ()

    async def handle(self, records: Records) -> Mapping[int, int]:
        moves = {p: (b[-1].offset + 1, self.sources[p], Outbox((f"u{b[-1].offset}",))) for p, b in records.items()}
        if moves:
            await self.commit(moves, lambda commit: self.store.apply_users(commit, []))
            if self.broken:
                raise Unpublished
            await self.publish([Outgoing("lists", b"u", b"")], moves)
        return {p: applied for p, (applied, _, _) in moves.items()}

    async def republish(self, outboxes: Mapping[int, Outbox]) -> None:
        self.again += (dict(outboxes),)

    def forget(self) -> None:
        return


def writer(store: MemoryGraphStore) -> Writer:
    return Writer(TOPIC, store, Nowhere(), Settings(), Metrics(), lambda: 0)


async def owed(store: MemoryGraphStore) -> tuple[str, ...]:
    return decode_outbox((await store.read_ledgers([LEDGER]))[LEDGER].outbox).keys


async def test_the_next_owner_does_not_publish_again_what_was_published() -> None:
    store = MemoryGraphStore()
    first, second = writer(store), writer(store)
    await first.assigned(frozenset({0}))
    await first.apply(records(0, 5))
    assert await owed(store) == ("u4",)
    await first.released()
    assert await owed(store) == ()
    assert (await store.read_ledgers([LEDGER]))[LEDGER].applied == 5
    await second.assigned(frozenset({0}))
    await second.apply(records(5, 6))
    assert second.again == ()


async def test_what_was_not_published_stays_owed() -> None:
    store = MemoryGraphStore()
    first, second = writer(store), writer(store)
    await first.assigned(frozenset({0}))
    await first.apply(records(0, 3))
    first.broken = True
    with pytest.raises(Unpublished):
        await first.apply(records(3, 5))
    await first.released()
    assert await owed(store) == ("u4",)
    await second.assigned(frozenset({0}))
    await second.released()  # it has not sent it either, whatever it had settled before
    assert await owed(store) == ("u4",)
    await second.apply({})
    assert second.again == ({0: Outbox(("u4",))},)


async def test_an_owner_of_before_does_not_settle_what_it_finds_at_a_new_claim() -> None:
    store = MemoryGraphStore()
    first, second = writer(store), writer(store)
    await first.assigned(frozenset({0}))
    await first.apply(records(0, 3))
    second.broken = True
    await second.assigned(frozenset({0}))
    with pytest.raises(Unpublished):
        await second.apply(records(3, 5))
    await first.assigned(frozenset({0}))
    await first.released()
    assert await owed(store) == ("u4",)


async def test_what_a_zombie_may_still_overwrite_stays_owed() -> None:
    """It is to be sent once more, when a former owner must be dead; who has no time for that leaves it to the next."""
    store = MemoryGraphStore()
    first, second = writer(store), writer(store)
    await first.assigned(frozenset({0}))
    await first.apply(records(0, 3))
    await second.assigned(frozenset({0}))
    await second.apply(records(3, 5))
    await second.released()
    assert await owed(store) == ("u2",)


async def test_a_store_that_is_away_or_another_owner_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryGraphStore()
    first = writer(store)
    await first.assigned(frozenset({0}))
    await first.apply(records(0, 3))

    async def away(commit: LedgerCommit, users: Sequence[UserWrite]) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "apply_users", away)
        await first.released()
    await writer(store).assigned(frozenset({0}))
    await first.released()
    assert await owed(store) == ("u2",)
