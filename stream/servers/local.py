"""The two servers of one data folder: started, found again, restarted where they died, stopped."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stream.servers.errors import PortTaken, ServerError
from stream.servers.kafka import KafkaServer
from stream.servers.maven import JarReport, fetch_jars, jar_cache, jar_folder
from stream.servers.neo4j import Neo4jServer
from stream.servers.ports import free_port, is_free
from stream.servers.process import DetachedProcess
from stream.servers.resources import pom
from stream.servers.server import START_SECONDS, JavaServer
from stream.servers.state import State, has_state, only_one, password, read_state, write_private, write_state
from stream.servers.tools import find_java
from stream.settings import ENVIRONMENT_PREFIX

ENVIRONMENT_FILE = "environment.sh"

KAFKA, NEO4J = "kafka", "neo4j"
_TITLES = {NEO4J: Neo4jServer.title, KAFKA: KafkaServer.title}

# Port -> (its server, the number everyone expects). None: nobody needs to know the number.
_PORTS: dict[str, tuple[str, int | None]] = {
    "kafka": (KAFKA, 9092),
    "controller": (KAFKA, None),
    "bolt": (NEO4J, 7687),
    "http": (NEO4J, 7474),
}

NEO4J_JVM = ("-XX:+UseSerialGC",)
KAFKA_JVM = (*NEO4J_JVM, "-XX:TieredStopAtLevel=1")
"""Servers on one machine with the workers, small heaps: collecting beside the work costs processors that are not there.

The broker, which hands bytes on, is not worth a second compiler either (TieredStopAtLevel): a third of its time.
"""

# Java reads the first as the end of a class path's entry, Kafka the second as the end of a data folder's name.
_REFUSED_CHARACTERS = ":,\\\n"


class Endpoints(msgspec.Struct, frozen=True):
    """Where the servers are: what ``interestream up --json`` prints."""

    bootstrap_servers: str
    neo4j_uri: str
    neo4j_user: str
    neo4j_password: str
    browser_url: str

    def environment(self) -> dict[str, str]:
        """Return the variables with which every other command finds them."""
        return {
            f"{ENVIRONMENT_PREFIX}KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            f"{ENVIRONMENT_PREFIX}NEO4J__URI": self.neo4j_uri,
            f"{ENVIRONMENT_PREFIX}NEO4J__USER": self.neo4j_user,
            f"{ENVIRONMENT_PREFIX}NEO4J__PASSWORD": self.neo4j_password,
        }


@dataclass(frozen=True, slots=True)
class WantedPorts:
    """Ports the user insists on. None: keep the folder's own, else the usual one, else any that is free."""

    kafka: int | None = None
    bolt: int | None = None
    http: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What :func:`start_servers` did: where the servers are, and which of them it had to start."""

    endpoints: Endpoints
    titles: list[str]


Progress = Callable[[str], JarReport]
"""Given a server's title, returns whom to tell of its jars as they arrive."""


def start_servers(
    folder: Path, wanted: WantedPorts, progress: Progress, patience_seconds: float = START_SECONDS
) -> Started:
    """Start what does not run of a data folder's servers, and wait until both answer.

    May be repeated: what runs is left alone, what died comes back on its ports with its data. What was started and
    does not become ready is stopped again. Raises ServerError.
    """
    folder = folder.resolve()
    if wrong := [character for character in _REFUSED_CHARACTERS if character in str(folder)]:
        raise ServerError(f"the data folder {folder} has {wrong[0]!r} in its name; choose another with --data-dir")
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder):
        (folder / ".gitignore").write_text("*\n", encoding="ascii")
        state = read_state(folder)
        running = {name for name, identity in state.processes.items() if DetachedProcess(identity).running}
        state.ports = choose_ports(state.ports, running, wanted)
        kafka, neo4j = _make(folder, state, running, progress)
        servers: dict[str, JavaServer] = {KAFKA: kafka, NEO4J: neo4j}
        try:
            for name, server in servers.items():
                if name not in running:
                    server.start()
                    if server.identity is not None:
                        state.processes[name] = server.identity
                    write_state(folder, state)
            for server in servers.values():
                server.wait_ready(patience_seconds)
        except ServerError:
            for name, server in servers.items():
                if name not in running:
                    server.stop()
            raise
        endpoints = Endpoints(kafka.bootstrap_servers, neo4j.uri, neo4j.user, neo4j.password, neo4j.browser_url)
        _write_environment(folder, endpoints)
    return Started(endpoints, [server.title for name, server in servers.items() if name not in running])


def stop_servers(folder: Path, patience_seconds: float = 30.0) -> list[str]:
    """Stop what :func:`start_servers` started in a data folder, and nothing else; return the titles of what ran.

    Asks first, uses force after ``patience_seconds``. Ports, data and password stay. Raises ServerError.
    """
    if not has_state(folder):
        return []
    stopped = []
    with only_one(folder):
        state = read_state(folder)
        for name, title in _TITLES.items():
            process = DetachedProcess(state.processes.get(name))
            if process.running:
                process.stop(patience_seconds)
                stopped.append(title)
        state.processes = {}
        write_state(folder, state)
    return stopped


def choose_ports(former: dict[str, int], running: set[str], wanted: WantedPorts) -> dict[str, int]:
    """Return every port by name: the wanted one, else the former one, else the usual one if it is free, else any.

    Raises PortTaken when a wanted port is not the one its server runs on, or is wanted twice.
    """
    ports: dict[str, int] = {}
    for name, (server, usual) in _PORTS.items():
        insisted: int | None = getattr(wanted, name, None)
        port = insisted or former.get(name) or free_port(usual)
        if usual is None and server not in running and not is_free(port):
            port = free_port()  # nobody was told the former one
        while port in ports.values():
            if insisted:
                raise PortTaken(
                    f"--{name}-port: {port} is the {next(n for n in ports if ports[n] == port)} port already"
                )
            port = free_port()
        if server in running and port != former.get(name):
            raise PortTaken(
                f"--{name}-port: {_TITLES[server]} runs on {former.get(name)}; "
                f"stop it with `interestream down` to move it to {port}"
            )
        ports[name] = port
    return ports


def _make(folder: Path, state: State, running: set[str], progress: Progress) -> tuple[KafkaServer, Neo4jServer]:
    needs_java = len(running) < len(_TITLES)
    java = find_java() if needs_java else Path("java")
    jars = {
        name: jar_folder(pom(name), jar_cache())
        if name in running
        else fetch_jars(pom(name), jar_cache(), progress(_TITLES[name]))
        for name in (KAFKA, NEO4J)
    }
    kafka = KafkaServer(
        folder / KAFKA,
        jars[KAFKA],
        java,
        port=state.ports["kafka"],
        controller_port=state.ports["controller"],
        jvm_options=KAFKA_JVM,
        identity=state.processes.get(KAFKA),
    )
    neo4j = Neo4jServer(
        folder / NEO4J,
        jars[NEO4J],
        java,
        bolt_port=state.ports["bolt"],
        http_port=state.ports["http"],
        password=password(folder),
        jvm_options=NEO4J_JVM,
        identity=state.processes.get(NEO4J),
    )
    return kafka, neo4j


def _write_environment(folder: Path, endpoints: Endpoints) -> None:
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in endpoints.environment().items())
    write_private(folder / ENVIRONMENT_FILE, "".join(lines).encode())
