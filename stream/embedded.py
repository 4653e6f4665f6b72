"""A Kafka broker inside this process, so that a trial needs nothing but Python: librdkafka's mock cluster.

It speaks the real protocol on a free loopback port, consumer groups and idempotent producers included. Its limits:

- it keeps 5 MiB or 100,000 messages per partition and drops the oldest, even unread: whoever sends must pace itself
- it never compacts, and forgets everything with the process
- it creates no topic on request: one appears, with four partitions, when its name is first asked for
- it knows neither topic ids nor static membership
- it holds a fetch that finds nothing for as long as the client allows, whatever comes meanwhile, and returns one batch
  per partition at a time: clients must ask often
"""

from types import TracebackType
from typing import Any, Self

from confluent_kafka import Producer
from faust.transport.drivers import aiokafka as driver

from stream.batch_consumer import BatchConsumer
from stream.preflight import TopicFacts
from stream.topics import TopicSettings

FETCH_WAIT_MS = 50
"""How long a client lets this broker hold a fetch. A real one answers as soon as there is a record."""

_ANSWER_SECONDS = 10.0
_ERRORS_ONLY = 3


class EmbeddedBroker:
    """Runs from entering its context to leaving it."""

    def __init__(self) -> None:
        self._cluster: Producer | None = None

    def __enter__(self) -> Self:
        self._cluster = Producer(
            {"bootstrap.servers": "embedded", "test.mock.num.brokers": 1, "log_level": _ERRORS_ONLY}
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster = None  # the cluster lives and dies with the producer that asked for it

    @property
    def bootstrap_servers(self) -> str:
        """Return host:port, on loopback."""
        brokers = self._running().list_topics(timeout=_ANSWER_SECONDS).brokers.values()
        return ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def create_topics(self, topics: TopicSettings) -> TopicFacts:
        """Bring every topic of the table into being. Its id is its name: no later topic can bear it here."""
        cluster = self._running()
        partitions = {}
        for topic in topics.table():
            found = cluster.list_topics(topic.name, timeout=_ANSWER_SECONDS).topics[topic.name]
            partitions[topic.name] = len(found.partitions)
        return TopicFacts(partitions, {name: name for name in partitions})

    def _running(self) -> Producer:
        if self._cluster is None:
            raise RuntimeError("the embedded broker is not running: use it in a with statement")
        return self._cluster


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust's classes are untyped
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # Faust has no setting for it, and asks for 1.5 s
        return consumer


class EmbeddedConsumer(BatchConsumer):
    """The worker's consumer for this broker: the same, but asks often. For ``app.transport.Consumer``."""

    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)
