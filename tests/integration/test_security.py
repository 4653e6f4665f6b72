"""Secure servers end to end: the least rights suffice, what is not granted is denied, and no secret is ever told."""

import asyncio
import hmac
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AIOTopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
)
from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from stream.acls import Acl, Client, acls
from stream.admin import AdminError, plan_topics
from stream.kafka_config import aiokafka_config, confluent_config
from stream.servers.ports import free_port
from stream.settings import SecurityProtocol, Settings
from stream.stores import open_store
from tests.integration.listening import listening_addresses
from tests.integration.secured import ADMIN, Secured, make_authority, make_secured
from tests.integration.shop import Message, answers, make_shop
from tests.integration.test_end_to_end import all_users, check_dead_letters, check_users, drain, produce
from tests.integration.workers import Worker, read_all

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, jars: Callable[[str], Path], java: Path) -> Iterator[Secured]:
    """Both servers, the operator's topics, and everybody's rights as `interestream topics acls` prints them."""
    made = make_secured(tmp_path_factory.mktemp("secured"), jars, java, free_port)
    servers = (made.kafka, made.neo4j)
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait_ready()
        for client in Client:
            made.grant(client.value, acls(client, made.settings(ADMIN)))
        made.grant(
            Client.SUBSCRIBER.value, [Acl("READ", "group", name) for name in ("test-read", "test-ends", "unused")]
        )
        applied = command(made, "operator", "topics", "apply", "--json")
        assert applied.returncode == 0, applied.stderr
        yield made
    finally:
        for server in servers:
            server.kill()


def command(secured: Secured, person: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        env=secured.environment(person, **more),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def ask(log: Path, path: str) -> str:
    """Return what a worker's endpoint answers, at the address that its log names."""
    line = next(line for line in log.read_text().splitlines() if '"event": "metrics"' in line)
    url = json.loads(line)["url"].replace("/metrics", path)
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address from our own log
        return str(answer.read().decode())


async def test_the_whole_path_with_the_least_rights(secured: Secured, tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    shop = make_shop(seed=41, events=400, users=20, now=now)
    admin, topics = secured.settings(ADMIN), secured.topics
    wanted = {pseudonym(secured, user): answer for user, answer in answers(shop).items()}
    produce(secured.settings("tracker"), topics.interactions, shop.messages)
    produce(secured.settings("catalogue"), topics.catalogue, [Message(key, value) for key, value in shop.catalogue()])
    store = open_store(admin)
    await store.start()
    variables = secured.variables("worker") | {"INTERESTREAM_LOG__LEVEL": "DEBUG"}
    with Worker(secured.settings("worker"), tmp_path / "worker.log", **variables) as worker:
        await drain(admin, store, [worker])
        check_users(await all_users(store), wanted)
        check_dead_letters(admin, shop)
        lists = {key for key, _, _, _ in read_all(secured.settings("subscriber"), topics.recommendations)}
        assert lists == {user.encode() for user in wanted}

        commands = (
            ("refresh", "--all"),
            ("check", "--patience", "120"),
            ("dead-letters",),
            ("replay", "--from-dlq"),
            ("doctor",),
        )
        for arguments in commands:
            done = command(secured, "operator", *arguments, "--json")
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
            assert told(secured, done.stdout + done.stderr) == []

        told_by_worker = [ask(worker.log, path) for path in ("/metrics", "/readyz", "/healthz")]
        check_ports(worker, secured)
        assert worker.terminate() == 0, worker.tail()
    await store.close()

    log = worker.log.read_text()
    letters = [headers for _, _, headers, _ in read_all(admin, topics.dead_letters)]
    config = command(secured, "worker", "config", "--json").stdout
    for text in (log, *told_by_worker, str(letters), config):
        assert told(secured, text) == []
        assert not re.search(r"\buser-\d+\b", text), "ids of users are told to nobody"
    for topic in (topics.bundles, topics.recommendations, topics.transitions):
        assert not any(b"user-" in (value or b"") for _, value, _, _ in read_all(admin, topic)), topic
    assert all("level" in json.loads(line) for line in log.splitlines())


def pseudonym(secured: Secured, user: str) -> str:
    return hmac.digest(secured.pseudonym_key.encode(), user.encode(), "sha256").hex()


def told(secured: Secured, text: str) -> list[str]:
    return [secret for secret in secured.canaries if secret in text]


def check_ports(worker: Worker, secured: Secured) -> None:
    """The worker listens on one port, its endpoint; nobody listens beyond loopback."""
    assert len(listening_addresses(worker.process.pid)) == 1
    pids = [worker.process.pid, secured.kafka.pid, secured.neo4j.pid]
    found = [place for pid in pids if pid for place in listening_addresses(pid)]
    assert len(found) >= 5
    for address, port in found:
        assert address.startswith("127.0.0.1"), (address, port)
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):
            pass  # what listens on every address would answer here


# -- what is not granted ----------------------------------------------------------------------------------------------


def write(settings: Settings, topic: str, **options: str) -> None:
    failures: list[Any] = []
    producer = Producer({**confluent_config(settings), "message.timeout.ms": "8000", "log_level": "0", **options})
    if "transactional.id" in options:
        producer.init_transactions(8)
    producer.produce(topic, b"x", partition=0, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(10) == 0
    if failures[0] is not None:
        raise KafkaException(failures[0])


async def _read(settings: Settings, topic: str) -> None:
    consumer = AIOKafkaConsumer(**aiokafka_config(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([AIOTopicPartition(topic, 0)])
        await consumer.getmany(timeout_ms=5_000)
    finally:
        await consumer.stop()


def read(settings: Settings, topic: str) -> None:
    admin = AdminClient({**confluent_config(settings), "log_level": "0"})
    error = admin.list_topics(topic, timeout=10).topics[topic].error
    if error is not None:
        raise KafkaException(error)
    asyncio.run(_read(settings, topic))


def join(settings: Settings, topic: str, group: str) -> None:
    consumer = Consumer(
        {**confluent_config(settings), "group.id": group, "auto.offset.reset": "earliest", "log_level": "0"}
    )
    try:
        consumer.subscribe([topic])
        message = consumer.poll(10)
        if message is not None and message.error() is not None:
            raise KafkaException(message.error())
    finally:
        consumer.close()


def administrate(settings: Settings, act: Callable[[AdminClient], Any]) -> None:
    """Do something and wait for its outcome, whatever form the client gives it."""
    admin = AdminClient({**confluent_config(settings), "log_level": "0"})  # held: who is let go drops what was asked
    outcome = act(admin)
    for future in outcome.values() if isinstance(outcome, dict) else [outcome]:
        future.result(timeout=15)


def _config(name: str, value: str, kind: str, key: str) -> ConfigResource:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(ConfigResource.Type[kind], name, incremental_configs=[entry])


def _any_right() -> AclBinding:
    allowed, literal = AclPermissionType.ALLOW, ResourcePatternType.LITERAL
    return AclBinding(ResourceType.TOPIC, "payments", literal, "User:worker", "*", AclOperation.ALL, allowed)


def _administrated(act: Callable[[AdminClient, Secured], Any]) -> Callable[[Settings, Secured], None]:
    return lambda settings, secured: administrate(settings, lambda admin: act(admin, secured))


DENIED: dict[str, tuple[str, Callable[[Settings, Secured], None]]] = {
    "a worker makes a topic": ("worker", _administrated(lambda admin, _: admin.create_topics([NewTopic("x", 1)]))),
    "a worker deletes the events": (
        "worker",
        _administrated(lambda admin, s: admin.delete_topics([s.topics.interactions])),
    ),
    "a worker adds partitions": (
        "worker",
        _administrated(lambda admin, s: admin.create_partitions([NewPartitions(s.topics.bundles, 9)])),
    ),
    "a worker deletes records": (
        "worker",
        _administrated(lambda admin, s: admin.delete_records([TopicPartition(s.topics.interactions, 0, 1)])),
    ),
    "a worker changes a topic": (
        "worker",
        _administrated(
            lambda admin, s: admin.incremental_alter_configs(
                [_config(s.topics.interactions, "1", "TOPIC", "retention.ms")]
            )
        ),
    ),
    "a worker changes the broker": (
        "worker",
        _administrated(
            lambda admin, _: admin.incremental_alter_configs([_config("1", "1000", "BROKER", "log.retention.ms")])
        ),
    ),
    "a worker gives itself rights": ("worker", _administrated(lambda admin, _: admin.create_acls([_any_right()]))),
    "a worker deletes a password": (
        "worker",
        _administrated(
            lambda admin, _: admin.alter_user_scram_credentials(
                [UserScramCredentialDeletion("tracker", ScramMechanism.SCRAM_SHA_512)]
            )
        ),
    ),
    "a worker deletes a group": (
        "worker",
        _administrated(lambda admin, s: admin.delete_consumer_groups([f"{s.group_prefix}-intake"])),
    ),
    "a worker makes up events": ("worker", lambda settings, s: write(settings, s.topics.interactions)),
    "a worker makes up rows": ("worker", lambda settings, s: write(settings, s.topics.catalogue)),
    "a worker reads dead letters": ("worker", lambda settings, s: read(settings, s.topics.dead_letters)),
    "a worker reads lists": ("worker", lambda settings, s: read(settings, s.topics.recommendations)),
    "a worker joins another group": ("worker", lambda settings, s: join(settings, s.topics.interactions, "payments")),
    "a worker begins a transaction": (
        "worker",
        lambda settings, s: write(settings, s.topics.bundles, **{"transactional.id": "x"}),
    ),
    "a tracker reads events": ("tracker", lambda settings, s: read(settings, s.topics.interactions)),
    "a tracker reads lists": ("tracker", lambda settings, s: read(settings, s.topics.recommendations)),
    "a tracker makes up bundles": ("tracker", lambda settings, s: write(settings, s.topics.bundles)),
    "a tracker makes up lists": ("tracker", lambda settings, s: write(settings, s.topics.recommendations)),
    "a tracker makes up rows": ("tracker", lambda settings, s: write(settings, s.topics.catalogue)),
    "a subscriber makes up lists": ("subscriber", lambda settings, s: write(settings, s.topics.recommendations)),
    "a subscriber reads events": ("subscriber", lambda settings, s: read(settings, s.topics.interactions)),
    "an operator makes up lists": ("operator", lambda settings, s: write(settings, s.topics.recommendations)),
    "a stranger reads events": ("stranger", lambda settings, s: read(settings, s.topics.interactions)),
}

_NOT_AUTHORISED = re.compile("authorization.?failed|not authorized", re.IGNORECASE)


@pytest.mark.parametrize("deed", DENIED)
def test_what_is_not_granted_is_denied(secured: Secured, deed: str) -> None:
    person, act = DENIED[deed]
    with pytest.raises((KafkaException, KafkaError)) as caught:
        act(secured.settings(person), secured)
    assert _NOT_AUTHORISED.search(str(caught.value)), caught.value


def test_what_is_granted_is_done_by_the_same_means(secured: Secured) -> None:
    """The means of the denials work: it is the rights that are missing."""
    settings = secured.settings(ADMIN)
    administrate(settings, lambda admin: admin.create_topics([NewTopic("x", 1)]))
    write(settings, "x")
    read(settings, "x")
    join(settings, "x", "payments")
    administrate(settings, lambda admin: admin.incremental_alter_configs([_config("x", "1", "TOPIC", "retention.ms")]))
    administrate(settings, lambda admin: admin.delete_topics(["x"]))


# -- who is not let in ------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_worker_with_wrong_credentials_says_so_and_ends(secured: Secured, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    port = secured.kafka.port
    kafka, neo4j = "INTERESTREAM_KAFKA__", "INTERESTREAM_NEO4J__"
    patience = {"INTERESTREAM_WORKER__PATIENCE_SECONDS": "3"}
    cases: list[tuple[dict[str, str], int, str]] = [
        ({f"{kafka}SASL_PASSWORD": "canary-wrong"}, 3, "Kafka at 127.0.0.1"),
        ({f"{kafka}SASL_USERNAME": "nobody"}, 3, "Kafka at 127.0.0.1"),
        ({f"{kafka}SSL_CA_FILE": str(other.ca)}, 3, "Kafka at 127.0.0.1"),
        ({f"{kafka}BOOTSTRAP_SERVERS": f"localhost:{port}"}, 3, "Kafka at localhost"),
        ({f"{kafka}SECURITY_PROTOCOL": "PLAINTEXT"}, 3, "Kafka at 127.0.0.1"),
        ({f"{kafka}SSL_CA_FILE": "/nowhere/ca.pem"}, 2, "kafka.ssl_ca_file: /nowhere/ca.pem is not a file"),
        ({f"{neo4j}PASSWORD": "canary-wrong"}, 2, "neo4j.password"),
        ({f"{neo4j}SSL_CA_FILE": str(other.ca)}, 3, "the graph at bolt+s://127.0.0.1"),
        ({f"{neo4j}URI": f"bolt://127.0.0.1:{secured.neo4j.port}"}, 2, "ssl_ca_file is set, but only bolt+s"),
        ({f"{neo4j}URI": "bolt://neo4j:canary-wrong@127.0.0.1"}, 2, "neo4j.uri: "),
    ]
    running = []
    for changes, _, _ in cases:
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "stream", "worker"],
                env=secured.environment("worker", **patience, **changes),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        if len(running) % 2 == 0:  # two at a time: each loads torch
            running[-2].wait(180)
            running[-1].wait(180)
    for (changes, code, words), process in zip(cases, running, strict=True):
        printed, _ = process.communicate(timeout=180)
        assert process.returncode == code, (changes, printed)
        assert words in printed, (changes, printed)
        assert told(secured, printed) == []
        assert "canary-wrong" not in printed


def test_plaintext_is_refused_by_the_servers(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.admin._CONNECT_SECONDS", 3.0)
    auth = (secured.neo4j.user, secured.neo4j.password)
    with (
        pytest.raises((DriverError, Neo4jError)),
        GraphDatabase.driver(f"bolt://127.0.0.1:{secured.neo4j.port}", auth=auth, connection_timeout=5) as driver,
    ):
        driver.verify_connectivity()
    admin = secured.settings(ADMIN)
    plan_topics(admin)
    plaintext = admin.kafka.model_copy(update={"security_protocol": SecurityProtocol.PLAINTEXT})
    with pytest.raises(AdminError):
        plan_topics(admin.model_copy(update={"kafka": plaintext}))
