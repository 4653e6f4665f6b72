"""The association agent: deltas in; successor records on the compacted topic, and category edges in the graph, out.

It owns the sources whose key hashes to its partitions, and is the only writer of edges that many users share.
Category sources are written every second, item sources every ten, under load less often; the ledger moves with the
items, and each level remembers its own last causes, so that what is read again after a crash is applied to the one
that lacks it.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

from graph.association import (
    SourceState,
    add_delta,
    decode_source,
    encode_source,
    forget_weakest,
    source_key,
    successor_record,
)
from graph.failpoints import failpoint
from graph.model import AssociationEdge, Family, Level
from graph.transitions import Delta
from stream.agents.association_edges import EdgeLedger
from stream.bundles import decode_deltas
from stream.intray import Records
from stream.knowledge import Knowledge, encode_successors
from stream.ledgered import LedgeredAgent, Outbox, decode_outbox
from stream.partitioning import partition_of
from stream.popular import PopularLists
from stream.publisher import Outgoing

log = logging.getLogger(__name__)

_REST_PER_FLUSH = 9.0
"""A flush is followed by this many times its own duration without one: under load it takes a tenth of the time."""
_MOST_INTERVALS = 10.0
"""Such a pause never lasts longer than so many of the level's intervals."""
_PAUSE_SECONDS = 3.0
"""When no delta comes for so long, longer than a micro-batch takes, what is pending is written at once."""
_REST_SECONDS = 2.0
_SWEEP_SECONDS = 30.0
"""Confidence and lift of edges follow the totals: after so long without a delta, or at the latest after so long."""

_SPEAKER = 0


class AssociationAgent(LedgeredAgent):
    """Consumes deltas. See the module."""

    role = "association"
    reloads_in_place = False

    def equip(self, knowledge: Knowledge, partitions: int) -> "AssociationAgent":
        """Give it the replica of all records, and the number of partitions that sources hash to."""
        self.knowledge = knowledge
        self.partitions = partitions
        self._edges = EdgeLedger(knowledge)
        self._popular = PopularLists(knowledge, self.settings.graph.lists, self.settings.topics.popular)
        self.forget()
        return self

    def forget(self) -> None:
        """Drop states, pending deltas and marks."""
        self._states: dict[str, SourceState] = {}
        self._pending: dict[Level, defaultdict[str, list[Delta]]] = {level: defaultdict(list) for level in Level}
        self._seen: dict[int, dict[str, int]] = {}
        self._read: dict[int, int] = {}
        self._flush_at = {level: time.monotonic() + self._interval(level) for level in Level}
        self._last_delta = self._last_record = time.monotonic()
        self._swept_changes, self._swept_at = -1, time.monotonic()
        self._edges.clear()
        self._popular.clear()
        self._popular_at = float("-inf")

    async def handle(self, records: Records) -> Mapping[int, int]:
        """Take in deltas; write what is due. Returns the ledgers' offsets: they move with the item flush."""
        asked = self._take(records)
        now = time.monotonic()
        paused = now - self._last_record > _PAUSE_SECONDS
        if asked or paused or now >= self._flush_at[Level.ITEM]:
            await self._flush(Level.CATEGORY)
            await self._flush(Level.ITEM)
        elif now >= self._flush_at[Level.CATEGORY]:
            await self._flush(Level.CATEGORY)
        if asked or now - self._last_delta > _REST_SECONDS or now - self._swept_at > _SWEEP_SECONDS:
            await self._sweep(force=asked)
        if asked or now - self._popular_at >= self.settings.worker.popular_seconds:
            self._popular_at = now
            await self._publish_popular()
        return {p: self.ledgers[p].applied for p in self.ledgers if self.ledgers[p].applied >= 0}

    async def republish(self, outboxes: Mapping[int, Outbox]) -> None:
        """Publish the sources of an outbox as they are now."""
        keys = sorted({key for outbox in outboxes.values() for key in outbox.keys})
        await self._load(keys)
        await self._publish(keys, outboxes)

    # -- taking in --------------------------------------------------------------------------------------------------

    def _take(self, records: Records) -> bool:
        asked = False
        for partition, batch in records.items():
            seen = self._seen.setdefault(partition, dict(self.sources[partition]))
            self._last_record = time.monotonic()
            for record in batch:
                if record.offset < self._read.get(partition, -1):
                    continue
                message = decode_deltas(record.value)
                asked = asked or not message.causes
                for cause, deltas in message.causes:
                    self._take_cause(seen, message.source, cause, deltas)
                self._read[partition] = record.offset + 1
        return asked

    def _take_cause(self, seen: dict[str, int], source: str, cause: int, deltas: Iterable[Delta]) -> None:
        fresh = {level: cause > seen.get(_mark(level, source), -1) for level in Level}
        for delta in deltas:
            if fresh[delta.level]:
                self._pending[delta.level][source_key(delta.level, delta.source)].append(delta)
                if delta.level is Level.CATEGORY:
                    self._last_delta = time.monotonic()
        for level in Level:
            if fresh[level]:
                seen[_mark(level, source)] = cause

    # -- writing ----------------------------------------------------------------------------------------------------

    async def _flush(self, level: Level) -> None:
        started = time.monotonic()
        self._flush_at[level] = started + self._interval(level)
        pending = self._pending[level]
        moved = [p for p in self._read if self._moves(p, level)]
        if not moved:
            return
        keys = sorted(pending)
        await self._load(keys)
        dropped = self._merge(pending)
        for key in keys:
            self.knowledge.take_successors(successor_record(self._states[key], self.settings.graph.association))
        edges = self._edges.changed(self._states[key].source for key in keys) if level is Level.CATEGORY else []
        states = {key: encode_source(self._states[key]) for key in keys}
        by_partition = self._by_partition(keys)
        moves = {
            p: (self._next_offset(p, level), self._marks(p, level), Outbox(tuple(by_partition.get(p, ()))))
            for p in moved
        }
        if edges:
            categories = sorted({edge.source for edge in edges} | {edge.target for edge in edges})
            await self.patiently(lambda: self.store.ensure_stubs(categories, []))
        failpoint("association_flush")
        with self.metrics.stage.labels(self.role, "write").time():
            await self.commit(moves, lambda commit: self.store.apply_associations(commit, states, edges, dropped))
        self._edges.written(edges, dropped)
        self._pending[level] = defaultdict(list)
        with self.metrics.stage.labels(self.role, "publish").time():
            await self._publish(keys, moves)
        ended = time.monotonic()
        rest = min(_REST_PER_FLUSH * (ended - started), _MOST_INTERVALS * self._interval(level))
        self._flush_at[level] = max(self._flush_at[level], ended + rest)
        log.info(
            "batch",
            extra={
                "role": self.role,
                "of": level.value,
                "sources": len(keys),
                "edges": len(edges),
                "seconds": round(ended - started, 4),
            },
        )

    def _interval(self, level: Level) -> float:
        worker = self.settings.worker
        return worker.category_flush_seconds if level is Level.CATEGORY else worker.item_flush_seconds

    def _moves(self, partition: int, level: Level) -> bool:
        behind = level is Level.ITEM and self._read[partition] != self.ledgers[partition].applied
        return behind or any(
            cause != self.sources[partition].get(mark)
            for mark, cause in self._seen[partition].items()
            if mark.startswith(level.value)
        )

    def _next_offset(self, partition: int, level: Level) -> int:
        return self._read[partition] if level is Level.ITEM else self.ledgers[partition].applied

    def _marks(self, partition: int, level: Level) -> dict[str, int]:
        seen = {mark: c for mark, c in self._seen[partition].items() if mark.startswith(level.value)}
        return {**self.sources[partition], **seen}

    async def _load(self, keys: Iterable[str]) -> None:
        missing = [key for key in keys if key not in self._states]
        if not missing:
            return
        stored = await self.patiently(lambda: self.store.load_associations(missing))
        for key in missing:
            level, _, source = key.partition("|")
            data = stored.get(key)
            self._states[key] = decode_source(data) if data else SourceState(Level(level), source)

    def _merge(self, pending: Mapping[str, list[Delta]]) -> list[AssociationEdge]:
        """Add pending deltas to their sources; return category edges that are gone."""
        settings = self.settings.graph.association
        dropped: list[AssociationEdge] = []
        for key, deltas in pending.items():
            state = self._states[key]
            for delta in deltas:
                add_delta(state, delta, settings)
            for family in Family:
                touched = {delta.target for delta in deltas if delta.family is family}
                touched.update(forget_weakest(state, family, settings))
                if state.level is Level.CATEGORY:
                    gone = sorted(touched - state.family(family).keys())
                    dropped.extend(AssociationEdge(family, state.source, target, 0, 0, 0, 0, 0) for target in gone)
        return dropped

    async def _publish(self, keys: Iterable[str], partitions: Iterable[int]) -> None:
        settings, topic = self.settings.graph.association, self.settings.topics.associations
        messages = [
            Outgoing(topic, key.encode(), encode_successors(successor_record(self._states[key], settings)))
            for key in keys
        ]
        await self.publish(messages, partitions)

    def _by_partition(self, keys: Iterable[str]) -> dict[int, list[str]]:
        split: defaultdict[int, list[str]] = defaultdict(list)
        for key in keys:
            split[partition_of(key, self.partitions)].append(key)
        return dict(split)

    async def _sweep(self, force: bool) -> None:
        """Rewrite confidence and lift of our edges where the totals have moved since they were written."""
        changes = self.knowledge.association_changes
        if changes == self._swept_changes and not force:
            return
        self._swept_changes, self._swept_at = changes, time.monotonic()
        ours = [s for s in sorted(self.knowledge.category_sources) if self._owned(s)]
        edges = self._edges.changed(ours)
        if not edges or not self.ledgers:
            return
        categories = sorted({edge.source for edge in edges} | {edge.target for edge in edges})
        await self.patiently(lambda: self.store.ensure_stubs(categories, []))
        await self.commit(self._still(), lambda commit: self.store.apply_associations(commit, {}, edges, []))
        self._edges.written(edges, [])
        log.info("edges_swept", extra={"role": self.role, "edges": len(edges)})

    async def _publish_popular(self) -> None:
        """Publish what is popular now, if it is ours to say: the owner of the first partition speaks for the shop."""
        if _SPEAKER not in self.ledgers:
            return
        messages = self._popular.changed(self.clock())
        if messages:
            fence = {_SPEAKER: self._still()[_SPEAKER]}
            await self.commit(fence, lambda commit: self.store.apply_associations(commit, {}, [], []))
            await self.publish(messages, fence)

    def _owned(self, source: str) -> bool:
        return partition_of(source_key(Level.CATEGORY, source), self.partitions) in self.ledgers

    def _still(self) -> dict[int, tuple[int, Mapping[str, int], Outbox]]:
        """Return moves that move nothing: the fence alone."""
        return {p: (entry.applied, self.sources[p], decode_outbox(entry.outbox)) for p, entry in self.ledgers.items()}


def _mark(level: Level, source: str) -> str:
    return f"{level.value}|{source}"
