"""The one producer of a worker: every message awaited, a stale copy impossible, a broker away waited for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import MessageBatch

from graph.failpoints import failpoint
from stream.absence import Absence
from stream.kafka_config import aiokafka_config
from stream.metrics import Metrics
from stream.naps import Naps
from stream.settings import Settings
from stream.topics import MAX_MESSAGE_BYTES

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_BEAT_SECONDS = 0.25


_NULL = object()
"""Stands for a null value beside a null key, which aiokafka's send() refuses and Kafka allows: a dead letter's."""


def _serialised(value: Any) -> bytes | None:
    return None if value is _NULL else cast("bytes | None", value)


class BrokerUnavailable(Exception):
    """The broker was away for longer than worker.patience_seconds."""


class Overslept(KafkaError):  # type: ignore[misc]  # aiokafka's classes are untyped
    """The process stood still while this was on its way, so long that the partition may be another worker's by now."""


class Outgoing(msgspec.Struct, frozen=True):
    """One message to publish. Without ``partition`` the key decides, by murmur2."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int | None = None


class Publishes(Protocol):
    """Whatever delivers messages: the producer of a worker, or the in-process pipeline."""

    async def publish(self, messages: Sequence[Outgoing], again: Callable[[], Awaitable[None]] | None = None) -> None:
        """Deliver every message, in order per partition; see :meth:`Publisher.publish`."""


class WakefulProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka's classes are untyped
    """aiokafka's, less what it would send late: batches that were gathered before a nap fail with Overslept.

    Wraps a private method of the exactly pinned release: tests/contract/test_producer_contract.py fails when that
    changes.
    """

    def __init__(self, naps: Naps, **options: Any) -> None:
        super().__init__(**options)
        self._naps = naps
        self._send_batches = self._sender._send_produce_req
        self._sender._send_produce_req = self._send_fresh_batches

    async def _send_fresh_batches(self, node_id: int, batches: Mapping[Any, MessageBatch]) -> None:
        woke_at = self._naps.beat()
        fresh = {place: batch for place, batch in batches.items() if batch._ctime >= woke_at}
        for place in batches.keys() - fresh.keys():
            batches[place].failure(Overslept())
            self._sender._muted_partitions.discard(place)
        if fresh:
            await self._send_batches(node_id, fresh)
        else:
            self._sender._in_flight.discard(node_id)

    async def abandon(self) -> None:
        """Disconnect without trying to deliver the rest: whoever waits for it learns that it was not."""
        self._closed = True
        if self._sender.sender_task is not None:
            self._sender.sender_task.cancel()
        self._message_accumulator.fail_all(KafkaConnectionError("the producer was abandoned"))
        await self.client.close()


class Publisher:
    """Publishes and waits. Idempotent: a late retry of the client can never land behind a newer message.

    Nor can a copy that was in hand when the process was frozen: a peer may have claimed since, so it is not sent.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._naps = Naps(settings.kafka.session_timeout_seconds / 2)
        self._producer: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self._absence = Absence("broker", log)

    def _new_producer(self) -> AIOKafkaProducer:
        options: dict[str, Any] = aiokafka_config(self._settings)
        return WakefulProducer(
            self._naps,
            enable_idempotence=True,
            acks="all",
            linger_ms=2,
            max_request_size=MAX_MESSAGE_BYTES,
            compression_type="lz4",
            value_serializer=_serialised,
            **options,
        )

    async def start(self) -> None:
        """Connect."""
        self._producer = self._new_producer()
        await self._producer.start()
        self._beating = asyncio.create_task(self._beat(), name="naps")

    async def _beat(self) -> None:
        while True:
            self._naps.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def stop(self) -> None:
        """Disconnect; nothing is in flight between two calls of :meth:`publish`."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def ping(self) -> None:
        """Ask the broker for its metadata. Raises KafkaError or ConnectionError when it does not answer."""
        if self._producer is None:
            raise ConnectionError("the producer is not connected")
        await self._producer.client.fetch_all_metadata()

    async def publish(self, messages: Sequence[Outgoing], again: Callable[[], Awaitable[None]] | None = None) -> None:
        """Deliver every message, in order per partition, and return when the broker has all of them.

        What was not delivered is sent again whole, after ``again``: time has passed, and who may not publish any more
        raises there. Raises BrokerUnavailable after worker.patience_seconds, MessageSizeTooLargeError at once.
        """
        deadline = asyncio.get_running_loop().time() + self._settings.worker.patience_seconds
        while True:
            producer = self._producer
            try:
                await self._send_all(messages)
                self._absence.over()
                return
            except MessageSizeTooLargeError:
                raise
            except (KafkaError, OSError) as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise BrokerUnavailable(
                        f"no delivery for {self._settings.worker.patience_seconds:.0f} s"
                    ) from error
                if isinstance(error, Overslept):
                    log.warning("overslept", extra={"messages": len(messages)})
                else:
                    self._metrics.waits.labels("kafka").inc()
                    self._absence.noted(repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
                await self._renew(producer)
                if again is not None:
                    await again()

    async def _send_all(self, messages: Sequence[Outgoing]) -> None:
        producer = self._producer
        if producer is None:
            raise ConnectionError("the producer is not connected")
        started = self._naps.clock()
        futures = []
        for i, m in enumerate(messages):
            if i == len(messages) // 2:
                failpoint("mid_publish")
            if self._naps.beat() > started:
                raise Overslept
            value = _NULL if m.key is None and m.value is None else m.value
            futures.append(
                await producer.send(
                    m.topic, value, m.key, partition=m.partition, timestamp_ms=m.timestamp, headers=list(m.headers)
                )
            )
        results = await asyncio.gather(*futures, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _renew(self, failed: AIOKafkaProducer | None) -> None:
        """Take a new producer id: after an expired batch the old one's sequence numbers have a hole."""
        async with self._renewing:
            if self._producer is not failed:
                return  # another agent that shares it was faster
            self._producer = None
            if failed is not None:
                try:
                    await asyncio.wait_for(failed.stop(), timeout=5.0)
                except (KafkaError, OSError) as error:
                    log.info("producer_dropped", extra={"error": repr(error)})
                except TimeoutError:  # it would go on trying, and deliver late
                    log.info("producer_abandoned")
                    await failed.abandon()
            producer = self._new_producer()
            try:
                await producer.start()
            except (KafkaError, OSError):
                await producer.stop()
                return  # the next round tries again
            self._producer = producer
