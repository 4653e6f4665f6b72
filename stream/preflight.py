"""What must be true before Faust starts: a broker that answers, the topics, a graph. Waits, and says what for."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from graph.store import GraphStore, Unavailable
from stream.kafka_config import confluent_config
from stream.settings import Settings

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SAY_EVERY_SECONDS = 60.0
_IN_PROCESS = "mockCluster"
"""How the cluster id of librdkafka's in-process broker begins: it knows no topic ids."""


class ServerAway(Exception):
    """A server did not answer, or lacks what we need, for worker.patience_seconds."""


class TopicsMadeAgain(Exception):
    """Topics were deleted and made again under a running worker. A new process learns what that means."""


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
    admin = AdminClient(confluent_config(settings))
    while True:
        try:
            metadata = admin.list_topics(timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            patience.wait(f"Kafka at {settings.kafka.bootstrap_servers} does not answer ({error.args[0].str()})")
            continue
        listed = metadata.topics
        missing = [name for name in names if name not in listed or listed[name].error is not None]
        if missing:
            patience.wait(f"topics are missing: {', '.join(missing)} (`interestream topics apply` creates them)")
            continue
        partitions = {name: len(listed[name].partitions) for name in names}
        if (metadata.cluster_id or "").startswith(_IN_PROCESS):
            return TopicFacts(partitions, {name: name for name in names})
        described = admin.describe_topics(TopicCollection(names), request_timeout=_ANSWER_SECONDS)
        try:
            # Never a name in an id's place: what was sent under one is not known again under the other.
            return TopicFacts(partitions, {name: str(future.result().topic_id) for name, future in described.items()})
        except KafkaException as error:
            patience.wait(f"Kafka does not tell the topics' ids ({error.args[0].str()})")


class TopicWatch:
    """Notices topics that are deleted and made again while a worker runs: all it knows of them is of the former."""

    def __init__(self, settings: Settings, facts: TopicFacts) -> None:
        self._settings = settings
        self._ids = {name: known for name, known in facts.ids.items() if known != name}
        self._admin: AdminClient | None = None

    def made_again(self) -> list[str]:
        """Return the topics that have other ids now, ordered; nothing of those that do not answer. Blocks."""
        if not self._ids:
            return []
        if self._admin is None:
            self._admin = AdminClient(confluent_config(self._settings))
        described = self._admin.describe_topics(TopicCollection(list(self._ids)), request_timeout=_ANSWER_SECONDS)
        found = []
        for name, future in described.items():
            with suppress(KafkaException):
                if str(future.result().topic_id) != self._ids[name]:
                    found.append(name)
        return sorted(found)

    def was_made_again(self, topic: str) -> bool:
        """Tell whether this topic is another one now; False when the broker does not answer. Blocks."""
        return topic in self.made_again()


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
            reason = str(error).removeprefix(f"{settings.neo4j.uri}: ")
            patience.wait(f"the graph at {settings.neo4j.uri} does not answer ({reason})")
