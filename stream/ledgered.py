"""Claim, read the ledger, commit, publish: the rule of exactly-once effect, shared by the agents that own state.

interest, association and catalogue build on :class:`LedgeredAgent`. What each of them computes differs; who may
write, from which offset, what is still to be published after a crash, and how long a server is waited for, does not.
"""

import asyncio
import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from graph.failpoints import failpoint
from graph.store import (
    Fenced,
    GraphStore,
    LedgerCommit,
    LedgerEntry,
    LedgerMove,
    Refused,
    StaleLedger,
    StoreError,
    Unavailable,
)
from stream.absence import Absence
from stream.intray import Records
from stream.metrics import Metrics
from stream.publisher import Outgoing, Publishes
from stream.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

_TOPIC_MARK = "@"
_RETRY_SECONDS = 0.5
_FRESH_COMMIT_SECONDS = 1.0
_MIND_SECONDS = 15.0
_RELEASE_SECONDS = 5.0


class Outbox(msgspec.Struct, frozen=True, array_like=True):
    """What a committed transaction still has to publish: messages as they are, and keys to publish again anew.

    ``messages`` are (topic, partition, value), ``keyed`` are (topic, key, value). ``keys`` are users, source keys or
    items, as the agent understands.
    """

    keys: tuple[str, ...] = ()
    messages: tuple[tuple[str, int, bytes], ...] = ()
    keyed: tuple[tuple[str, bytes, bytes], ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_outbox_decoder = msgspec.msgpack.Decoder(Outbox)
_decode_sources = msgspec.msgpack.Decoder(dict[str, int]).decode


def encode_outbox(outbox: Outbox) -> bytes:
    """Return the bytes of the ledger's ``outbox``; empty when there is nothing to publish."""
    return _encode(outbox) if outbox.keys or outbox.messages or outbox.keyed else b""


def decode_outbox(data: bytes) -> Outbox:
    """Read :func:`encode_outbox`'s bytes."""
    return _outbox_decoder.decode(data) if data else Outbox()


def encode_sources(sources: Mapping[str, int], topic_id: str = "") -> bytes:
    """Return the bytes of the ledger's ``sources``, and of the id of the topic whose offsets the ledger counts."""
    return _encode({**sources, _TOPIC_MARK + topic_id: 0} if topic_id else dict(sources))


def decode_sources(data: bytes) -> dict[str, int]:
    """Read :func:`encode_sources`'s bytes: source -> last cause applied."""
    found = _decode_sources(data) if data else {}
    return {source: cause for source, cause in found.items() if not source.startswith(_TOPIC_MARK)}


def decode_topic_id(data: bytes) -> str:
    """Return the id of the topic that a ledger counts, from its ``sources``; empty when nobody noted it."""
    found = _decode_sources(data) if data else {}
    return next((mark.removeprefix(_TOPIC_MARK) for mark in found if mark.startswith(_TOPIC_MARK)), "")


class TopicMadeAgain(Refused):
    """A ledger counts the offsets of a topic that was deleted; one of the same name has taken its place."""


class LedgeredAgent(ABC):
    """An agent whose transactions carry its offsets.

    Subclasses implement ``handle`` (a batch), ``republish`` (an outbox found at a claim) and ``forget`` (drop what
    was cached). ``clock`` returns milliseconds since the epoch.
    """

    role: str
    reloads_in_place = True
    """False for an agent that holds more in memory than the batch in hand: it must read again from the ledger."""
    topic_id = ""
    """The broker's id of ``topic``: tells it from a later one of the same name. Empty: unknown."""

    def __init__(
        self,
        topic: str,
        store: GraphStore,
        publisher: Publishes,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self.topic = topic
        self.store = store
        self.publisher = publisher
        self.settings = settings
        self.metrics = metrics
        # At 0 from the start, so that the first failure is an increase.
        metrics.transactions.labels(self.role, "failed")
        self.clock = clock
        self.ledgers: dict[int, LedgerEntry] = {}
        self.sources: dict[int, dict[str, int]] = {}
        self._owners: dict[str, str] = {}
        self._unsent: dict[int, Outbox] = {}
        self._late_copies: list[tuple[float, dict[int, Outbox]]] = []
        self.hurried = False
        self._settled = False
        self._committed_at = self._minded_at = 0.0
        self._absence = Absence("store", log)

    # -- what the batch path asks for -------------------------------------------------------------------------------

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Claim exactly these partitions with new tokens and take up what their last owner left unpublished."""
        await self.claim(partitions)
        self.metrics.partitions.labels(self.role).set(len(partitions))
        log.info("claimed", extra={"role": self.role, "partitions": sorted(partitions)})

    async def positions(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Read (never claim) the ledgers: where to go on."""
        entries = await self.patiently(lambda: self.store.read_ledgers([self.ledger_key(p) for p in partitions]))
        return {p: entries[key].applied for p in partitions if (key := self.ledger_key(p)) in entries}

    async def apply(self, records: Records) -> Mapping[int, int]:
        """Publish what a former owner left, then handle the batch; compute it anew when the ledger had moved."""
        self.hurried = self._settled = False
        while True:
            try:
                await self._mind_ledgers()
                await self._empty_outboxes()
                applied = await self.handle(self._not_applied(records))
                self._settled = True
                return applied
            except StaleLedger as error:
                if not self.reloads_in_place:
                    raise
                log.warning("ledger_moved", extra={"role": self.role, "error": str(error)})
                before = {p: entry.applied for p, entry in self.ledgers.items()}
                await self.claim(frozenset(self.ledgers))
                if any(entry.applied < before[p] for p, entry in self.ledgers.items()):
                    raise  # an older graph was restored: what it lacks was read long ago, and is not in hand

    def hurry(self) -> None:
        """Note that the batch in hand should end soon."""
        self.hurried = True

    async def released(self) -> None:
        """Say in the ledgers that all is published, so that the next owner need not publish it again.

        Only a courtesy: it never waits for a server, and never fails.
        """
        boxes = {p: decode_outbox(entry.outbox) for p, entry in self.ledgers.items()}
        left: dict[int, Outbox] = {p: box for _, late in self._late_copies for p, box in late.items()}
        settled = {p: left.get(p, Outbox()) for p, box in boxes.items() if box != left.get(p, Outbox())}
        if not (self._settled and settled):
            return
        moves = {p: (self.ledgers[p].applied, self.sources[p], box) for p, box in settled.items()}
        commit = self._ledger_commit(moves)
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self.store.apply_users(commit, [])
        except (StoreError, TimeoutError) as error:
            log.info("not_settled", extra={"role": self.role, "error": str(error)})
        else:
            self._note(commit)

    def started_late(self, partition: int, expected: int, start: int) -> None:
        """Say loudly that the broker deleted records unread."""
        say_lost(self.metrics, self.role, self.topic, partition, expected, start)

    # -- what a subclass fills in -----------------------------------------------------------------------------------

    @abstractmethod
    async def handle(self, records: Records) -> Mapping[int, int]:
        """Apply a batch, or do what is due on a tick; return the next offset per partition fully applied."""

    @abstractmethod
    async def republish(self, outboxes: Mapping[int, Outbox]) -> None:
        """Publish again what an outbox names, as it stands now."""

    @abstractmethod
    def forget(self) -> None:
        """Drop every cached state: another worker may have written since."""

    # -- what it builds on ------------------------------------------------------------------------------------------

    def ledger_key(self, partition: int) -> str:
        """Return the key of a partition's ledger; never contains the consumer group."""
        return f"{self.topic}/{partition}"

    async def claim(self, partitions: Iterable[int]) -> None:
        """Write new owner tokens and take over the ledgers as they stand."""
        owners = {self.ledger_key(p): uuid.uuid4().hex for p in sorted(partitions)}
        entries = await self.patiently(lambda: self.store.claim(owners)) if owners else {}
        self.forget()
        self._settled = False
        self._owners = owners
        self.ledgers = {p: entries[self.ledger_key(p)] for p in sorted(partitions)}
        self.sources = {p: decode_sources(entry.sources) for p, entry in self.ledgers.items()}
        self._unsent = {p: decode_outbox(e.outbox) for p, e in self.ledgers.items() if e.outbox}
        self._late_copies = [
            (due, {p: box for p, box in boxes.items() if p in self.ledgers}) for due, boxes in self._late_copies
        ]
        noted = {p: decode_topic_id(entry.sources) for p, entry in self.ledgers.items()}
        if self.topic_id and (former := {p for p, known in noted.items() if known and known != self.topic_id}):
            await self.topic_made_again(former)

    async def topic_made_again(self, partitions: Collection[int]) -> None:
        """Deal with ledgers that count a former topic of the same name. Raises TopicMadeAgain, as a rule."""
        raise TopicMadeAgain(
            f"topic {self.topic} was deleted and made again, and this graph has applied records of the former one. "
            "Stop all workers, give the internal topics new names and the graph an empty database, and replay the "
            "interactions from their beginning."
        )

    async def commit(
        self,
        moves: Mapping[int, tuple[int, Mapping[str, int], Outbox]],
        write: Callable[[LedgerCommit], Awaitable[None]],
    ) -> None:
        """Run one transaction that moves ledgers: partition -> (applied, sources, outbox).

        Raises Fenced and StaleLedger; waits while the store is away.
        """
        commit = self._ledger_commit(moves)
        try:
            await self.patiently(lambda: write(commit))
        except BaseException:
            self.metrics.transactions.labels(self.role, "failed").inc()
            raise
        self.metrics.transactions.labels(self.role, "committed").inc()
        self._committed_at = time.monotonic()
        failpoint("after_commit")
        self._note(commit)
        for p, (_, sources, _) in moves.items():
            self.sources[p] = dict(sources)

    def _ledger_commit(self, moves: Mapping[int, tuple[int, Mapping[str, int], Outbox]]) -> LedgerCommit:
        rows = [
            LedgerMove(
                self.ledger_key(p),
                self.ledgers[p].applied,
                applied,
                encode_sources(sources, self.topic_id),
                encode_outbox(outbox),
            )
            for p, (applied, sources, outbox) in sorted(moves.items())
        ]
        return LedgerCommit({row.key: self._owners[row.key] for row in rows}, rows)

    def _note(self, commit: LedgerCommit) -> None:
        for row in commit.moves:
            p = int(row.key.rpartition("/")[2])
            self.ledgers[p] = LedgerEntry(row.key, self._owners[row.key], row.applied, row.sources, row.outbox)
            self.metrics.ledger.labels(self.topic, p).set(row.applied)

    async def publish(self, messages: Sequence[Outgoing], partitions: Iterable[int]) -> None:
        """Publish after a commit. Whenever that takes long, first make sure that the partitions are still ours."""
        if not messages:
            return
        ours = list(partitions)
        if time.monotonic() - self._committed_at > _FRESH_COMMIT_SECONDS:
            await self._check_owner(ours)
        await self.publisher.publish(messages, lambda: self._check_owner(ours))
        failpoint("after_publish")

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a store call while the server is away, up to worker.patience_seconds; then raise Unavailable."""
        deadline = time.monotonic() + self.settings.worker.patience_seconds
        while True:
            try:
                answer = await call()
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise
                self.metrics.waits.labels("store").inc()
                self._absence.noted(str(error), role=self.role)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._absence.over()
                return answer

    def _not_applied(self, records: Records) -> Records:
        """Drop what the ledger already has: a batch that was in hand while the ledger was read anew."""
        kept = {}
        for partition, batch in records.items():
            applied = self.ledgers[partition].applied
            rest = [record for record in batch if record.offset >= applied]
            if rest:
                kept[partition] = rest
        return kept

    async def _mind_ledgers(self) -> None:
        """Look at our ledgers now and then: a restored graph, or another owner, shows even when no record comes."""
        now = time.monotonic()
        if not self.ledgers or now - max(self._committed_at, self._minded_at) < _MIND_SECONDS:
            return
        self._minded_at = now
        await self._check_owner(self.ledgers)

    async def _empty_outboxes(self) -> None:
        now = time.monotonic()
        if self._unsent:
            outboxes, self._unsent = self._unsent, {}
            failpoint("outbox_republish")
            await self.republish(outboxes)
            # A zombie's late copy must not stay the last record of a compacted topic: once more when it must be dead.
            again = now + 2 * self.settings.kafka.session_timeout_seconds
            self._late_copies.append((again, outboxes))
        while self._late_copies and self._late_copies[0][0] <= now:
            _, outboxes = self._late_copies.pop(0)
            if outboxes:
                await self.republish(outboxes)

    async def _check_owner(self, partitions: Iterable[int]) -> None:
        keys = [self.ledger_key(p) for p in partitions]
        entries = await self.patiently(lambda: self.store.read_ledgers(keys))
        for key in keys:
            if key not in entries or entries[key].owner != self._owners.get(key):
                raise Fenced(f"{key} was claimed by another worker since we claimed it")
            applied = self.ledgers[int(key.rpartition("/")[2])].applied
            if entries[key].applied != applied:
                raise StaleLedger(f"{key}: applied is {entries[key].applied}, we had written {applied}")
        self._committed_at = time.monotonic()


def say_lost(metrics: Metrics, role: str, topic: str, partition: int, expected: int, start: int) -> None:
    """Say loudly that the broker deleted the records from ``expected`` up to ``start`` unread, and count them."""
    metrics.lost_to_retention.labels(role).inc(start - expected)
    place = {"topic": topic, "partition": partition, "from_offset": expected, "to_offset": start}
    log.error("records_lost_to_retention", extra=place)
