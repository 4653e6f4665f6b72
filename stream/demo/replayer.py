"""The demo's shop and tracker: sends the catalogue, then events at a pace, then waits until all has arrived.

The pace is that of a clock, held back by what was applied: the embedded broker drops what is left unread for too long.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.bundles import FORMAT, DeltaMessage, encode
from stream.demo.counts import ledger_offset, read_counts
from stream.demo.errors import Stuck
from stream.demo.sample import SampleEvent
from stream.kafka_config import aiokafka_config
from stream.metrics import Metrics
from stream.preflight import TopicFacts
from stream.publisher import Outgoing, Publishes
from stream.settings import Settings

MOST_IN_FLIGHT = 250
"""Events sent and not yet settled: a slow machine shall take longer, not show how long a queue can get. Also far below
what the broker keeps: even if each event brought a list of 10 KB, that is half a partition."""

_TICK_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0
_json = msgspec.json.Encoder().encode


class Replayer:
    """Sends, and knows how much it has sent."""

    def __init__(self, publisher: Publishes, settings: Settings, facts: TopicFacts, metrics: Metrics) -> None:
        self._publisher = publisher
        self._settings = settings
        self._facts = facts
        self._metrics = metrics
        self.sent = 0

    async def send_catalogue(self, rows: Sequence[tuple[bytes | None, bytes]], known: Callable[[], int]) -> None:
        """Send every row, and wait until so many are ``known`` to the worker, vectors and all. Raises Stuck."""
        topic = self._settings.topics.catalogue
        await self._publisher.publish([Outgoing(topic, key, value) for key, value in rows])
        await self.wait_for("the catalogue", known, len(rows))

    async def replay(self, events: Sequence[SampleEvent], per_second: float) -> None:
        """Send the events, ``per_second`` of them if the worker keeps up. Raises Stuck."""
        started = time.monotonic()
        while self.sent < len(events):
            due = int((time.monotonic() - started) * per_second) + 1 - self.sent
            room = MOST_IN_FLIGHT - (self.sent - self._settled())
            if room <= 0:
                await self.wait_for("lists for the events", self._settled, self.sent - MOST_IN_FLIGHT + 1)
            elif due > 0:
                await self._send(events[self.sent : self.sent + min(due, room)])
            await asyncio.sleep(_TICK_SECONDS)

    async def drain(self, received: Callable[[], int]) -> None:
        """Wait until every event is in the graph and in a list, and have the associations written. Raises Stuck.

        ``received``: events that a list which reached the subscriber knows of.
        """
        await self.wait_for("the last events", self._settled, self.sent)
        await self.wait_for("the last lists", received, read_counts(self._metrics).applied)
        topic = self._settings.topics.transitions
        partitions = range(self._facts.partitions[topic])
        ask = encode(DeltaMessage(FORMAT, "demo"))
        await self._publisher.publish([Outgoing(topic, None, ask, partition) for partition in partitions])
        for partition, end in (await self._ends(topic, partitions)).items():
            await self.wait_for("the associations", partial(ledger_offset, self._metrics, topic, partition), end)

    def _settled(self) -> int:
        return read_counts(self._metrics).settled

    async def _send(self, events: Sequence[SampleEvent]) -> None:
        topic = self._settings.topics.interactions
        await self._publisher.publish([Outgoing(topic, event.user_id.encode(), _json(event)) for event in events])
        self.sent += len(events)

    async def wait_for(self, what: str, reached: Callable[[], int], goal: int) -> None:
        """Return when ``reached`` gives the goal. Raises Stuck when it has not moved for a minute."""
        moved_at, before = time.monotonic(), reached()
        while (there := reached()) < goal:
            now = time.monotonic()
            if there != before:
                moved_at, before = now, there
            elif now - moved_at > _PATIENCE_SECONDS:
                raise Stuck(f"{what} did not come: {there:,} of {goal:,} after {_PATIENCE_SECONDS:.0f} s without any")
            await asyncio.sleep(_TICK_SECONDS)

    async def _ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        consumer = AIOKafkaConsumer(enable_auto_commit=False, **aiokafka_config(self._settings))
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topic, partition) for partition in partitions])
        finally:
            await consumer.stop()
        return {tp.partition: end for tp, end in ends.items()}
