"""The four agents without a broker: the same code, one process, one thread, records in lists.

For what needs the result and not the servers: the recomputation of a log, evaluation, tests. A record here is what it
is in Kafka, so batch borders, order and redelivery can be chosen at will.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka import ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError

from encoders.device import EncoderThread
from graph.memory_store import MemoryGraphStore
from graph.store import GraphStore
from stream.agents.association import AssociationAgent
from stream.agents.catalogue import CatalogueAgent
from stream.agents.intake import IntakeAgent
from stream.agents.interest import InterestAgent
from stream.batch_handler import BatchHandler
from stream.encoding import Encoders
from stream.for_you.watch import load_for_you
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.model_watch import ModelWatch
from stream.originals import unappliable
from stream.partitioning import partition_of_bytes
from stream.publisher import Outgoing
from stream.ranker_file import load_weights
from stream.ranker_watch import RankerWatch
from stream.refresher import Refresher
from stream.settings import Settings
from stream.topics import MAX_MESSAGE_BYTES
from stream.without_lists import RefresherWithoutLists

_MORE_ROUNDS_THAN_ANY_LOG_NEEDS = 1_000_000

_FORGOTTEN = ConsumerRecord("forgotten", 0, 0, 0, 0, None, None, None, 0, 0, ())


class Log:
    """Topics as lists of records; what a broker is, less everything that makes it hard."""

    def __init__(self, partitions: Mapping[str, int], clock: Callable[[], int]) -> None:
        self._clock = clock
        self.topics: dict[str, list[list[ConsumerRecord]]] = {
            name: [[] for _ in range(count)] for name, count in partitions.items()
        }
        self._next: defaultdict[str, int] = defaultdict(int)
        self._forgotten: defaultdict[tuple[str, int], int] = defaultdict(int)

    async def publish(self, messages: Sequence[Outgoing], again: Callable[[], Awaitable[None]] | None = None) -> None:
        """Append every message; see :class:`stream.publisher.Publishes`. Raises MessageSizeTooLargeError likewise."""
        for message in messages:
            if len(message.key or b"") + len(message.value or b"") > MAX_MESSAGE_BYTES:
                raise MessageSizeTooLargeError(f"{len(message.value or b'')} bytes for {message.topic}")
            self.append(message.topic, message.key, message.value, message.partition, message.headers)

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes | None]] = (),
        timestamp: int | None = None,
    ) -> None:
        """Append one record; without a partition the key decides, without a key the turn."""
        logs = self.topics[topic]
        if partition is None:
            if key is None:
                partition = self._next[topic] = (self._next[topic] + 1) % len(logs)
            else:
                partition = partition_of_bytes(key, len(logs))
        at = self._clock() if timestamp is None else timestamp
        sizes = len(key or b""), len(value or b"")
        record = ConsumerRecord(topic, partition, len(logs[partition]), at, 0, key, value, None, *sizes, tuple(headers))
        logs[partition].append(record)

    def forget(self) -> None:
        """Let go of what all records hold; whoever goes on reads from the next one on, and offsets go on."""
        for topic, partitions in self.topics.items():
            for partition, records in enumerate(partitions):
                first = self._forgotten[topic, partition]
                records[first:] = [_FORGOTTEN] * (len(records) - first)
                self._forgotten[topic, partition] = len(records)


class _Reader:
    """Hands a topic's new records to a replica's callback."""

    def __init__(self, log: Log, topic: str, take: Callable[[Iterable[ConsumerRecord]], None]) -> None:
        self._logs = log.topics[topic]
        self._positions = [0] * len(self._logs)
        self._take = take

    async def catch_up(self) -> None:
        """Hand over what is new."""
        for partition, records in enumerate(self._logs):
            if self._positions[partition] < len(records):
                self._take(records[self._positions[partition] :])
                self._positions[partition] = len(records)


class Pipeline:
    """The whole path over a :class:`Log`. ``clock`` gives versions and record times (ms).

    lists: whether users are ranked as their events are processed; without, only who asks the refresher has lists.
    Raises stream.ranker_file.RankerFileError.
    """

    def __init__(
        self,
        settings: Settings,
        encoders: Encoders,
        clock: Callable[[], int],
        store: GraphStore | None = None,
        max_records: int = 500,
        *,
        lists: bool = True,
    ) -> None:
        topics = settings.topics
        self.settings = settings
        self.log = Log({topic.name: topic.partitions for topic in topics.table()}, clock)
        self.store = store or MemoryGraphStore()
        self.metrics = Metrics()
        self.metrics.tell_model(encoders.text.model, encoders.user.name, str(encoders.device.torch_device))
        self.thread = EncoderThread(settings.encoder.cpu_threads)
        self.knowledge = Knowledge(encoders.user, settings.graph, quiet_seconds=0.0, rest_seconds=0.0)
        self.knowledge.weights = load_weights(settings.graph)
        self.knowledge.for_you = load_for_you(settings.for_you)
        self._max_records = max_records
        self._followers = (
            _Reader(self.log, topics.items, self.knowledge.on_items),
            _Reader(self.log, topics.associations, self.knowledge.on_associations),
        )
        self.models = ModelWatch(settings.encoder, encoders.text, encoders.device, self.knowledge, self.metrics)
        common = (self.store, self.log, settings, self.metrics, clock)
        self.rankers = RankerWatch(settings.graph.ranking.learned_file, self.knowledge, self.metrics)
        of = self.knowledge, self.thread, settings.graph, self.metrics
        self.refresher = Refresher(*of)
        refresher = self.refresher if lists else RefresherWithoutLists(*of)
        names = {p: f"{topics.bundles}/{p}" for p in range(topics.partitions)}
        self.agents: tuple[BatchHandler, ...] = (
            CatalogueAgent(topics.catalogue, *common).equip(
                self.knowledge, encoders.text, self.thread, encoders.categories, encoders.micro_topics
            ),
            IntakeAgent(self.log, settings, self.metrics, clock, topics.interactions, topics.partitions),
            InterestAgent(topics.bundles, *common).equip(
                refresher, self._followers, names, topics.partitions, self._original
            ),
            AssociationAgent(topics.transitions, *common).equip(self.knowledge, topics.partitions),
        )
        self._positions: dict[str, list[int]] = {}

    async def _original(self, source: str, offset: int, error: Exception) -> Outgoing:
        topics = self.settings.topics
        record = self.log.topics[topics.interactions][int(source.rpartition("/")[2])][offset]
        return unappliable(record, error, topics.dead_letters)

    async def start(self) -> None:
        """Read what the log holds of items and associations, and claim everything."""
        await self.store.start()
        for follower in self._followers:
            await follower.catch_up()
        self.knowledge.caught_up()
        for agent in self.agents:
            await agent.assigned(frozenset(range(self.settings.topics.partitions)))
            self._positions[agent.topic] = [0] * self.settings.topics.partitions

    async def close(self) -> None:
        """Release the encoder's thread and the store."""
        await self.thread.close()
        await self.store.close()

    def skip_to(self, topic: str, positions: Mapping[int, int]) -> None:
        """Go on from these offsets of an agent's topic, as a worker does that reads them from the ledger."""
        for partition, offset in positions.items():
            self._positions[topic][partition] = max(offset, 0)

    async def drain(self) -> None:
        """Run the agents until no topic has a record that its agent has not applied or holds for its next flush."""
        for _ in range(_MORE_ROUNDS_THAN_ANY_LOG_NEEDS):
            moved = [await self.step(agent) for agent in self.agents]
            if not any(moved):
                return

    async def step(self, agent: BatchHandler) -> bool:
        """Give one agent its next records; return whether there were any."""
        for follower in self._followers:
            await follower.catch_up()
        positions = self._positions[agent.topic]
        batch = {}
        for partition, records in enumerate(self.log.topics[agent.topic]):
            if new := records[positions[partition] : positions[partition] + self._max_records]:
                batch[partition] = new
                positions[partition] += len(new)
        await agent.apply(batch)
        return bool(batch)
