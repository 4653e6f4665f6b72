"""SASL over TLS against a real broker: each of our clients is let in by the settings, and by nothing less."""

import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import Producer
from pydantic import SecretStr

from stream.admin import AdminError, apply_topics, plan_topics
from stream.kafka_config import aiokafka_config, confluent_config
from stream.servers.kafka import KafkaServer
from stream.settings import KafkaSettings, SecurityProtocol, Settings, check_security
from stream.topics import TopicSettings

USER = "shop"


def certificate(folder: Path, java: Path) -> tuple[Path, Path, str]:
    """Make a key store for 127.0.0.1 and its certificate in PEM; return them and the store's password."""
    store, pem, password = folder / "broker.p12", folder / "broker.pem", secrets.token_hex(8)
    keytool = [str(java.resolve().with_name("keytool")), "-keystore", str(store), "-storepass", password]
    entry = ["-alias", "broker", "-storetype", "PKCS12"]
    made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=broker", "-ext", "san=ip:127.0.0.1", "-validity", "2"]
    subprocess.run([*keytool, *entry, *made], check=True, capture_output=True)
    subprocess.run([*keytool, *entry, "-exportcert", "-rfc", "-file", str(pem)], check=True, capture_output=True)
    return store, pem, password


@pytest.fixture
def secured(
    new_kafka: Callable[..., KafkaServer],
    java: Path,
    tmp_path: Path,
    topic_settings: TopicSettings,
    no_settings_in_environment: None,
) -> Settings:
    """The settings for a broker of the test's own that wants a name, a password and TLS."""
    store, pem, store_password = certificate(tmp_path, java)
    password = secrets.token_hex(8)
    login = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{USER}" password="{password}";'
    server = new_kafka(
        protocol="SASL_SSL",
        properties={
            "ssl.keystore.location": str(store),
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.password": store_password,
            "ssl.truststore.location": str(pem),
            "ssl.truststore.type": "PEM",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
        },
        format_arguments=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={password}]"),
        client={
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": USER,
            "sasl.password": password,
            "ssl.ca.location": str(pem),
        },
    )
    server.start()
    server.wait_ready()
    kafka = KafkaSettings(
        bootstrap_servers=server.bootstrap_servers,
        security_protocol=SecurityProtocol.SASL_SSL,
        sasl_username=USER,
        sasl_password=SecretStr(password),
        ssl_ca_file=pem,
    )
    return Settings(kafka=kafka, topics=topic_settings)


def changed(settings: Settings, **kafka: object) -> Settings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=kafka)})


async def send(settings: Settings) -> int:
    """Send one message with aiokafka; return its offset."""
    producer = AIOKafkaProducer(**aiokafka_config(settings), request_timeout_ms=5000)
    try:
        await producer.start()
        sent = await producer.send_and_wait(settings.topics.interactions, b"by aiokafka", partition=0)
    finally:
        await producer.stop()
    return int(sent.offset)


async def test_only_the_right_name_password_and_certificate_are_let_in(
    secured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_security(secured)
    apply_topics(secured)
    assert plan_topics(secured) == []
    failures: list[object] = []
    producer = Producer(confluent_config(secured))
    producer.produce(
        secured.topics.interactions, b"x", partition=0, on_delivery=lambda error, _: failures.append(error)
    )
    assert producer.flush(30) == 0
    assert failures == [None]
    assert await send(secured) == 1

    monkeypatch.setattr("stream.admin._CONNECT_SECONDS", 2.0)
    wrong = [
        changed(secured, sasl_password=SecretStr("wrong")),
        changed(secured, ssl_ca_file=None),
        changed(secured, security_protocol=SecurityProtocol.SSL),
        changed(secured, security_protocol=SecurityProtocol.PLAINTEXT),
    ]
    for settings in wrong:
        with pytest.raises(AdminError):
            plan_topics(settings)
        with pytest.raises(KafkaError):
            await send(settings)
