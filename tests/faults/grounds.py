"""Where a storm happens: a Kafka and a Neo4j of its own, topics and an empty graph per cycle."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError
from pydantic import SecretStr

from encoders.settings import EncoderSettings, TextEncoderName
from stream.admin import admin_client, apply_topics
from stream.kafka_config import confluent_config
from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.servers.ports import free_port
from stream.servers.server import JavaServer
from stream.settings import KafkaSettings, Neo4jSettings, Settings
from stream.topics import TopicSettings
from tests.faults.schedule import SESSION_SECONDS

PARTITIONS = 4
_RETRY_SECONDS = 3.0
# Half the processor time of a start: no second compiler, one collecting thread.
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


@dataclass(frozen=True)
class Grounds:
    """The two servers."""

    kafka: KafkaServer
    neo4j: Neo4jServer

    @property
    def servers(self) -> dict[str, JavaServer]:
        """Both, by the names that schedules use."""
        return {"kafka": self.kafka, "neo4j": self.neo4j}

    def start(self) -> None:
        """Start what does not run, and wait until both answer."""
        for server in self.servers.values():
            server.start()
        for server in self.servers.values():
            server.wait_ready()

    def end(self) -> None:
        """Kill both."""
        for server in self.servers.values():
            server.kill()

    @contextmanager
    def settings(self, name: str, neo4j_uri: str | None = None) -> Iterator[Settings]:
        """Create topics for one cycle and empty the graph; delete the topics afterwards."""
        prefix = f"{name}-{secrets.token_hex(2)}"
        names = {
            field: f"{prefix}.{info.default}"
            for field, info in TopicSettings.model_fields.items()
            if isinstance(info.default, str)
        }
        settings = Settings(
            kafka=KafkaSettings(
                bootstrap_servers=self.kafka.bootstrap_servers,
                session_timeout_seconds=SESSION_SECONDS,
                group_prefix=prefix,
            ),
            neo4j=Neo4jSettings(
                uri=neo4j_uri or self.neo4j.uri, user=self.neo4j.user, password=SecretStr(self.neo4j.password)
            ),
            topics=TopicSettings(partitions=PARTITIONS, **names),
            encoder=EncoderSettings(text=TextEncoderName.HASHING),
        )
        with self.driver() as driver, driver.session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS").consume()
        apply_topics(settings)
        try:
            yield settings
        finally:
            with suppress(KafkaException):
                admin = admin_client(settings)  # held: one that is collected answers nothing any more
                deleted = admin.delete_topics([topic.name for topic in settings.topics.table()])
                wait(deleted.values(), timeout=30)

    def driver(self) -> Driver:
        """Connect to the graph, past any proxy."""
        auth = (self.neo4j.user, self.neo4j.password)
        return GraphDatabase.driver(
            self.neo4j.uri, auth=auth, notifications_min_severity="OFF", max_transaction_retry_time=_RETRY_SECONDS
        )

    def connections(self) -> int:
        """Count the connections that Neo4j has, ours not included."""
        with self.driver() as driver:
            rows, _, _ = driver.execute_query("CALL dbms.listConnections() YIELD connectionId RETURN count(*)")
            return int(rows[0][0]) - 1


class Lag:
    """How far the subject is behind its topics, asked of the graph and the broker, never of the subject."""

    def __init__(self, grounds: Grounds, settings: Settings, control_group: str = "") -> None:
        self.grounds = grounds
        self.settings = settings
        self.control_group = control_group
        self._consumer = self._connect()

    def behind(self) -> dict[str, int]:
        """Return the records still to be applied, by topic, where there are any. A server that is away is one more."""
        try:
            return self._of_group() if self.control_group else self._of_product()
        except (KafkaException, Neo4jError, DriverError, OSError) as error:
            self._consumer.close()
            self._consumer = self._connect()  # one whose coordinator was restarted may never hear of it
            return {repr(error): 1}

    def marks(self) -> dict[str, object]:
        """Return how far every topic and ledger has come: between two equal answers nothing was written."""
        topics = self.settings.topics
        watched = (topics.bundles, topics.transitions, topics.catalogue, topics.recommendations, topics.dead_letters)
        return {"ledgers": self._ledgers(), **{topic: self.ends(topic) for topic in watched}}

    def ends(self, topic: str) -> dict[int, int]:
        """Return the next offset of every partition."""
        return {
            place.partition: self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in self._places(topic)
        }

    def committed(self, topic: str) -> dict[int, int]:
        """Return what the group (intake's, or the control's) has committed; 0 where nothing yet."""
        found = self._consumer.committed(self._places(topic), timeout=10)
        return {place.partition: max(place.offset, 0) for place in found}

    def _of_product(self) -> dict[str, int]:
        topics = self.settings.topics
        behind = {topics.interactions: self._behind_group(topics.interactions)}
        applied = {key: max(offset, 0) for key, offset in self._ledgers().items()}
        for topic in (topics.bundles, topics.transitions, topics.catalogue):
            ends = self.ends(topic)
            behind[topic] = sum(abs(end - applied.get(f"{topic}/{p}", 0)) for p, end in ends.items())
        return {topic: count for topic, count in behind.items() if count}

    def _ledgers(self) -> dict[str, int]:
        with self.grounds.driver() as driver:
            rows, _, _ = driver.execute_query("MATCH (ledger:StreamOffset) RETURN ledger.key, ledger.applied")
        return {key: applied for key, applied in rows}

    def _of_group(self) -> dict[str, int]:
        topic = self.settings.topics.interactions
        behind = self._behind_group(topic)
        return {topic: behind} if behind else {}

    def _behind_group(self, topic: str) -> int:
        ends, committed = self.ends(topic), self.committed(topic)
        return sum(abs(end - committed.get(p, 0)) for p, end in ends.items())

    def _places(self, topic: str) -> list[TopicPartition]:
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return [TopicPartition(topic, partition) for partition in partitions]

    def _connect(self) -> Consumer:
        group = self.control_group or f"{self.settings.kafka.group_prefix}-intake"
        return Consumer({**confluent_config(self.settings), "group.id": group, "log_level": 0})


def make_grounds(folder: Path, jars: dict[str, Path], java: Path) -> Grounds:
    """Return the servers of a folder, not started; what was there before is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kafka = KafkaServer(
        folder / "kafka",
        jars["kafka"],
        java,
        port=free_port(),
        controller_port=free_port(),
        jvm_options=_QUICK_START,
        properties={"log.index.size.max.bytes": "65536"},
    )
    neo4j = Neo4jServer(
        folder / "neo4j",
        jars["neo4j"],
        java,
        bolt_port=free_port(),
        http_port=free_port(),
        password=secrets.token_hex(8),
        jvm_options=_QUICK_START,
        # As by default, and unlike on a developer's machine: a full disk would tear a log that grows, and Neo4j then
        # refuses to start until somebody tells it to drop the torn end.
        properties={"db.tx_log.preallocate": "true"},
    )
    return Grounds(kafka, neo4j)


def run_json(command: list[str], environment: dict[str, str], seconds: float) -> tuple[int, dict[str, object]]:
    """Run a command of the product; return its exit code and the JSON object that it printed last, if any."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    last = done.stdout.splitlines()[-1:] or [""]
    try:
        return done.returncode, json.loads(last[0])
    except ValueError:
        return done.returncode, {"stderr": done.stderr[-2000:]}
