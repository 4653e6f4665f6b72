"""What must be true before Faust starts: a broker that answers, the topics, a graph. Waits, and says what for."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from graph.store import GraphStore, Unavailable
from stream.kafka_config import confluent_config
from stream.settings import Settings

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SAY_EVERY_SECONDS = 60.0


class ServerAway(Exception):
    """A server did not answer, or lacks what we need, for worker.patience_seconds."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """Partition counts and ids of our topics, by name. An id tells a topic from a later one of the same name."""

    partitions: Mapping[str, int]
    ids: Mapping[str, str]


class Patience:
    """Says what is waited for: at once, then once a minute; raises when it runs out."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = clock() + seconds
        self._say_at = clock()
        self._seconds = seconds

    def wait(self, what: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait a moment. Raises ServerAway when the patience has run out."""
        now = self._clock()
        if now >= self._deadline:
            raise ServerAway(f"{what}; gave up after {self._seconds:.0f} s")
        if now >= self._say_at:
            log.warning("waiting", extra={"reason": what})
            self._say_at = now + _SAY_EVERY_SECONDS
        sleep(min(1.0, max(0.0, self._deadline - now)))


def wait_for_topics(settings: Settings) -> TopicFacts:
    """Wait until the broker answers and has all our topics; return what it says of them. Raises ServerAway."""
    patience = Patience(settings.worker.patience_seconds)
    names = [topic.name for topic in settings.topics.table()]
    admin = AdminClient({**confluent_config(settings), "log_level": "2"})
    while True:
        try:
            listed = admin.list_topics(timeout=_ANSWER_SECONDS).topics
        except KafkaException as error:
            patience.wait(f"Kafka at {settings.kafka.bootstrap_servers} does not answer ({error.args[0].str()})")
            continue
        missing = [name for name in names if name not in listed or listed[name].error is not None]
        if missing:
            patience.wait(f"topics are missing: {', '.join(missing)} (`interestream topics apply` creates them)")
            continue
        partitions = {name: len(listed[name].partitions) for name in names}
        return TopicFacts(partitions, _topic_ids(admin, names))


def _topic_ids(admin: AdminClient, names: list[str]) -> dict[str, str]:
    described = admin.describe_topics(TopicCollection(names), request_timeout=_ANSWER_SECONDS)
    ids = {}
    for name, future in described.items():
        try:
            ids[name] = str(future.result().topic_id)
        except KafkaException:
            ids[name] = name  # the in-process broker of the demo knows no ids
    return ids


async def wait_for_store(store: GraphStore, settings: Settings, facts: TopicFacts) -> None:
    """Connect to the graph, create its schema, and compare the internal topics' partition counts with the recorded.

    Raises ServerAway when it stays away, graph.store.Refused when the graph cannot be used as it is.
    """
    patience = Patience(settings.worker.patience_seconds)
    internal = {topic.name: facts.partitions[topic.name] for topic in settings.topics.table() if topic.internal}
    while True:
        try:
            await store.start()
            await store.ensure_schema(internal)
            return
        except Unavailable as error:
            patience.wait(f"the graph at {settings.neo4j.uri} does not answer ({error})")
