"""Compacted topics kept in memory: read from the start, then followed for ever, without a consumer group."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from stream.absence import Absence
from stream.kafka_config import aiokafka_config
from stream.settings import Settings

log = logging.getLogger(__name__)

OnRecords = Callable[[Iterable[ConsumerRecord]], None]

_POLL_MS = 200
_BATCH = 5000


class Follower(Protocol):
    """Something that can be asked to have read everything there is."""

    async def catch_up(self) -> None:
        """Return once everything that is in the topic now has been handed over."""


class Replica:
    """Follows one topic and hands its records, in order per partition, to a callback on the event loop."""

    def __init__(self, topic: str, partitions: int, settings: Settings, on_records: OnRecords) -> None:
        self.topic = topic
        self._partitions = partitions
        self._settings = settings
        self._on_records = on_records
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._advanced = asyncio.Condition()
        self._positions: dict[TopicPartition, int] = {}
        self.failure: BaseException | None = None
        self._absence = Absence("broker", log)

    async def start(self) -> None:
        """Read the topic up to its present end, then follow it in the background."""
        consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4_194_304,
            **aiokafka_config(self._settings),
        )
        self._consumer = consumer
        await consumer.start()
        assigned = [TopicPartition(self.topic, partition) for partition in range(self._partitions)]
        consumer.assign(assigned)
        await consumer.seek_to_beginning(*assigned)
        self._positions = {tp: 0 for tp in assigned}
        self._task = asyncio.create_task(self._follow(consumer), name=f"replica {self.topic}")
        await self.catch_up()

    async def catch_up(self) -> None:
        """Return once everything that is in the topic now has been handed over. Raises what the replica died of."""
        consumer = self._consumer
        if consumer is None or self._task is None:
            raise RuntimeError("the replica is not started")
        ends = await consumer.end_offsets(list(self._positions))
        async with self._advanced:
            await self._advanced.wait_for(
                lambda: self.failure is not None or all(self._positions[tp] >= end for tp, end in ends.items())
            )
        if self.failure is not None:
            raise self.failure

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                try:
                    fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
                except KafkaError as error:
                    self._absence.noted(repr(error), topic=self.topic)
                    await asyncio.sleep(1.0)
                    continue
                self._absence.over()
                for records in fetched.values():
                    self._on_records(records)
                positions = {tp: await consumer.position(tp) for tp in self._positions}
                if positions != self._positions or fetched:
                    async with self._advanced:
                        self._positions = positions
                        self._advanced.notify_all()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.failure = error
            log.exception("replica_died", extra={"topic": self.topic})
            async with self._advanced:
                self._advanced.notify_all()
            raise

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()
