"""The broker's settings in the words of each client: confluent-kafka, aiokafka, Faust."""

import ssl
from typing import Any

import faust
from aiokafka.helpers import create_ssl_context

from stream.settings import KafkaSettings, SecurityProtocol, Settings


def confluent_config(settings: Settings) -> dict[str, str]:
    """Return the connection part of a confluent-kafka client's configuration.

    The client is silent: librdkafka would write each attempt to connect on standard error, hundreds while the broker
    is away. What fails for good is raised, or told to the delivery's callback.
    """
    kafka = settings.kafka
    config = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol.value,
        "log_level": "0",
    }
    if kafka.ssl_ca_file is not None:
        config["ssl.ca.location"] = str(kafka.ssl_ca_file)
    if kafka.security_protocol is SecurityProtocol.SASL_SSL:
        config["sasl.mechanism"] = kafka.sasl_mechanism
        config["sasl.username"] = kafka.sasl_username or ""
        config["sasl.password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else ""
    return config


def aiokafka_config(settings: Settings) -> dict[str, Any]:
    """Return the connection part of an aiokafka client's keyword arguments."""
    kafka = settings.kafka
    config: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in kafka.bootstrap_servers.split(",")],
        "security_protocol": kafka.security_protocol.value,
        "ssl_context": ssl_context(kafka),
    }
    if kafka.security_protocol is SecurityProtocol.SASL_SSL:
        config["sasl_mechanism"] = kafka.sasl_mechanism
        config["sasl_plain_username"] = kafka.sasl_username
        config["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return config


def faust_credentials(kafka: KafkaSettings) -> Any:
    """Return Faust's credentials, or None for plaintext.

    The context is always passed: without one Faust would silently speak SASL over plaintext.
    """
    context = ssl_context(kafka)
    if kafka.security_protocol is SecurityProtocol.SSL:
        return faust.SSLCredentials(context)
    if kafka.security_protocol is SecurityProtocol.SASL_SSL:
        password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
        return faust.SASLCredentials(
            username=kafka.sasl_username, password=password, mechanism=kafka.sasl_mechanism, ssl_context=context
        )
    return None


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """Return a context that checks the broker's certificate and host name, or None for plaintext."""
    if kafka.security_protocol is SecurityProtocol.PLAINTEXT:
        return None
    context: ssl.SSLContext = create_ssl_context(cafile=str(kafka.ssl_ca_file) if kafka.ssl_ca_file else None)
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    return context
