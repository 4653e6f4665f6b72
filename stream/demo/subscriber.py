"""A subscriber of the published lists, which measures how old the events behind them are when they arrive.

A list names the last bundle it knows of (``position``), and a bundle holds its events with the timestamps of their
records. So the age of every event, on the arrival of the first list that knows of it, is exact: from the record's
timestamp to this subscriber, broker and all.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

import numpy as np
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from stream.bundles import decode_bundle
from stream.embedded import FETCH_WAIT_MS
from stream.kafka_config import aiokafka_config
from stream.preflight import TopicFacts
from stream.recommendations import Recommendation, decode
from stream.settings import Settings


class Latencies:
    """Ages of events on arrival, in seconds."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, seconds: float) -> None:
        """Take one more."""
        self._seconds.append(max(0.0, seconds))

    def percentiles(self) -> dict[str, float]:
        """Return p50, p95, p99 and max in seconds; empty before the first."""
        if not self._seconds:
            return {}
        p50, p95, p99 = np.percentile(self._seconds, (50, 95, 99))
        figures = {"p50": p50, "p95": p95, "p99": p99, "max": max(self._seconds)}
        return {name: round(float(seconds), 4) for name, seconds in figures.items()}


class Subscriber:
    """Follows the recommendations topic, and the bundles to know the events' ages. Keeps each user's newest list."""

    def __init__(self, settings: Settings, facts: TopicFacts, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._facts = facts
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._consumers: list[AIOKafkaConsumer] = []
        self._sent: defaultdict[str, deque[tuple[int, int]]] = defaultdict(deque)
        self._read: dict[int, int] = {}
        self._early: list[tuple[int, int, str, int]] = []
        self.lists: dict[str, Recommendation] = {}
        self.received = 0
        self.latencies = Latencies()

    async def start(self) -> None:
        """Subscribe, without a group, to what comes from now on."""
        topics = self._settings.topics
        await self._follow(topics.bundles, self.take_bundles)
        await self._follow(topics.recommendations, self.take_lists)

    async def stop(self) -> None:
        """Unsubscribe. Raises what a subscription died of."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for consumer in self._consumers:
            await consumer.stop()
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    def take_bundles(self, records: Iterable[ConsumerRecord]) -> None:
        """Note when the events of each user were produced, bundle by bundle."""
        for record in records:
            for entry in decode_bundle(record.value).entries:
                self._sent[entry.interaction.user_id].append((record.offset, entry.produced_at))
            self._read[record.partition] = record.offset
        early, self._early = self._early, []
        for arrival in early:
            self._settle(*arrival)

    def take_lists(self, records: Iterable[ConsumerRecord]) -> None:
        """Keep the list with the highest version, and settle the ages of the events it is the first to know of."""
        now = self._clock()
        for record in records:
            self.received += 1
            if record.value is None:
                self.lists.pop(record.key.decode(), None)
                continue
            found = decode(record.value)
            known = self.lists.get(found.user_id)
            if known is None or known.version < found.version:
                self.lists[found.user_id] = found
            self._settle(found.position.partition, found.position.offset, found.user_id, now)

    async def _follow(self, topic: str, take: Callable[[Iterable[ConsumerRecord]], None]) -> None:
        consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            **aiokafka_config(self._settings),
        )
        await consumer.start()
        self._consumers.append(consumer)
        consumer.assign([TopicPartition(topic, partition) for partition in range(self._facts.partitions[topic])])

        async def follow() -> None:
            while True:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    take(records)

        self._tasks.append(asyncio.create_task(follow(), name=f"subscriber of {topic}"))

    def _settle(self, partition: int, offset: int, user_id: str, arrived_at: int) -> None:
        if self._read.get(partition, -1) < offset:  # the list overtook the bundle on its way to us
            self._early.append((partition, offset, user_id, arrived_at))
            return
        sent = self._sent[user_id]
        while sent and sent[0][0] <= offset:
            self.latencies.add((arrived_at - sent.popleft()[1]) / 1000.0)
