"""The real servers: one by one as objects, and both as ``interestream up`` runs them."""

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from neo4j import GraphDatabase

from graph.neo4j_admin import set_first_password, wait_for_bolt
from graph.store import Refused, Unavailable
from stream.servers.errors import NotReady, PortTaken
from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.servers.ports import LOOPBACK, accepts, free_port
from stream.servers.process import wait_until
from stream.servers.state import read_state
from stream.topics import MAX_MESSAGE_BYTES
from tests.integration.conftest import Command

pytestmark = pytest.mark.timeout(300)

Up = Callable[[], dict[str, Any]]


def create_topic(bootstrap_servers: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    config = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(timeout=30)


def produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    failures: list[Any] = []
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "message.max.bytes": MAX_MESSAGE_BYTES, "message.timeout.ms": 60_000}
    )
    producer.produce(topic, value, on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(60) == 0
    assert not failures, failures


def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes] = []

    def enough() -> bool:
        for message in consumer.consume(count, timeout=0.2):
            if message.error() is None:
                values.append(message.value())
        return len(values) >= count

    try:
        assert wait_until(enough, 60), f"{len(values)} of {count} messages"
    finally:
        consumer.close()
    return values


def remember(uri: str, auth: tuple[str, str], name: str) -> None:
    with GraphDatabase.driver(uri, auth=auth) as driver, driver.session() as session:
        session.run("CREATE (:Memory {name: $name})", name=name).consume()


def remembered(uri: str, auth: tuple[str, str]) -> set[str]:
    with GraphDatabase.driver(uri, auth=auth) as driver, driver.session() as session:
        return {record["name"] for record in session.run("MATCH (m:Memory) RETURN m.name AS name")}


def listening_addresses(port: int) -> set[str]:
    """Return the local addresses (hex, as proc(5) prints them) on which the port is open."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, number = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(number, 16) == port:
                found.add(address)
    return found


class TestKafka:
    def test_comes_back_after_kill_and_on_other_ports_with_its_data(
        self, new_kafka: Callable[..., KafkaServer]
    ) -> None:
        server = new_kafka()
        server.start()
        server.wait_ready()
        first = server.pid
        create_topic(server.bootstrap_servers, "kept")
        produce(server.bootstrap_servers, "kept", b"before")

        server.kill()
        assert not server.running
        assert not accepts(server.port)
        server.start()
        server.wait_ready()
        second = server.pid
        assert second not in (None, first)
        produce(server.bootstrap_servers, "kept", b"after")
        assert consume(server.bootstrap_servers, "kept", 2) == [b"before", b"after"]

        assert server.stop()
        moved = new_kafka()
        shutil.copytree(server.home, moved.home)
        moved.start()
        moved.wait_ready()
        assert moved.port != server.port
        assert consume(moved.bootstrap_servers, "kept", 2) == [b"before", b"after"]

    def test_a_paused_broker_runs_but_answers_nobody(self, kafka_server: KafkaServer) -> None:
        admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap_servers})
        kafka_server.pause()
        try:
            assert kafka_server.running
            with pytest.raises(KafkaException):
                admin.list_topics(timeout=2)
        finally:
            kafka_server.resume()
        kafka_server.wait_ready()
        assert admin.list_topics(timeout=30).brokers

    def test_says_why_it_does_not_start(self, new_kafka: Callable[..., KafkaServer]) -> None:
        server = new_kafka(properties={"num.io.threads": "none"})

        def start() -> None:
            server.start()
            server.wait_ready()

        with pytest.raises(NotReady, match=r"(?s)console\.log.*num\.io\.threads"):
            start()

    def test_refuses_a_taken_port_by_number(self, new_kafka: Callable[..., KafkaServer]) -> None:
        with socket.socket() as other:
            other.bind((LOOPBACK, 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(PortTaken, match=str(port)):
                new_kafka(port=port).start()

    def test_takes_the_largest_message_and_makes_no_topic_on_request(self, kafka_server: KafkaServer) -> None:
        create_topic(kafka_server.bootstrap_servers, "large")
        produce(kafka_server.bootstrap_servers, "large", os.urandom(MAX_MESSAGE_BYTES - 1024))
        producer = Producer({"bootstrap.servers": kafka_server.bootstrap_servers, "message.timeout.ms": 5000})
        errors: list[KafkaError] = []
        producer.produce("no-such-topic", b"x", on_delivery=lambda error, _: errors.append(error))
        producer.flush(30)
        assert errors[0] is not None
        assert "no-such-topic" not in producer.list_topics(timeout=30).topics


class TestNeo4j:
    def test_keeps_data_and_password_when_it_is_killed(self, new_neo4j: Callable[..., Neo4jServer]) -> None:
        server = new_neo4j(password="first-password")
        auth = (server.user, server.password)
        server.start()
        server.wait_ready()
        remember(server.uri, auth, "before kill")
        server.kill()
        assert not accepts(server.port)
        server.start()
        server.wait_ready()
        assert remembered(server.uri, auth) == {"before kill"}

        with pytest.raises(Refused, match="another password"):
            set_first_password(server.uri, "third-password")
        with pytest.raises(Refused):
            wait_for_bolt(server.uri, server.user, "third-password", 10)

    def test_waiting_for_nobody_ends(self) -> None:
        with pytest.raises(Unavailable, match="does not answer"):
            wait_for_bolt(f"bolt://{LOOPBACK}:{free_port()}", "neo4j", "no-password", 0.5)

    def test_an_unknown_setting_is_named(self, new_neo4j: Callable[..., Neo4jServer]) -> None:
        server = new_neo4j(properties={"server.no.such.setting": "1"})
        server.start()
        with pytest.raises(NotReady, match=r"server\.no\.such\.setting"):
            server.wait_ready()


class TestUpAndDown:
    def test_prints_where_the_servers_are_and_they_answer(self, up: Up) -> None:
        endpoints = up()
        assert set(endpoints) == {"bootstrap_servers", "neo4j_uri", "neo4j_user", "neo4j_password", "browser_url"}
        listed = AdminClient({"bootstrap.servers": endpoints["bootstrap_servers"]}).list_topics(timeout=30).topics
        assert len(listed["shop.interactions.v1"].partitions) == 2
        wait_for_bolt(endpoints["neo4j_uri"], endpoints["neo4j_user"], endpoints["neo4j_password"], 30)

    def test_everything_listens_on_loopback_only(self, up: Up, data_dir: Path) -> None:
        up()
        loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
        for name, port in read_state(data_dir).ports.items():
            addresses = listening_addresses(port)
            assert addresses, name
            assert addresses <= loopback, (name, addresses)

    def test_again_starts_nothing_and_prints_the_same(self, up: Up, data_dir: Path) -> None:
        first = up()
        processes = read_state(data_dir).processes
        assert up() == first
        assert read_state(data_dir).processes == processes

    def test_brings_back_what_died_where_it_was(self, up: Up, data_dir: Path) -> None:
        endpoints = up()
        auth = (endpoints["neo4j_user"], endpoints["neo4j_password"])
        topic = f"kept-{secrets.token_hex(4)}"
        create_topic(endpoints["bootstrap_servers"], topic)
        produce(endpoints["bootstrap_servers"], topic, b"x")
        remember(endpoints["neo4j_uri"], auth, "x")
        before = read_state(data_dir).processes
        for identity in before.values():
            os.kill(identity.pid, 9)

        assert up() == endpoints

        after = read_state(data_dir).processes
        assert all(after[name] != before[name] for name in before)
        assert consume(endpoints["bootstrap_servers"], topic, 1) == [b"x"]
        assert "x" in remembered(endpoints["neo4j_uri"], auth)

    def test_the_password_is_its_owners_alone(self, up: Up, data_dir: Path) -> None:
        endpoints = up()
        for name in ("neo4j-password", "environment.sh"):
            assert (data_dir / name).stat().st_mode & 0o777 == 0o600
            assert endpoints["neo4j_password"] in (data_dir / name).read_text()

    def test_a_running_server_is_not_moved(self, up: Up, data_dir: Path, interestream: Command) -> None:
        endpoints = up()
        ended = interestream("up", "--data-dir", str(data_dir), "--kafka-port", str(free_port()))
        assert ended.returncode == 2
        assert "interestream down" in ended.stderr
        assert up() == endpoints

    def test_down_stops_both_and_up_goes_on_with_the_same(self, up: Up, data_dir: Path, interestream: Command) -> None:
        endpoints = up()
        ports = read_state(data_dir).ports
        ended = interestream("down", "--data-dir", str(data_dir), "--json")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout.splitlines()[-1]) == {"stopped": ["Neo4j", "Kafka"]}
        assert not any(accepts(port) for port in ports.values())
        again = interestream("down", "--data-dir", str(data_dir), "--json")
        assert json.loads(again.stdout.splitlines()[-1]) == {"stopped": []}
        assert up() == endpoints

    def test_people_are_told_what_to_do_next(self, up: Up, data_dir: Path, interestream: Command) -> None:
        endpoints = up()
        ended = interestream("up", "--data-dir", str(data_dir), INTERESTREAM_TOPICS__PARTITIONS="2")
        assert ended.returncode == 0, ended.stderr
        assert f"export INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS={endpoints['bootstrap_servers']}" in ended.stdout
        assert endpoints["browser_url"] in ended.stdout
        assert f"interestream down --data-dir '{data_dir}'" in ended.stdout

    def test_a_different_partition_count_is_said_and_left_alone(
        self, up: Up, data_dir: Path, interestream: Command
    ) -> None:
        up()
        ended = interestream("up", "--data-dir", str(data_dir), INTERESTREAM_TOPICS__PARTITIONS="3")
        assert ended.returncode == 0
        assert "shop.interactions.v1 has 2 partitions" in ended.stderr
