"""The settings tree: one frozen value, from the environment or a TOML file, unknown keys refused.

``INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS`` is ``kafka.bootstrap_servers``, and so on down the tree. Nothing is read
from the environment at import time; :func:`load_settings` is called once by the command.
"""

import os
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SettingsFileError,
)

from encoders.settings import EncoderSettings
from graph.settings import GraphSettings
from stream.for_you.settings import ForYouSettings
from stream.topics import TopicSettings
from stream.unknown_settings import unknown_key

ENVIRONMENT_PREFIX = "INTERESTREAM_"
CONFIG_FILE_VARIABLE = "INTERESTREAM_CONFIG_FILE"
FAILPOINTS_VARIABLE = "INTERESTREAM_FAILPOINTS"
RESTARTS_VARIABLE = "INTERESTREAM_RESTARTS"
_NOT_SETTINGS = frozenset({CONFIG_FILE_VARIABLE, FAILPOINTS_VARIABLE, RESTARTS_VARIABLE})


class SecurityProtocol(StrEnum):
    """How the broker is spoken to."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_SSL = "SASL_SSL"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Section):
    """The broker."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port, comma-separated.")
    security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="PLAINTEXT is refused beyond loopback unless `insecure` is set."
    )
    sasl_mechanism: str = Field("SCRAM-SHA-512", description="Used with SASL_SSL.")
    sasl_username: str | None = Field(None, description="Used with SASL_SSL.")
    sasl_password: SecretStr | None = Field(None, description="Used with SASL_SSL.")
    ssl_ca_file: Path | None = Field(None, description="CA bundle in PEM; the system's when unset.")
    group_prefix: str = Field("interestream", description="Consumer groups are `<prefix>-<role>`.")
    session_timeout_seconds: PositiveFloat = Field(15.0, description="A silent worker is replaced after this time.")
    rebalance_timeout_seconds: PositiveFloat = Field(60.0, description="A batch must end well within this time.")


class Neo4jSettings(_Section):
    """The graph database."""

    uri: str = Field("bolt://127.0.0.1:7687", description="bolt:// or neo4j://; +s for TLS.")
    user: str = Field("neo4j", description="Community Edition has no roles: every account may write.")
    password: SecretStr = Field(SecretStr(""), description="Never printed.")
    ssl_ca_file: Path | None = Field(None, description="CA bundle in PEM for +s; the system's when unset.")
    database: str = Field("neo4j", description="Community Edition has one user database.")
    transaction_timeout_seconds: PositiveFloat = Field(30.0, description="A transaction is given up after this time.")

    @field_validator("uri")
    @classmethod
    def _without_secrets(cls, uri: str) -> str:
        if "@" in uri:  # addresses are printed, passwords never
            raise ValueError("must hold no user and no password: set neo4j.user and neo4j.password")
        return uri

    @model_validator(mode="after")
    def _authority_for_tls(self) -> Self:
        if self.ssl_ca_file is not None and not self.uri.partition("://")[0].endswith("+s"):
            raise ValueError("ssl_ca_file is set, but only bolt+s:// and neo4j+s:// check a certificate")
        return self


class StoreName(StrEnum):
    """Where the graph is kept."""

    NEO4J = "neo4j"
    MEMORY = "memory"


class TrackerSettings(_Section):
    """What intake accepts."""

    category_separator: str = Field(">", min_length=1, description="Separates labels in a category text.")
    max_message_bytes: PositiveInt = Field(1_000_000, description="Larger events are dead letters.")
    max_ahead_seconds: NonNegativeFloat = Field(300.0, description="Later than clock and record by more is refused.")
    max_late_seconds: PositiveFloat | None = Field(
        None, description="Older interactions are counted late; unset: never."
    )
    segment_item_field: str = Field(
        "product_id", pattern="^(product_id|sku)$", description="Which one is our item: product_id or sku."
    )


class WorkerSettings(_Section):
    """How a worker batches and waits."""

    max_batch_events: PositiveInt = Field(
        12_000, description="A micro-batch holds about so many interactions at most: what it keeps in memory."
    )
    max_batch_users: PositiveInt = Field(
        1000, description="A micro-batch changes about so many users at most: how long it, and its transaction, takes."
    )
    linger_seconds: NonNegativeFloat = Field(0.05, description="How long a small batch waits for company.")
    cached_users: PositiveInt = Field(50_000, description="User states kept in memory per process.")
    category_flush_seconds: PositiveFloat = Field(
        1.0, description="How often category associations are written; under load up to ten times less often."
    )
    item_flush_seconds: PositiveFloat = Field(
        10.0, description="How often item associations are written; under load up to ten times less often."
    )
    popular_seconds: PositiveFloat = Field(10.0, description="How often the popular lists are made anew.")
    patience_seconds: PositiveFloat = Field(300.0, description="How long a server may be away before we give up.")
    state_dir: Path | None = Field(None, description="Lock files of static members; a folder per user by default.")


class MetricsSettings(_Section):
    """The Prometheus and health endpoint."""

    host: str = Field("127.0.0.1", description="Loopback unless you say otherwise.")
    port: int = Field(9464, ge=0, le=65535, description="A taken port moves on to the next free one; 0: any.")


class LogSettings(_Section):
    """Log lines on standard error."""

    level: str = Field("INFO", pattern="(?i)^(debug|info|warning|error)$", description="DEBUG, INFO, WARNING or ERROR.")
    format: str = Field("auto", pattern="^(auto|json|console)$", description="auto: console on a terminal.")


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    kafka: KafkaSettings = KafkaSettings()
    neo4j: Neo4jSettings = Neo4jSettings()
    store: StoreName = Field(StoreName.NEO4J, description="memory: nothing is kept after the process.")
    topics: TopicSettings = TopicSettings()
    trackers: TrackerSettings = TrackerSettings()
    worker: WorkerSettings = WorkerSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    encoder: EncoderSettings = EncoderSettings()
    graph: GraphSettings = GraphSettings()
    for_you: ForYouSettings = ForYouSettings()
    pseudonym_key: SecretStr | None = Field(
        None, description="When set, user ids become HMAC-SHA-256 pseudonyms in graph and topics alike."
    )
    insecure: bool = Field(False, description="Allow plaintext to servers beyond loopback.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the TOML file that INTERESTREAM_CONFIG_FILE names."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if file := os.environ.get(CONFIG_FILE_VARIABLE):
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=Path(file)))
        return tuple(sources)


class SettingsError(Exception):
    """The settings cannot be used; the message names the variable and the mend."""


def load_settings() -> Settings:
    """Read the environment (and the TOML file it names), refusing unknown variables with our prefix.

    Raises SettingsError with one line per wrong key.
    """
    for variable in os.environ:
        name = variable.upper()
        if name in _NOT_SETTINGS or not name.startswith(ENVIRONMENT_PREFIX):
            continue
        key = name.removeprefix(ENVIRONMENT_PREFIX).partition("__")[0].lower()
        if key not in Settings.model_fields:
            raise SettingsError(unknown_key([key], Settings, ENVIRONMENT_PREFIX, [variable]))
    file = os.environ.get(CONFIG_FILE_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsError(f"{CONFIG_FILE_VARIABLE} names {file}, which is not a file")
    try:
        return Settings()
    except (SettingsFileError, TOMLDecodeError) as error:
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        raise SettingsError("\n".join(map(_line, error.errors()))) from None


def _line(error: ErrorDetails) -> str:
    path = list(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return unknown_key(path, Settings, ENVIRONMENT_PREFIX, os.environ)
    return f"{'.'.join(path) or 'settings'}: {error['msg']}"


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_security(settings: Settings) -> None:
    """Refuse plaintext beyond loopback unless the user asked for it by name, and authorities that are not there.

    Raises SettingsError naming the setting to change.
    """
    for name, file in (("kafka", settings.kafka.ssl_ca_file), ("neo4j", settings.neo4j.ssl_ca_file)):
        if file is not None and not file.is_file():
            raise SettingsError(f"{name}.ssl_ca_file: {file} is not a file; name the authorities' certificates in PEM")
    if settings.insecure:
        return
    if settings.kafka.security_protocol is SecurityProtocol.PLAINTEXT:
        for server in settings.kafka.bootstrap_servers.split(","):
            host = server.strip().rsplit(":", 1)[0]
            if not is_loopback(host):
                raise SettingsError(
                    f"kafka.bootstrap_servers: {host} is beyond loopback and security_protocol is PLAINTEXT; "
                    "set kafka.security_protocol to SASL_SSL, or insecure=true if you mean it"
                )
    scheme, _, rest = settings.neo4j.uri.partition("://")
    host = rest.split("/", 1)[0].rsplit(":", 1)[0]
    plain, _, mode = scheme.partition("+")
    if settings.store is StoreName.NEO4J and mode != "s" and not is_loopback(host):
        lack = "does not check who answers" if mode else "is not encrypted"
        raise SettingsError(
            f"neo4j.uri: {host} is beyond loopback and {scheme}:// {lack}; "
            f"use {plain}+s:// (with neo4j.ssl_ca_file for an authority of your own), or insecure=true if you mean it"
        )
