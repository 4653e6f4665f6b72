"""Compare the broker's topics with the one table of topics, and make them so."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from stream.kafka_config import confluent_config
from stream.settings import Settings
from stream.topics import Topic

_ANSWER_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.2
_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.05


class AdminError(Exception):
    """The broker did not do what it was asked; the message names topic and reason."""


class BrokerAway(AdminError):
    """The broker does not answer. Start it, or correct ``kafka.bootstrap_servers``."""


class DifferenceKind(StrEnum):
    """In what a topic differs from the table."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class TopicDifference:
    """One difference between the table (``expected``) and the broker (``actual``), and how it is mended.

    ``key`` is the configuration's key where the kind is CONFIG. ``applies`` tells whether :func:`apply_topics` mends
    it; where it does not, ``mend`` says what a person does.
    """

    topic: str
    kind: DifferenceKind
    key: str
    expected: str
    actual: str
    applies: bool
    mend: str


@dataclass(frozen=True, slots=True)
class ActualTopic:
    """A topic as the broker has it."""

    partitions: int
    config: Mapping[str, str]


def compare_topics(table: Iterable[Topic], actual: Mapping[str, ActualTopic]) -> list[TopicDifference]:
    """Return every difference, in the table's order; configuration that the table does not mention is not ours."""
    return [difference for topic in table for difference in _compare(topic, actual.get(topic.name))]


def _compare(topic: Topic, actual: ActualTopic | None) -> Iterator[TopicDifference]:
    if actual is None:
        wanted = f"{topic.partitions} partitions"
        yield TopicDifference(topic.name, DifferenceKind.MISSING, "", wanted, "", True, "apply creates it")
        return
    if actual.partitions != topic.partitions:
        yield TopicDifference(
            topic.name,
            DifferenceKind.PARTITIONS,
            "partitions",
            str(topic.partitions),
            str(actual.partitions),
            False,
            _partitions_mend(topic, actual.partitions),
        )
    for key, expected in topic.config().items():
        found = actual.config.get(key, "")
        if found != expected:
            yield TopicDifference(topic.name, DifferenceKind.CONFIG, key, expected, found, True, "apply alters it")


def _partitions_mend(topic: Topic, actual: int) -> str:
    setting = f"set topics.partitions to {actual}, or"
    if topic.internal:
        return (
            f"{setting} stop all workers and give the internal topics new names; keys would move between partitions, "
            "and the graph records the count"
        )
    return f"{setting} make a new topic and move its producers; keys would move between partitions"


def plan_topics(settings: Settings) -> list[TopicDifference]:
    """Compare the broker's topics with the table of the settings; empty when all is as it should be.

    Replicas are not compared. Raises BrokerAway, AdminError.
    """
    admin = admin_client(settings)
    table = settings.topics.table()
    return compare_topics(table, _actual_topics(admin, settings, [topic.name for topic in table]))


def apply_topics(settings: Settings) -> list[TopicDifference]:
    """Create missing topics and alter configurations; return the differences that were there before.

    Never changes a partition count: those differences come back with ``applies`` false. Two may run at once.
    Raises BrokerAway, AdminError.
    """
    admin = admin_client(settings)
    table = settings.topics.table()
    differences = compare_topics(table, _actual_topics(admin, settings, [topic.name for topic in table]))
    missing = {difference.topic for difference in differences if difference.kind is DifferenceKind.MISSING}
    _create(admin, settings, [topic for topic in table if topic.name in missing])
    _alter(admin, [difference for difference in differences if difference.kind is DifferenceKind.CONFIG])
    if any(difference.applies for difference in differences):
        _await_changes(admin, settings, table)
    return differences


def _await_changes(admin: AdminClient, settings: Settings, table: Sequence[Topic]) -> None:
    """Wait a little until the broker shows what its controller has accepted: it learns of it a moment later."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    names = [topic.name for topic in table]
    while any(d.applies for d in compare_topics(table, _actual_topics(admin, settings, names))):
        if time.monotonic() >= deadline:
            return  # accepted all the same; the next plan shows what is still on its way
        time.sleep(_LOOK_AGAIN_SECONDS)


def topic_ids(settings: Settings, names: Sequence[str]) -> dict[str, str]:
    """Return each topic's id, which a topic made anew under the same name does not have.

    Raises BrokerAway, and AdminError for a name the broker does not know.
    """
    admin = admin_client(settings)
    _listed(admin, settings, _CONNECT_SECONDS)
    described = admin.describe_topics(TopicCollection(list(names)), request_timeout=_ANSWER_SECONDS)
    return {name: str(_result(future, name).topic_id) for name, future in described.items()}


def wait_for_broker(settings: Settings, patience_seconds: float) -> None:
    """Wait until the broker answers. Raises BrokerAway after ``patience_seconds``."""
    admin = admin_client(settings)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            _listed(admin, settings, min(_CONNECT_SECONDS, patience_seconds))
        except BrokerAway:
            if time.monotonic() >= deadline:
                raise
        else:
            return


def admin_client(settings: Settings) -> AdminClient:
    """Return a client for the settings' broker."""
    return AdminClient(confluent_config(settings))


def _actual_topics(admin: AdminClient, settings: Settings, names: Sequence[str]) -> dict[str, ActualTopic]:
    listed = _listed(admin, settings, _CONNECT_SECONDS)
    present = {name: listed[name] for name in names if name in listed}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
    described = admin.describe_configs(resources, request_timeout=_ANSWER_SECONDS) if resources else {}
    actual = {}
    for resource, future in described.items():
        try:
            entries = future.result().values()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue  # being deleted: listed a moment ago
            raise AdminError(f"{resource.name}: {error.args[0].str()}") from None
        config = {entry.name: str(entry.value) for entry in entries}
        actual[resource.name] = ActualTopic(len(present[resource.name].partitions), config)
    return actual


def _create(admin: AdminClient, settings: Settings, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    factor = settings.topics.replication_factor
    wanted = [
        NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=factor, config=topic.config())
        for topic in topics
    ]
    for name, future in admin.create_topics(wanted, request_timeout=_ANSWER_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another apply was faster
                raise AdminError(f"{name}: {error.args[0].str()}") from None


def _alter(admin: AdminClient, differences: Sequence[TopicDifference]) -> None:
    entries: dict[str, list[ConfigEntry]] = {}
    for change in differences:
        entry = ConfigEntry(change.key, change.expected, incremental_operation=AlterConfigOpType.SET)
        entries.setdefault(change.topic, []).append(entry)
    if not entries:
        return
    resources = [
        ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changed) for topic, changed in entries.items()
    ]
    for resource, future in admin.incremental_alter_configs(resources, request_timeout=_ANSWER_SECONDS).items():
        _result(future, resource.name)


def _wait_until_shown(admin: AdminClient, settings: Settings, table: Sequence[Topic]) -> None:
    """Wait for the brokers: the controller answers first, and a worker started now might not find its topics yet."""
    names = [topic.name for topic in table]
    deadline = time.monotonic() + _ANSWER_SECONDS
    while late := {d.topic for d in compare_topics(table, _actual_topics(admin, settings, names)) if d.applies}:
        if time.monotonic() >= deadline:
            raise AdminError(f"changed, but the broker does not show it yet: {', '.join(sorted(late))}")
        time.sleep(_POLL_SECONDS)


def _listed(admin: AdminClient, settings: Settings, seconds: float) -> dict[str, Any]:
    """Return the topics the broker knows, with their partitions."""
    try:
        topics = admin.list_topics(timeout=seconds).topics
    except KafkaException as error:
        servers = settings.kafka.bootstrap_servers
        raise BrokerAway(
            f"no broker answers at {servers} ({error.args[0].str()}); see kafka.* in the settings"
        ) from None
    return {name: topic for name, topic in topics.items() if topic.error is None}


def _result(future: Future[Any], topic: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        raise AdminError(f"{topic}: {error.args[0].str()}") from None
