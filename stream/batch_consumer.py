"""Faust's consumer, less its per-message path: it takes partitions over, and hands whole batches on.

Taking over (claim, ask where to go on, seek) is a task of our own. In the group's callback it would stop the
heartbeat for as long as a server is away; in Faust's recovery it would have half a minute, after which that service
ends without a word, and no later assignment is ever sought (ADR-0011).
"""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from graph.failpoints import failpoint
from graph.store import Refused
from stream.committed import committed_of_topic, name_topic_in_commits
from stream.last_resort import arm_exit
from stream.preflight import TopicsMadeAgain

if TYPE_CHECKING:
    from stream.batchpath import BatchApp

__all__ = ["BatchConsumer", "LedgerPastLogEnd", "StoodStill"]

_TICK_SECONDS = 0.2
_FULL_SECONDS = 0.005
_WATCH_SECONDS = 1.0
_RETRY_SECONDS = 0.5


class LedgerPastLogEnd(Refused):
    """The graph has applied offsets that the topic does not have: the topic was deleted and made again."""


class StoodStill(Exception):
    """Partitions are ours, no batch is in hand, no server is waited for, and yet not even a tick came."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's, whose commits say which topic they count."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        name_topic_in_commits(consumer, self.app.topic_id)
        return consumer


class BatchConsumer(driver.Consumer):
    """Fetches the partitions that were taken over since the last assignment, and no others.

    Between a revoke and the seek that follows it nothing is fetched and nothing is applied: a fetch that was under way
    would move the positions behind the seek's back, and its records would be neither applied nor read again.
    """

    app: "BatchApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.applied: dict[TP, int] = {}
        self.idle = asyncio.Event()
        self.idle.set()
        self.epoch = 0
        self._assigned: frozenset[TP] = frozenset()
        self._sought: frozenset[TP] = frozenset()
        self._takeover: asyncio.Task[None] | None = None
        self._asking = False
        self._fetching = asyncio.Lock()
        self.still_seconds = 0.0
        """For how long nothing was applied, not even a tick, though nobody waits for a server."""

    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_start(self) -> None:
        """Start Faust's, and the watch over both."""
        await super().on_start()
        self.add_future(self._watch_stillness())

    # -- taking over and giving away --------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let nothing more through, then let Faust wait for what is in hand (:meth:`wait_empty`)."""
        self._close()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin to take over, and return at once: the group must hear from us while a server is away."""
        self._close()
        self._assigned = frozenset(assigned)
        self._takeover = asyncio.create_task(self._take_over(self.epoch, self._takeover))
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Do nothing, at once: the seek is ours, and Faust's recovery ends for good if this takes half a minute."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Say nothing: Faust looks for the traces of its own stream, which is not used here, and raises false alarms.

        A partition to which nothing came since it was assigned looks to it like one that is not fetched.
        :meth:`_watch_stillness` is what minds that batches go on.
        """

    async def wait_empty(self) -> None:
        """Before a revoke and on stop: forget what waits, let the running transaction end, commit what it applied."""
        self._close()
        self.app.handler.hurry()
        if self._takeover is not None:
            await asyncio.wait([self._takeover])
        await self.idle.wait()
        failpoint("on_revoke")
        await self.app.handler.released()
        await self.commit_and_end_transactions()

    def _close(self) -> None:
        """Let nothing through that was fetched until now, and fetch nothing until the next takeover is complete."""
        self.epoch += 1
        self._assigned = self._sought = frozenset()
        self.still_seconds = 0.0
        self.app.intray.clear()
        if self._takeover is not None:
            self._takeover.cancel()  # a claim that comes late would fence the next owner

    async def _take_over(self, epoch: int, former: asyncio.Task[None] | None) -> None:
        """Claim, then seek. A dying worker still takes part in rebalances: it must not claim."""
        if former is not None:
            await asyncio.wait([former])
        if self.app.should_stop or self.app.crashed:
            return
        partitions = frozenset(tp.partition for tp in self._assigned)
        try:
            self._asking = True
            try:
                await self.app.handler.assigned(partitions)
                wanted = await self.app.handler.positions(partitions) if partitions else {}
            finally:
                self._asking = False
            if partitions:
                await self._seek_patiently(epoch, wanted)
            self.app.assigned_once = True
        except asyncio.CancelledError:
            if epoch != self.epoch or self.app.should_stop:
                raise
            await self._give_up(StoodStill("the takeover was cancelled by what it called"))
        except Exception as error:  # noqa: BLE001 - raised here, nobody would hear of it
            if epoch == self.epoch:
                await self._give_up(error)

    async def _seek_patiently(self, epoch: int, wanted: Mapping[int, int] | None) -> None:
        """Seek again while the broker is away, up to worker.patience_seconds."""
        deadline = time.monotonic() + self.app.patience_seconds
        while True:
            try:
                await self._seek_and_open(epoch, wanted)
            except (KafkaTimeoutError, KafkaConnectionError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                self.still_seconds = 0.0
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _seek_and_open(self, epoch: int, wanted: Mapping[int, int] | None) -> None:
        """Seek to the ledger; the group's committed offset is a hint that may be ahead of the truth."""
        assigned = self._assigned
        async with self._fetching:
            earliest = await self.earliest_offsets(*assigned)
            starts = {tp: earliest[tp] or 0 for tp in assigned}
            expected = await (self._of_group(starts) if wanted is None else self._of_ledger(wanted))
            # Not seek(): that one touches aiokafka from the wrong thread.
            await self.seek_wait({tp: max(expected[tp], start) for tp, start in starts.items()})
            if epoch != self.epoch:
                return
            self.app.expected.clear()
            self._sought = assigned
        for tp, start in starts.items():
            if expected[tp] < start:
                self.app.handler.started_late(tp.partition, expected[tp], start)
        self.still_seconds = 0.0
        self.resume_flow()

    async def _of_group(self, starts: Mapping[TP, int]) -> Mapping[TP, int]:
        """Return the group's offsets, or the log's start where it has none of this topic."""
        thread = self._thread
        async with asyncio.timeout(self.app.conf.broker_request_timeout):  # it would ask for ever
            committed = await thread.call_thread(
                committed_of_topic, thread._ensure_consumer(), list(starts), self.app.topic_id
            )
        offsets = {tp: committed.get(tp.partition) for tp in starts}
        return {tp: starts[tp] if offset is None else offset for tp, offset in offsets.items()}

    async def _of_ledger(self, wanted: Mapping[int, int]) -> Mapping[TP, int]:
        """Return the ledgers' offsets. Raises LedgerPastLogEnd and TopicsMadeAgain for those that the log has not."""
        failpoint("ledger_seek")
        ends = await self.highwaters(*self._assigned)
        expected = {tp: max(wanted.get(tp.partition, 0), 0) for tp in self._assigned}
        for tp, offset in expected.items():
            if offset <= (ends[tp] or 0):
                continue
            if await asyncio.to_thread(self.app.made_again, tp.topic):
                raise TopicsMadeAgain(f"deleted and made again while we ran: {tp.topic}")
            raise LedgerPastLogEnd(
                f"{tp.topic}/{tp.partition}: the graph has applied up to {offset}, the log ends at {ends[tp]}: it was "
                "deleted and made again. Restore it, or stop all workers, give the internal topics new names and the "
                "graph an empty database, and replay the interactions from their beginning."
            )
        return expected

    # -- handing on -------------------------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            await self._hand_over(fetcher)
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _hand_over(self, fetcher: Any) -> None:
        intray, linger = self.app.intray, self.app.linger_seconds
        limit = self.app.conf.broker_max_poll_records or 1000
        while not (self.should_stop or fetcher.should_stop):
            if not self.flow_active:
                await self.wait(self.can_resume_flow)
                continue
            if intray.full:
                await asyncio.sleep(_FULL_SECONDS)
                continue
            async with self._fetching:
                epoch, active = self.epoch, set(self._sought)
                # An empty set would mean "all", and there is nothing to fetch while nothing is assigned.
                fetched = await self._getmany(active, _TICK_SECONDS) if active else {}
            if not active:
                await asyncio.sleep(_TICK_SECONDS)
            if self.should_stop:
                return
            records = {tp.partition: batch for tp, batch in (fetched or {}).items() if batch}
            if records:
                failpoint("after_poll")
            if active and epoch == self.epoch:  # not even a tick while others may be about to take over
                intray.put(records)
            if 0 < sum(map(len, records.values())) < limit:
                await asyncio.sleep(linger)  # let a micro-batch gather

    async def _watch_stillness(self) -> None:
        """Crash when nothing moves that should: whoever starts again takes over anew.

        Counts looks, not the clock: a process that was frozen has not stood still.
        """
        last = time.monotonic()
        while not self.should_stop:
            await self.sleep(_WATCH_SECONDS)
            now = time.monotonic()
            if self._assigned and self.idle.is_set() and not self._asking:
                self.still_seconds += min(now - last, 2 * _WATCH_SECONDS)
            else:
                self.still_seconds = 0.0
            last = now
            if self.still_seconds > self.app.most_still_seconds:
                state = f"{len(self._assigned)} partitions, {len(self._sought)} sought, flow {self.flow_active}"
                await self._give_up(StoodStill(f"nothing was applied for {self.still_seconds:.0f} s: {state}"))
                return

    async def _give_up(self, error: Exception) -> None:
        await self.app.crash(error)
        arm_exit()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> list[TP]:
        return list(self.applied)

    def _new_offset(self, tp: TP) -> int | None:
        return self.applied.pop(tp, None)
