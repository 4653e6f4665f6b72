"""Faust's batch path: whole record batches to one agent per role, and commits of nothing but what was applied.

Faust's own stream costs 85-103 microseconds of CPU per event and may commit past events in flight (ADR-0002). Here
the consumer hands ``{partition: [record]}`` to the agent, all that has gathered while it was at work; Faust keeps the
group, the assignor, the worker, the agent and its supervisor. Overrides private methods of the exactly pinned release:
tests/contract/test_batchpath_contract.py fails when their shape changes.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from stream.batch_consumer import BatchConsumer
from stream.batch_handler import BatchHandler
from stream.intray import Intray, Records
from stream.kafka_config import faust_credentials
from stream.last_resort import arm_exit
from stream.settings import Settings

__all__ = ["BatchApp", "Gap"]

_MAX_POLL_SECONDS = 1000.0
_MOST_STILL_SECONDS = 120.0
_MOST_RECORDS = 4000  # of one poll: what intake reads at once, the others' records hold hundreds of interactions each


class Gap(Exception):
    """Records of a topic that has no holes were not handed over. Whoever starts again reads them from the ledger."""


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
        self.patience_seconds = settings.worker.patience_seconds
        self.most_still_seconds = _MOST_STILL_SECONDS
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
                    consumer.still_seconds = 0.0
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
