"""One Kafka broker that is its own controller (KRaft)."""

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream.servers.errors import NotReady
from stream.servers.ports import LOOPBACK, accepts
from stream.servers.process import ProcessIdentity, server_environment
from stream.servers.server import JavaServer
from stream.topics import MAX_MESSAGE_BYTES

_FORMAT_SECONDS = 120
_MEBIBYTE = 1_048_576

# Only errors go to the console; everything else to a file that is rolled, never to the starter's terminal.
_LOG4J = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:kafka.logs.dir}/server.log
appender.file.filePattern = ${sys:kafka.logs.dir}/server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d] %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
appender.console.filter.threshold.type = ThresholdFilter
appender.console.filter.threshold.level = error
logger.state.name = state.change.logger
logger.state.level = error
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
rootLogger.appenderRef.console.ref = console
"""


class KafkaServer(JavaServer):
    """A Kafka broker on loopback, for one machine: replication factor 1, small segments, no topics on request.

    ``protocol`` names the security protocol of the clients' listener. ``properties`` are further broker settings;
    they win over ours (TLS key stores, other listeners). ``format_arguments`` go to the storage tool at the first
    start (``--add-scram …``). ``client`` is what a client needs besides the address to be let in, in librdkafka's
    words; readiness is asked with it.
    """

    title = "Kafka"

    def __init__(
        self,
        home: Path,
        jars: Path,
        java: Path,
        *,
        port: int,
        controller_port: int,
        heap_megabytes: int = 512,
        jvm_options: Sequence[str] = (),
        protocol: str = "PLAINTEXT",
        properties: Mapping[str, str] | None = None,
        format_arguments: Sequence[str] = (),
        client: Mapping[str, str] | None = None,
        identity: ProcessIdentity | None = None,
    ) -> None:
        super().__init__(home, jars, java, heap_megabytes, jvm_options, identity)
        self._port = port
        self._controller_port = controller_port
        self._protocol = protocol
        self._properties = dict(properties or {})
        self._format_arguments = tuple(format_arguments)
        self._client = {"security.protocol": protocol, **(client or {})}

    @property
    def port(self) -> int:
        """The clients' port."""
        return self._port

    @property
    def ports(self) -> dict[str, int]:
        """The clients' and the controller's port."""
        return {"kafka": self._port, "controller": self._controller_port}

    @property
    def bootstrap_servers(self) -> str:
        """What clients call ``bootstrap.servers``."""
        return f"{LOOPBACK}:{self._port}"

    def broker_properties(self) -> dict[str, str]:
        """Return the content of ``server.properties``."""
        # The quorum is static, so that the controller's port may change between two starts on the same data.
        ours = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{self._protocol}://{LOOPBACK}:{self._port},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": f"{self._protocol}://{LOOPBACK}:{self._port}",
            "listener.security.protocol.map": f"{self._protocol}:{self._protocol},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": self._protocol,
            "log.dirs": str(self.home / "data"),
            # A typing error in a topic's name must be an error, not a topic.
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(MAX_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
            # Retention and compaction work on closed segments: small ones show within minutes what production shows.
            "log.segment.bytes": str(16 * _MEBIBYTE),
            "log.index.size.max.bytes": str(_MEBIBYTE),
            "log.retention.check.interval.ms": "60000",
            "log.cleaner.dedupe.buffer.size": str(16 * _MEBIBYTE),
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # After kill -9 the controller waits for the former broker's session to end before it lets it in again.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "num.network.threads": "2",
            "num.io.threads": "4",
        }
        return {**ours, **self._properties}

    def _needed_options(self) -> Sequence[str]:
        return (
            f"-Dkafka.logs.dir={self.logs}",
            f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}",
            "-Dlog4j2.disable.jmx=true",
        )

    def _main(self) -> Sequence[str]:
        return ("kafka.Kafka", str(self.home / "server.properties"))

    def _prepare(self) -> None:
        lines = (f"{key}={escape_property(value)}" for key, value in self.broker_properties().items())
        configuration = self.home / "server.properties"
        configuration.touch(mode=0o600)  # it may hold key store passwords
        configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
        (self.home / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
        formatted = self.home / "formatted"
        if not formatted.exists():
            self._format(configuration)
            formatted.touch()

    def _format(self, configuration: Path) -> None:
        tool = self._java_command(
            (
                *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
                # One argument: an id may begin with a dash.
                f"--cluster-id={base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')}",
                *("--config", str(configuration), *self._format_arguments),
            )
        )
        with self.console.open("ab") as sink:
            ended = subprocess.run(
                tool,
                cwd=self.home,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                timeout=_FORMAT_SECONDS,
                check=False,
            )
        if ended.returncode != 0:
            raise NotReady(f"Kafka's data folder cannot be formatted. The end of {self.console}:\n{self.log_tail()}")

    def _answers(self) -> bool:
        if not accepts(self._port):
            return False
        # Silent: librdkafka would report every refused connection on standard error.
        admin = AdminClient({**self._client, "bootstrap.servers": self.bootstrap_servers, "log_level": "0"})
        try:
            return bool(admin.list_topics(timeout=5).brokers)
        except KafkaException:
            return False


def escape_property(value: str) -> str:
    r"""Spell a value for a Java properties file, which is ASCII with escapes.

    >>> print(escape_property("C:\\né"))
    C:\\n\u00e9
    """
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    characters = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in characters)
