"""The one producer of a worker: every message awaited, a stale copy impossible, a broker away waited for."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol, cast

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from graph.failpoints import failpoint
from stream.absence import Absence
from stream.kafka_config import aiokafka_config
from stream.metrics import Metrics
from stream.settings import Settings
from stream.topics import MAX_MESSAGE_BYTES

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


_NULL = object()
"""Stands for a null value beside a null key, which aiokafka's send() refuses and Kafka allows: a dead letter's."""


def _serialised(value: Any) -> bytes | None:
    return None if value is _NULL else cast("bytes | None", value)


class BrokerUnavailable(Exception):
    """The broker was away for longer than worker.patience_seconds."""


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

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Deliver every message, in order per partition; see :meth:`Publisher.publish`."""


class Publisher:
    """Publishes and waits. Idempotent: a late retry of the client can never land behind a newer message."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._absence = Absence("broker", log)

    def _new_producer(self) -> AIOKafkaProducer:
        options: dict[str, Any] = aiokafka_config(self._settings)
        return AIOKafkaProducer(
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

    async def stop(self) -> None:
        """Disconnect; nothing is in flight between two calls of :meth:`publish`."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def ping(self) -> None:
        """Ask the broker for its metadata. Raises KafkaError or ConnectionError when it does not answer."""
        if self._producer is None:
            raise ConnectionError("the producer is not connected")
        await self._producer.client.fetch_all_metadata()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Deliver every message, in order per partition, and return when the broker has all of them.

        Raises BrokerUnavailable after worker.patience_seconds, MessageSizeTooLargeError at once.
        """
        deadline = asyncio.get_running_loop().time() + self._settings.worker.patience_seconds
        while True:
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
                self._metrics.waits.labels("kafka").inc()
                self._absence.noted(repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
                await self._renew()

    async def _send_all(self, messages: Sequence[Outgoing]) -> None:
        producer = self._producer
        if producer is None:
            raise ConnectionError("the producer is not connected")
        futures = []
        for i, m in enumerate(messages):
            if i == len(messages) // 2:
                failpoint("mid_publish")
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

    async def _renew(self) -> None:
        """Take a new producer id: after an expired batch the old one's sequence numbers have a hole."""
        old, self._producer = self._producer, None
        if old is not None:
            try:
                await asyncio.wait_for(old.stop(), timeout=5.0)
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("producer_dropped", extra={"error": repr(error)})
        producer = self._new_producer()
        try:
            await producer.start()
        except (KafkaError, OSError):
            await producer.stop()
            return  # the next round tries again
        self._producer = producer
