"""The real servers for every suite that wants them: started once, from the jars in the user's cache.

A suite that asks for ``neo4j_server`` alone starts Neo4j alone. Without Java or Maven those tests are skipped and the
summary says so in capitals; where ``CI`` is set they fail instead.
"""

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from neo4j import GraphDatabase
from pydantic import SecretStr

from encoders.settings import EncoderSettings, TextEncoderName
from stream.admin import admin_client, apply_topics
from stream.servers.errors import JarsMissing, ToolMissing
from stream.servers.kafka import KafkaServer
from stream.servers.maven import fetch_jars, jar_cache
from stream.servers.neo4j import Neo4jServer
from stream.servers.ports import free_port
from stream.servers.resources import pom
from stream.servers.server import JavaServer
from stream.servers.tools import find_java
from stream.settings import ENVIRONMENT_PREFIX, KafkaSettings, Neo4jSettings, Settings
from stream.topics import TopicSettings

_NOT_TESTED = pytest.StashKey[Iterable[str]]()
# Half the processor time of a start: no second compiler, one collecting thread. Full load is not asked of them.
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_SERVER_FIXTURES = {"kafka_server", "neo4j_server", "new_kafka", "new_neo4j", "data_dir"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a real server, so that ``-m 'not servers'`` never starts one."""
    for item in items:
        if _SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say loudly what was not tested."""
    for reason in sorted(config.stash.get(_NOT_TESTED, ())):
        terminalreporter.section("NOT TESTED", red=True, bold=True)
        terminalreporter.line(reason)


def not_tested(config: pytest.Config, reason: str) -> NoReturn:
    """Skip with a reason that the summary repeats; fail where CI is set, for CI skips nothing."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    config.stash[_NOT_TESTED] = {*config.stash.setdefault(_NOT_TESTED, ()), reason}
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _level_of_logs_as_before() -> Iterator[None]:
    """A command that runs inside a test sets the level that its settings name, for the whole process."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture(scope="session")
def java(pytestconfig: pytest.Config) -> Path:
    """A Java that is new enough."""
    try:
        return find_java()
    except ToolMissing as error:
        not_tested(pytestconfig, f"THE REAL SERVERS WERE NOT TESTED: {error}")


@pytest.fixture(scope="session")
def jars(pytestconfig: pytest.Config, java: Path) -> Callable[[str], Path]:
    """The folder with the jars of ``kafka`` or ``neo4j``."""

    def folder(server: str) -> Path:
        try:
            return fetch_jars(pom(server), jar_cache())
        except (ToolMissing, JarsMissing) as error:
            not_tested(pytestconfig, f"THE REAL SERVERS WERE NOT TESTED: {error}")

    return folder


@dataclass
class _Fleet:
    """Servers that are ended, and whose data is thrown away, when their tests are over; their logs stay."""

    homes: list[Path]
    servers: list[JavaServer]

    def end(self) -> None:
        for server in self.servers:
            server.kill()
        for home in self.homes:
            for folder in ("data", "classes"):
                shutil.rmtree(home / folder, ignore_errors=True)


def _kafka_factory(fleet: _Fleet, home: Path, jars: Callable[[str], Path], java: Path) -> Callable[..., KafkaServer]:
    def make(**options: Any) -> KafkaServer:
        options = {"port": free_port(), "controller_port": free_port(), "jvm_options": _QUICK_START, **options}
        fleet.homes.append(home / f"kafka-{len(fleet.homes)}")
        server = KafkaServer(fleet.homes[-1], jars("kafka"), java, **options)
        fleet.servers.append(server)
        return server

    return make


def _neo4j_factory(fleet: _Fleet, home: Path, jars: Callable[[str], Path], java: Path) -> Callable[..., Neo4jServer]:
    def make(**options: Any) -> Neo4jServer:
        ports = {"bolt_port": free_port(), "http_port": free_port()}
        options = {**ports, "password": secrets.token_hex(8), "jvm_options": _QUICK_START, **options}
        fleet.homes.append(home / f"neo4j-{len(fleet.homes)}")
        server = Neo4jServer(fleet.homes[-1], jars("neo4j"), java, **options)
        fleet.servers.append(server)
        return server

    return make


@pytest.fixture
def fleet() -> Iterator[_Fleet]:
    """The servers that one test made for itself."""
    fleet = _Fleet([], [])
    yield fleet
    fleet.end()


@pytest.fixture
def new_kafka(fleet: _Fleet, tmp_path: Path, jars: Callable[[str], Path], java: Path) -> Callable[..., KafkaServer]:
    """Make a broker of the test's own, not started, to be killed and paused at will; options as KafkaServer's."""
    return _kafka_factory(fleet, tmp_path, jars, java)


@pytest.fixture
def new_neo4j(fleet: _Fleet, tmp_path: Path, jars: Callable[[str], Path], java: Path) -> Callable[..., Neo4jServer]:
    """Make a Neo4j of the test's own, not started; options as Neo4jServer's."""
    return _neo4j_factory(fleet, tmp_path, jars, java)


@pytest.fixture(scope="session")
def session_fleet() -> Iterator[_Fleet]:
    """The servers that all tests share."""
    fleet = _Fleet([], [])
    yield fleet
    fleet.end()


@pytest.fixture(scope="session")
def kafka_server(
    session_fleet: _Fleet, tmp_path_factory: pytest.TempPathFactory, jars: Callable[[str], Path], java: Path
) -> KafkaServer:
    """A running broker that all tests share: leave it running."""
    server = _kafka_factory(session_fleet, tmp_path_factory.mktemp("kafka"), jars, java)()
    server.start()
    server.wait_ready()
    return server


@pytest.fixture(scope="session")
def neo4j_server(
    session_fleet: _Fleet, tmp_path_factory: pytest.TempPathFactory, jars: Callable[[str], Path], java: Path
) -> Neo4jServer:
    """A running Neo4j that all tests share: leave it running, and start from ``empty_graph``."""
    server = _neo4j_factory(session_fleet, tmp_path_factory.mktemp("neo4j"), jars, java)()
    server.start()
    server.wait_ready()
    return server


@pytest.fixture
def empty_graph(neo4j_server: Neo4jServer) -> Neo4jServer:
    """The shared Neo4j without any node; constraints and indexes stay."""
    auth = (neo4j_server.user, neo4j_server.password)
    with GraphDatabase.driver(neo4j_server.uri, auth=auth) as driver, driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS").consume()
    return neo4j_server


@dataclass(frozen=True)
class Servers:
    """The two shared servers."""

    kafka: KafkaServer
    neo4j: Neo4jServer


@pytest.fixture(scope="session")
def servers(kafka_server: KafkaServer, neo4j_server: Neo4jServer) -> Servers:
    """Both shared servers, running."""
    return Servers(kafka_server, neo4j_server)


@pytest.fixture
def topic_settings() -> TopicSettings:
    """Topics under names that no other test uses; not created yet."""
    prefix = f"test-{secrets.token_hex(4)}"
    names = {
        name: f"{prefix}.{field.default}"
        for name, field in TopicSettings.model_fields.items()
        if isinstance(field.default, str)
    }
    return TopicSettings(partitions=4, **names)


@pytest.fixture
def no_settings_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the developer has exported."""
    for variable in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(variable)


@pytest.fixture
def kafka_settings(
    no_settings_in_environment: None, kafka_server: KafkaServer, topic_settings: TopicSettings
) -> Settings:
    """The settings for the shared broker alone, with topic names of the test's own; not created yet."""
    kafka = KafkaSettings(
        bootstrap_servers=kafka_server.bootstrap_servers,
        session_timeout_seconds=6.0,
        group_prefix=f"test-{secrets.token_hex(4)}",
    )
    encoder = EncoderSettings(text=TextEncoderName.HASHING)
    return Settings(kafka=kafka, topics=topic_settings, encoder=encoder)


@pytest.fixture
def settings(kafka_settings: Settings, empty_graph: Neo4jServer) -> Iterator[Settings]:
    """The settings for both shared servers: topics of the test's own, created; an empty graph; hashed texts."""
    neo4j = Neo4jSettings(uri=empty_graph.uri, user=empty_graph.user, password=SecretStr(empty_graph.password))
    settings = kafka_settings.model_copy(update={"neo4j": neo4j})
    apply_topics(settings)
    yield settings
    admin = admin_client(settings)  # held: a client that nobody holds drops what it was asked
    wait(admin.delete_topics([topic.name for topic in settings.topics.table()]).values(), timeout=30)
