"""Faust's batch path: whole record batches to one agent per role, and commits of nothing but what was applied.

Faust's own stream costs 85-103 microseconds of CPU per event and may commit past events in flight (ADR-0002). Here
the consumer hands ``{partition: [record]}`` to the agent, all that has gathered while it was at work; Faust keeps the
group, the assignor, the worker, the agent and its supervisor. Overrides private methods of the exactly pinned release:
tests/contract/test_batchpath_contract.py fails when their shape changes.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from graph.failpoints import failpoint
from graph.store import Refused
from stream.committed import committed_of_topic, name_topic_in_commits
from stream.intray import Intray, Records
from stream.kafka_config import faust_credentials
from stream.preflight import TopicsMadeAgain
from stream.settings import Settings

__all__ = ["BatchApp", "BatchHandler", "Records", "arm_exit", "set_last_resort"]

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2
_FULL_SECONDS = 0.005
_EXIT_SECONDS = 5.0
_MAX_POLL_SECONDS = 1000.0
_MOST_RECORDS = 4000  # of one poll: what intake reads at once, the others' records hold hundreds of interactions each


class LedgerPastLogEnd(Refused):
    """The graph has applied offsets that the topic does not have: the topic was deleted and made again."""


class Gap(Exception):
    """Records of a topic that has no holes were not handed over. Whoever starts again reads them from the ledger."""


class BatchHandler(Protocol):
    """What an agent is to the batch path. Raising from any method ends the process."""

    @property
    def topic(self) -> str:
        """The one topic it consumes."""

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Take over exactly these partitions (claim them); whatever was cached of others is void."""

    async def positions(self, partitions: frozenset[int]) -> Mapping[int, int] | None:
        """Return the next offset to read per partition (-1: from the log's start), or None: the group's offsets."""

    async def apply(self, records: Records) -> Mapping[int, int]:
        """Handle a batch (an empty one is a tick); return the next offset per partition that is fully applied."""

    def hurry(self) -> None:
        """Learn that others wait for the end of the batch in hand: apply no more of it than is begun."""

    async def released(self) -> None:
        """Leave everything settled, after the last batch: others may take over, or the process is about to end."""

    def started_late(self, partition: int, expected: int, start: int) -> None:
        """Learn that records from ``expected`` up to ``start`` are gone: retention was shorter than our absence."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's, whose commits say which topic they count."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        name_topic_in_commits(consumer, self.app.topic_id)
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's consumer, less its per-message path.

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
        self._sought = False
        self._fetching = asyncio.Lock()

    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Claim before Faust seeks. A dying worker still takes part in rebalances: it must not claim."""
        self._close()
        if not (self.app.should_stop or self.app.crashed):
            try:
                await self.app.handler.assigned(frozenset(tp.partition for tp in assigned))
            except Exception as error:  # noqa: BLE001 - raised here, aiokafka would only log it
                await self.app.crash(error)
                arm_exit()
                return
        await super().on_partitions_assigned(assigned, generation_id)
        self.app.assigned_once = True

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the ledger; the group's committed offset is a hint that may be ahead of the truth."""
        assignment = self.assignment()
        if not assignment:
            return {}
        try:
            async with self._fetching:
                wanted = await self.app.handler.positions(frozenset(tp.partition for tp in assignment))
                if wanted is None:
                    positions = await self._seek_to_group(assignment)
                else:
                    positions = await self._seek_to(assignment, wanted)
                self.app.expected.clear()
                self._sought = True
            return positions
        except Exception as error:  # noqa: BLE001 - see above
            await self.app.crash(error)
            arm_exit()
            return {}

    def _close(self) -> None:
        """Let nothing through that was fetched until now, and fetch nothing until the next seek."""
        self.epoch += 1
        self._sought = False
        self.app.intray.clear()

    async def _seek_to_group(self, assignment: set[TP]) -> Mapping[TP, int]:
        """Seek to the group's offsets, or to the log's start where it has none of this topic."""
        thread = self._thread
        committed = await thread.call_thread(
            committed_of_topic, thread._ensure_consumer(), list(assignment), self.app.topic_id
        )
        starts = await self.earliest_offsets(*assignment)
        positions: dict[TP, int] = {}
        for tp in assignment:
            offset, start = committed.get(tp.partition), starts[tp] or 0
            if offset is not None and offset < start:
                self.app.handler.started_late(tp.partition, offset, start)
            positions[tp] = max(offset or 0, start)
        await self.seek_wait(positions)
        return positions

    async def _seek_to(self, assignment: set[TP], wanted: Mapping[int, int]) -> Mapping[TP, int]:
        failpoint("ledger_seek")
        starts, ends = await self.earliest_offsets(*assignment), await self.highwaters(*assignment)
        positions: dict[TP, int] = {}
        for tp in assignment:
            offset, start, end = wanted.get(tp.partition, -1), starts[tp] or 0, ends[tp] or 0
            if offset > end:
                if await asyncio.to_thread(self.app.made_again, tp.topic):
                    raise TopicsMadeAgain(f"deleted and made again while we ran: {tp.topic}")
                raise LedgerPastLogEnd(
                    f"{tp.topic}/{tp.partition}: the graph has applied up to {offset}, the log ends at {end}: it "
                    "was deleted and made again. Restore it, or stop all workers, give the internal topics new names "
                    "and the graph an empty database, and replay the interactions from their beginning."
                )
            if offset < start and (offset >= 0 or start > 0):
                self.app.handler.started_late(tp.partition, max(offset, 0), start)
            positions[tp] = max(offset, start)
        await self.seek_wait(positions)  # not seek(): that one touches aiokafka from the wrong thread
        return positions

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
                epoch, active = self.epoch, set(self._get_active_partitions()) if self._sought else set()
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

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> list[TP]:
        return list(self.applied)

    def _new_offset(self, tp: TP) -> int | None:
        return self.applied.pop(tp, None)

    async def wait_empty(self) -> None:
        """Before a revoke and on stop: forget what waits, let the running transaction end, commit what it applied."""
        self._close()
        self.app.handler.hurry()
        await self.idle.wait()
        failpoint("on_revoke")
        await self.app.handler.released()
        await self.commit_and_end_transactions()


class BatchApp(faust.App):
    """One role's Faust app: one consumer group, one topic (``topic_id`` as the broker says), one agent.

    ``made_again`` asks the broker, in a thread, whether a topic is another one than when the process started.
    """

    def __init__(
        self,
        role: str,
        handler: BatchHandler,
        settings: Settings,
        instance_id: str | None,
        topic_id: str = "",
        made_again: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        kafka = settings.kafka
        super().__init__(
            f"{kafka.group_prefix}-{role}",
            broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
            broker_credentials=faust_credentials(kafka),
            store="memory://",
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            datadir=str(Path(os.devnull).parent),  # no table, no file: Faust only wants a name
            broker_commit_interval=1.0,
            broker_session_timeout=kafka.session_timeout_seconds,
            broker_heartbeat_interval=kafka.session_timeout_seconds / 5,
            broker_rebalance_timeout=kafka.rebalance_timeout_seconds,
            broker_request_timeout=max(30.0, kafka.session_timeout_seconds * 2),
            broker_max_poll_records=min(settings.worker.max_batch_events, _MOST_RECORDS),
            # Nothing is fetched while a batch waits for a server: that is no reason to leave the group.
            broker_max_poll_interval=max(_MAX_POLL_SECONDS, 2 * settings.worker.patience_seconds),
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=instance_id,
            table_standby_replicas=1,  # 0 would switch to another assignor
            worker_redirect_stdouts=False,
        )
        self.role = role
        self.assigned_once = False
        self.handler = handler
        self.topic_id = topic_id
        self.made_again = made_again
        # We alone produce these, without transactions, and they are not compacted: their offsets have no holes.
        self.without_holes = {topic.name for topic in settings.topics.table() if topic.internal and topic.retention_ms}
        self.linger_seconds = settings.worker.linger_seconds
        self.intray = Intray(self.conf.broker_max_poll_records or _MOST_RECORDS)
        self.expected: dict[int, int] = {}
        self.topics.add(self.topic(handler.topic, key_type=bytes, value_type=bytes, value_serializer="raw"))
        # The agent reads our intray and not its channel: that one copies what it gets into buffers out of our reach.
        self.agent(self.channel(maxsize=1), name=f"{role}.batches", supervisor_strategy=CrashingSupervisor)(
            self._consume
        )

    def _new_transport(self) -> Any:
        transport = super()._new_transport()
        transport.Consumer = BatchConsumer
        return transport

    async def _wait_for_table_recovery_completed(self) -> bool:
        """Do not wait: there is no table, and the next app of the process starts only after this one."""
        return False

    async def _consume(self, _: Any) -> None:
        consumer = self.consumer
        try:
            while not self.should_stop:
                records = await self.intray.take()
                consumer.idle.clear()
                try:
                    self._mind_gaps(records)
                    applied = await self.handler.apply(records)
                finally:
                    consumer.idle.set()
                for partition, offset in applied.items():
                    consumer.applied[TP(self.handler.topic, partition)] = offset
        except Exception:
            arm_exit()
            raise

    def _mind_gaps(self, records: Records) -> None:
        for partition, batch in records.items():
            expected = self.expected.get(partition, batch[0].offset)
            if batch[0].offset > expected and self.handler.topic in self.without_holes:
                raise Gap(f"{self.handler.topic}/{partition}: expected offset {expected}, got {batch[0].offset}")
            self.expected[partition] = batch[-1].offset + 1


_last_resort: Callable[[int], object] = os._exit


def set_last_resort(act: Callable[[int], object]) -> None:
    """Choose what :func:`arm_exit` does when the time has come; it is given the exit code."""
    global _last_resort
    _last_resort = act


def arm_exit(seconds: float = _EXIT_SECONDS, code: int = 1) -> None:
    """End the process soon, come what may: a worker that lingers while it stops would be a member without work."""
    timer = threading.Timer(seconds, os._exit if code == 0 else _last_resort, (code,))
    timer.daemon = True
    timer.start()
