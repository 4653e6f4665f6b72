"""Servers as production has them: TLS everywhere, SCRAM and an authorizer in Kafka, a password in Neo4j; its people."""

import secrets
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
from pydantic import SecretStr

from encoders.settings import EncoderSettings, TextEncoderName
from stream.acls import Acl
from stream.admin import admin_client
from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.settings import KafkaSettings, Neo4jSettings, SecurityProtocol, Settings
from stream.topics import TopicSettings
from tests.integration.workers import environment

ADMIN = "admin"
PEOPLE = ("worker", "tracker", "catalogue", "subscriber", "operator", "stranger")


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and a server's certificate for 127.0.0.1 (and for no name) from it."""

    ca: Path
    key: Path
    certificate: Path


def make_authority(folder: Path) -> Authority:
    """Make both with openssl."""
    folder.mkdir(parents=True)
    ca, ca_key, key, request, certificate, san = (
        folder / name for name in ("ca.pem", "ca.key", "private.key", "request", "public.crt", "san")
    )
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    san.write_text("subjectAltName=IP:127.0.0.1\n")
    for arguments in (
        ("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=test authority"),
        ("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=server"),
        (
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            ca,
            "-CAkey",
            ca_key,
            "-extfile",
            san,
            "-days",
            "2",
            "-out",
            certificate,
        ),
    ):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    return Authority(ca, key, certificate)


@dataclass(frozen=True)
class Secured:
    """Both servers, running, and everybody's password."""

    kafka: KafkaServer
    neo4j: Neo4jServer
    authority: Authority
    passwords: dict[str, str]
    topics: TopicSettings
    group_prefix: str
    pseudonym_key: str

    def settings(self, person: str) -> Settings:
        """Return the settings with which somebody comes."""
        return Settings(
            kafka=KafkaSettings(
                bootstrap_servers=self.kafka.bootstrap_servers,
                security_protocol=SecurityProtocol.SASL_SSL,
                sasl_username=person,
                sasl_password=SecretStr(self.passwords[person]),
                ssl_ca_file=self.authority.ca,
                session_timeout_seconds=6.0,
                group_prefix=self.group_prefix,
            ),
            neo4j=Neo4jSettings(
                uri=self.neo4j.uri,
                user=self.neo4j.user,
                password=SecretStr(self.neo4j.password),
                ssl_ca_file=self.authority.ca,
            ),
            topics=self.topics,
            encoder=EncoderSettings(text=TextEncoderName.HASHING),
            pseudonym_key=SecretStr(self.pseudonym_key),
        )

    def variables(self, person: str) -> dict[str, str]:
        """Return what tests.integration.workers.environment does not know of these settings."""
        return {
            "INTERESTREAM_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "INTERESTREAM_KAFKA__SASL_USERNAME": person,
            "INTERESTREAM_KAFKA__SASL_PASSWORD": self.passwords[person],
            "INTERESTREAM_KAFKA__SSL_CA_FILE": str(self.authority.ca),
            "INTERESTREAM_NEO4J__SSL_CA_FILE": str(self.authority.ca),
            "INTERESTREAM_PSEUDONYM_KEY": self.pseudonym_key,
        }

    def environment(self, person: str, **more: str) -> dict[str, str]:
        """Return the environment in which somebody runs a command."""
        return environment(self.settings(person), **(self.variables(person) | more))

    def grant(self, person: str, rights: Iterable[Acl]) -> None:
        """Let the broker's authorizer know exactly these rights."""
        admin = admin_client(self.settings(ADMIN))
        bindings = [
            AclBinding(
                ResourceType[acl.resource.upper()],
                acl.name,
                ResourcePatternType.LITERAL,
                f"User:{person}",
                "*",
                AclOperation[acl.operation],
                AclPermissionType.ALLOW,
            )
            for acl in rights
        ]
        for future in admin.create_acls(bindings).values():
            future.result(timeout=30)

    @property
    def canaries(self) -> list[str]:
        """Return every secret there is."""
        return [*self.passwords.values(), self.neo4j.password, self.pseudonym_key]


def make_secured(folder: Path, jars: Callable[[str], Path], java: Path, free_port: Callable[[], int]) -> Secured:
    """Start both servers, and return them with passwords that are found wherever they are printed."""
    authority = make_authority(folder / "authority")
    passwords = {name: f"canary-{name}-{secrets.token_hex(8)}" for name in (ADMIN, *PEOPLE)}
    pair = folder / "broker.pem"
    pair.write_bytes(authority.key.read_bytes() + authority.certificate.read_bytes())
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    kafka = KafkaServer(
        folder / "kafka",
        jars("kafka"),
        java,
        port=free_port(),
        controller_port=free_port(),
        jvm_options=quick,
        protocol="SASL_SSL",
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(pair),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority.ca),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f'{login} username="{ADMIN}" password="{passwords[ADMIN]}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's own listener is plaintext, on loopback, and nobody's business but the broker's.
            "super.users": f"User:{ADMIN};User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "false",
        },
        format_arguments=tuple(
            argument
            for name, password in passwords.items()
            for argument in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ),
        client={
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": ADMIN,
            "sasl.password": passwords[ADMIN],
            "ssl.ca.location": str(authority.ca),
        },
    )
    neo4j = Neo4jServer(
        folder / "neo4j",
        jars("neo4j"),
        java,
        bolt_port=free_port(),
        http_port=free_port(),
        password=f"canary-neo4j-{secrets.token_hex(8)}",
        jvm_options=quick,
        properties={
            "dbms.ssl.policy.bolt.enabled": "true",
            "dbms.ssl.policy.bolt.base_directory": str(authority.key.parent),
            "dbms.ssl.policy.bolt.client_auth": "NONE",
            "server.bolt.tls_level": "REQUIRED",
        },
        ca_file=authority.ca,
    )
    prefix = f"secured-{secrets.token_hex(4)}"
    names = {
        name: f"{prefix}.{field.default}"
        for name, field in TopicSettings.model_fields.items()
        if isinstance(field.default, str)
    }
    topics = TopicSettings(partitions=2, **names)
    return Secured(kafka, neo4j, authority, passwords, topics, prefix, f"canary-key-{secrets.token_hex(16)}")
