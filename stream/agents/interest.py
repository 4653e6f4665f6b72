"""The interest agent: bundles in; users, their edges, their lists out, in one transaction per micro-batch."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from graph.store import LedgerCommit, MissingNodes, UserWrite
from graph.transitions import Delta
from stream.agents.isolation import Isolation, Originals
from stream.agents.newcomers import Newcomers
from stream.agents.waiting import WaitingUsers
from stream.bundles import FORMAT, Bundle, decode_bundle, delta_messages, encode, refresh_bundles
from stream.deadletter import parse_dead_letter
from stream.intray import Records
from stream.ledgered import LedgeredAgent, Outbox, decode_outbox
from stream.microbatch import Advanced, Part, Parts, Progress, advance_users, micro_batches, users_of
from stream.partitioning import partition_of
from stream.publisher import Outgoing
from stream.refresher import RefreshedUser, Refresher
from stream.replicas import Follower
from stream.users import CachedUser, UserCache, loaded_user

log = logging.getLogger(__name__)


class InterestAgent(LedgeredAgent):
    """Consumes bundles. See the module and docs/architecture.md."""

    role = "interest"

    def equip(
        self,
        refresher: Refresher,
        replicas: Sequence[Follower],
        source_name: Mapping[int, str],
        transitions: int,
        originals: Originals,
    ) -> "InterestAgent":
        """Give it what it ranks with. ``source_name``: partition -> its name as a source of deltas."""
        self.refresher = refresher
        self.replicas = replicas
        self.source_name = source_name
        self.transition_partitions = transitions
        self.originals = originals
        self.cache = UserCache(self.settings.worker.cached_users)
        self.waiting = WaitingUsers(refresher.knowledge)
        self.newcomers = Newcomers(refresher, self.cache, self.settings.graph.lists.new_item_users)
        self.isolation = Isolation(self._skip)
        self._stubs: set[str] = set()
        return self

    def forget(self) -> None:
        """Drop every user: another worker may have written them."""
        self.cache.clear()
        self.waiting.clear()

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Claim, and look again at the users of these partitions that wait for a catalogue row."""
        await super().assigned(partitions)
        self.waiting.recheck(self.ledger_key(p) for p in partitions)

    async def handle(self, records: Records) -> Mapping[int, int]:
        """Apply bundles in micro-batches of at most worker.max_batch_events interactions, max_batch_users users."""
        worker = self.settings.worker
        for batch in micro_batches(_parts(records), worker.max_batch_events, worker.max_batch_users):
            await self.isolation.apply(batch, self._apply_slice)
            if self.hurried:
                break
        await self._refresh_resolved()
        await self._refresh_fitting()
        return {p: applied for p in records if (applied := self.ledgers[p].applied) >= 0}

    async def republish(self, outboxes: Mapping[int, Outbox]) -> None:
        """Send the deltas as they were, and the users as they are now, with a new version; or that they are gone."""
        for p, outbox in outboxes.items():  # each is as large as a micro-batch
            await self._republish({p: outbox})

    async def _republish(self, outboxes: Mapping[int, Outbox]) -> None:
        started = time.monotonic()
        await self.publisher.publish([Outgoing(t, None, v, p) for b in outboxes.values() for t, p, v in b.messages])
        owner_of = {user_id: p for p, outbox in outboxes.items() for user_id in outbox.keys}
        users = await self._load(set(owner_of))  # who was erased is without events
        progress = {p: Progress(self.ledgers[p].applied, self.sources[p]) for p in outboxes}
        done = Advanced(users, owner_of, progress, [])
        try:
            await self._write_and_publish(done, started, unsent=outboxes)
        except BaseException:
            self.cache.drop(users)
            raise

    # -- one slice --------------------------------------------------------------------------------------------------

    async def _apply_slice(self, parts: Parts) -> None:
        started = time.monotonic()
        if any(part.bundle.refresh for batch in parts.values() for part in batch):
            await asyncio.gather(*(replica.catch_up() for replica in self.replicas))
        names = users_of(parts)
        try:
            users = await self._load(names)
            starts = {p: Progress(self.ledgers[p].applied, self.sources[p]) for p in parts}
            with self.metrics.stage.labels(self.role, "advance").time():
                category_of = self.refresher.knowledge.items.category_of
                done = advance_users(parts, users, starts, category_of, self.settings.graph)
            await self._write_and_publish(done, started)
        except BaseException:
            self.cache.drop(names)
            raise

    async def _skip(self, partition: int, part: Part, error: Exception) -> None:
        """Send one message that cannot be applied to the dead letters, and move on past it."""
        entry = part.bundle.entries[0]
        source = part.bundle.sources[entry.source]
        letter = await self.originals(source, entry.offset, error)
        await self.publisher.publish([letter])
        parsed = parse_dead_letter(letter.headers)
        self.metrics.dead_letters.labels(parsed.stage, parsed.reason).inc()
        self.metrics.rejected.labels(parsed.stage, parsed.reason).inc(len(part.bundle.entries))
        sources = {**self.sources[partition], source: max(entry.offset, self.sources[partition].get(source, -1))}
        applied = part.offset + 1 if part.completes else part.offset
        moves = {partition: (applied, sources, decode_outbox(self.ledgers[partition].outbox))}
        await self.commit(moves, lambda commit: self.store.apply_users(commit, []))

    async def _load(self, names: set[str]) -> dict[str, CachedUser]:
        users = {user_id: user for user_id in names if (user := self.cache.get(user_id)) is not None}
        missing = sorted(names - users.keys())
        if missing:
            with self.metrics.stage.labels(self.role, "load").time():
                stored = await self.patiently(lambda: self.store.load_users(missing))
            users.update((user_id, loaded_user(user_id, stored.get(user_id))) for user_id in missing)
        return users

    async def _write_and_publish(
        self, done: Advanced, started: float, unsent: Mapping[int, Outbox] | None = None
    ) -> None:
        living = [user for user in done.users.values() if user.state.events]
        gone = sorted(user_id for user_id, user in done.users.items() if not user.state.events)
        refreshed = await self.refresher.refresh(living, self.clock())
        writes: list[UserWrite] = []
        for result in refreshed:
            key = self.ledger_key(done.partition_of[result.user.user_id]) if result.waits_for else None
            writes.append(result.write(key))
        messages = (
            self._delta_messages(done) if unsent is None else {p: list(box.messages) for p, box in unsent.items()}
        )
        moves = {
            p: (progress.applied, progress.sources, Outbox(_users_in(done, p), tuple(messages.get(p, ()))))
            for p, progress in done.progress.items()
        }
        # Encoded before the commit: what cannot be encoded must fail while its ledger still stands before it.
        outgoing = [] if unsent else [Outgoing(t, None, v, p) for box in messages.values() for t, p, v in box]
        outgoing += self._list_messages(done, refreshed)
        outgoing += [Outgoing(self.settings.topics.recommendations, user_id.encode(), None) for user_id in gone]
        await self._ensure_stubs(writes)
        with self.metrics.stage.labels(self.role, "write").time():
            await self.commit(moves, lambda commit: self._apply_users(commit, writes, gone))
        self.cache.put(living)
        self.cache.drop(gone)
        with self.metrics.stage.labels(self.role, "publish").time():
            await self.publish(outgoing, done.progress)
        for result in refreshed:
            self.waiting.set(result.user.user_id, done.partition_of[result.user.user_id], result.waits_for)
        for user_id in gone:
            self.waiting.set(user_id, done.partition_of[user_id], ())
        self._count(done, refreshed, refreshed_only=unsent is not None, started=started)

    def _list_messages(self, done: Advanced, refreshed: Sequence[RefreshedUser]) -> Iterator[Outgoing]:
        topic = self.settings.topics.recommendations
        for result in refreshed:
            user_id = result.user.user_id
            partition = done.partition_of[user_id]
            position = self.topic, partition, done.progress[partition].applied - 1
            yield Outgoing(topic, user_id.encode(), result.message(position, self.clock()))

    async def _apply_users(self, commit: LedgerCommit, writes: Sequence[UserWrite], gone: Sequence[str]) -> None:
        try:
            await self.store.apply_users(commit, writes, gone)
        except MissingNodes:  # the catalogue removed an item that we remember to have seen
            self._stubs.clear()
            await self._ensure_stubs(writes)
            await self.store.apply_users(commit, writes, gone)

    async def _ensure_stubs(self, writes: Iterable[UserWrite]) -> None:
        categories = {f"c{interest.category}" for write in writes for interest in write.interests}
        items = {f"i{touch.item_id}" for write in writes for touch in write.touches}
        missing = (categories | items) - self._stubs
        if missing:
            new_categories = sorted(name[1:] for name in missing if name[0] == "c")
            new_items = sorted(name[1:] for name in missing if name[0] == "i")
            await self.patiently(lambda: self.store.ensure_stubs(new_categories, new_items))
            self._stubs |= missing

    def _delta_messages(self, done: Advanced) -> dict[int, list[tuple[str, int, bytes]]]:
        messages: dict[int, list[tuple[str, int, bytes]]] = {}
        for partition, progress in done.progress.items():
            per_target: defaultdict[int, list[tuple[int, tuple[Delta, ...]]]] = defaultdict(list)
            for cause, deltas in progress.deltas:
                split = defaultdict(list)
                for delta in deltas:
                    split[partition_of(f"{delta.level.value}|{delta.source}", self.transition_partitions)].append(delta)
                for target, part in split.items():
                    per_target[target].append((cause, tuple(part)))
            topic, source = self.settings.topics.transitions, self.source_name[partition]
            messages[partition] = [
                (topic, target, message)
                for target, causes in sorted(per_target.items())
                for message in delta_messages(source, causes)
            ]
        return messages

    def _count(self, done: Advanced, refreshed: Sequence[RefreshedUser], refreshed_only: bool, started: float) -> None:
        metrics, now, users = self.metrics, self.clock(), len(refreshed)
        metrics.applied.inc(done.applied)
        metrics.duplicate.inc(done.duplicates)
        metrics.refreshed.inc(users if refreshed_only else done.refreshed)
        metrics.erased.inc(done.erased)
        metrics.lists.inc(users)
        metrics.empty_lists.labels("cross_sell").inc(sum(not result.lists.cross_sell for result in refreshed))
        metrics.empty_lists.labels("up_sell").inc(sum(not result.lists.up_sell for result in refreshed))
        nothing_for = sum(result.for_you is not None and not result.for_you.items for result in refreshed)
        metrics.empty_lists.labels("for_you").inc(nothing_for)
        metrics.cached_users.set(len(self.cache))
        if done.produced_at:
            metrics.batch_events.observe(len(done.produced_at))
            metrics.batch_users.observe(users)
        for produced_at in done.produced_at:
            metrics.event_to_publish.observe(max(0, now - produced_at) / 1000.0)
        log.info(
            "batch",
            extra={
                "role": self.role,
                "applied": done.applied,
                "duplicates": done.duplicates,
                "users": users,
                "seconds": round(time.monotonic() - started, 4),
                "offsets": {p: progress.applied for p, progress in done.progress.items()},
            },
        )

    # -- users whom the catalogue's news concern ---------------------------------------------------------------------

    async def _refresh_resolved(self) -> None:
        """Ask for a refresh of users whose items have got a category, through the log like everything else."""
        await self.waiting.look_again(self.store, self.patiently)
        resolved = self.waiting.resolved()
        if not resolved:
            return
        messages = [
            Outgoing(self.topic, None, encode(Bundle(FORMAT, (), (), tuple(sorted(users)))), partition)
            for partition, users in sorted(resolved.items())
        ]
        await self.publisher.publish(messages)

    async def _refresh_fitting(self) -> None:
        """Ask likewise for a refresh of our users whom new items fit: our share of all that are to have one."""
        partitions = len(self.source_name)
        share = len(self.ledgers) / partitions

        def ours(user_id: str) -> bool:
            return partition_of(user_id, partitions) in self.ledgers

        fitting = await self.newcomers.users(self.store, self.patiently, ours, share)
        bundles = refresh_bundles(fitting, partitions)
        messages = [Outgoing(self.topic, None, encode(bundle), p) for p in sorted(bundles) for bundle in bundles[p]]
        if messages:
            log.info("new_items", extra={"role": self.role, "users": len(fitting)})
            await self.publisher.publish(messages)


def _parts(records: Records) -> Iterator[tuple[int, Part]]:
    """Decode one bundle after the other: all that has gathered would take much memory at once."""
    for partition, batch in records.items():
        for record in batch:
            yield partition, Part(record.offset, decode_bundle(record.value))


def _users_in(done: Advanced, partition: int) -> tuple[str, ...]:
    return tuple(sorted(user_id for user_id, p in done.partition_of.items() if p == partition))
