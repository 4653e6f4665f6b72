"""The real servers, workers and clocks of a benchmark: settings, processor time."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from neo4j import Driver, GraphDatabase

from encoders.settings import TextEncoderName
from stream.kafka_config import confluent_config
from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.settings import Settings
from tests.bench.servers import fresh_topics, servers
from tests.integration.workers import environment

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Rig:
    """Servers that run, and the settings that reach them."""

    kafka: KafkaServer
    neo4j: Neo4jServer
    settings: Settings

    def pids(self) -> dict[str, int]:
        """Return the servers' process ids by name."""
        found = {"kafka": self.kafka.pid, "neo4j": self.neo4j.pid}
        return {name: pid for name, pid in found.items() if pid is not None}

    def driver(self) -> Driver:
        """Connect to the graph."""
        auth = (self.neo4j.user, self.neo4j.password)
        return GraphDatabase.driver(self.neo4j.uri, auth=auth, notifications_min_severity="OFF")

    def empty_graph(self) -> None:
        """Delete every node."""
        with self.driver() as driver, driver.session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS").consume()


@contextmanager
def rig(partitions: int, text: TextEncoderName) -> Iterator[Rig]:
    """Start servers, with the product's settings but for the partitions and the text model."""
    with servers() as (kafka, neo4j, _), fresh_topics(kafka, neo4j, partitions, text) as settings:
        yield Rig(kafka, neo4j, settings)


@contextmanager
def process(settings: Settings, log: Path, arguments: Iterable[str], **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m arguments`` with these settings; it ends with the block."""
    with log.open("ab") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=environment(settings, **more), stdout=file, stderr=file
        )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, children it waited for included; proc(5), Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS


class Log:
    """Produces to a topic and asks for its ends and a group's offsets."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = Consumer({**confluent_config(settings), "group.id": f"{settings.kafka.group_prefix}-intake"})

    def produce(self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]]) -> int:
        """Produce records and wait until the broker has them; return how many."""
        producer = Producer({**confluent_config(self._settings), "linger.ms": 20, "acks": "all"})
        count = 0
        for key, value in messages:
            producer.produce(topic, key=key, value=value)
            count += 1
            producer.poll(0)
            if count % 10_000 == 0:
                producer.flush(60)
        if left := producer.flush(120):
            raise TimeoutError(f"{left} records of {topic} were not acknowledged")
        return count

    def ends(self, topic: str) -> dict[int, int]:
        """Return the next offset of every partition."""
        return {
            place.partition: self._consumer.get_watermark_offsets(place, timeout=20)[1] for place in self._places(topic)
        }

    def committed(self, topic: str) -> dict[int, int]:
        """Return what intake's group has committed."""
        found = self._consumer.committed(self._places(topic), timeout=20)
        return {place.partition: max(place.offset, 0) for place in found}

    def _places(self, topic: str) -> list[TopicPartition]:
        partitions = self._consumer.list_topics(topic, timeout=20).topics[topic].partitions
        return [TopicPartition(topic, partition) for partition in partitions]


def ledgers(driver: Driver, topic: str) -> dict[int, int]:
    """Return partition -> next offset to apply."""
    rows, _, _ = driver.execute_query(
        "MATCH (l:StreamOffset) WHERE l.key STARTS WITH $topic RETURN l.key, l.applied", topic=f"{topic}/"
    )
    return {int(key.rpartition("/")[2]): max(applied, 0) for key, applied in rows}


def behind(rig: Rig, log: Log, driver: Driver) -> Mapping[str, int]:
    """Return how many records every hop of the path has still to apply."""
    topics = rig.settings.topics
    committed = log.committed(topics.interactions)
    left = {topics.interactions: sum(end - committed[p] for p, end in log.ends(topics.interactions).items())}
    for topic in (topics.bundles, topics.transitions, topics.catalogue):
        applied = ledgers(driver, topic)
        left[topic] = sum(end - applied.get(p, 0) for p, end in log.ends(topic).items())
    return left


def wait_until_applied(rig: Rig, log: Log, running: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
    """Return when nothing is behind. Raises TimeoutError, or RuntimeError when a process ended."""
    deadline = time.monotonic() + seconds
    left: Mapping[str, int] = {"unknown": 1}
    with rig.driver() as driver:
        while any(left.values()):
            try:
                left = behind(rig, log, driver)
            except KafkaException as error:  # a group's coordinator takes a moment after the first question
                left = {str(error): 1}
            if any(child.poll() is not None for child in running):
                raise RuntimeError("a worker ended; see its log")
            if time.monotonic() > deadline:
                raise TimeoutError(f"still behind after {seconds:.0f} s: {dict(left)}")
            time.sleep(0.25)
