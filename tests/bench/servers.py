"""A real Kafka and a real Neo4j for a benchmark, and topics of their own for each of its runs."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from encoders.settings import EncoderSettings, TextEncoderName
from stream.admin import admin_client, apply_topics
from stream.servers.kafka import KafkaServer
from stream.servers.local import KAFKA_JVM, NEO4J_JVM
from stream.servers.maven import fetch_jars, jar_cache
from stream.servers.neo4j import Neo4jServer
from stream.servers.ports import free_port
from stream.servers.resources import pom
from stream.servers.tools import find_java
from stream.settings import KafkaSettings, Neo4jSettings, Settings
from stream.topics import TopicSettings


@contextmanager
def servers() -> Iterator[tuple[KafkaServer, Neo4jServer, Path]]:
    """Start both as `interestream up` does, in a temporary folder; end them and throw the folder away."""
    folder = Path(tempfile.mkdtemp(prefix="interestream-bench-"))
    java = find_java()
    kafka = KafkaServer(
        folder / "kafka",
        fetch_jars(pom("kafka"), jar_cache()),
        java,
        port=free_port(),
        controller_port=free_port(),
        jvm_options=KAFKA_JVM,
    )
    neo4j = Neo4jServer(
        folder / "neo4j",
        fetch_jars(pom("neo4j"), jar_cache()),
        java,
        bolt_port=free_port(),
        http_port=free_port(),
        password=secrets.token_hex(8),
        jvm_options=NEO4J_JVM,
    )
    try:
        for server in (kafka, neo4j):
            server.start()
        for server in (kafka, neo4j):
            server.wait_ready()
        yield kafka, neo4j, folder
    finally:
        kafka.kill()
        neo4j.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_topics(
    kafka: KafkaServer, neo4j: Neo4jServer, partitions: int, text: TextEncoderName = TextEncoderName.HASHING
) -> Iterator[Settings]:
    """Create topics under names of their own; delete them afterwards. The graph is shared: give users new names."""
    prefix = f"bench-{secrets.token_hex(4)}"
    names = {
        name: f"{prefix}.{field.default}"
        for name, field in TopicSettings.model_fields.items()
        if isinstance(field.default, str)
    }
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_prefix=prefix),
        neo4j=Neo4jSettings(uri=neo4j.uri, user=neo4j.user, password=SecretStr(neo4j.password)),
        topics=TopicSettings(partitions=partitions, **names),
        encoder=EncoderSettings(text=text),
    )
    apply_topics(settings)
    try:
        yield settings
    finally:
        admin = admin_client(settings)
        wait(admin.delete_topics([topic.name for topic in settings.topics.table()]).values(), timeout=60)
