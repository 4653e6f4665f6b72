"""The topics that others write and read, and what is in them, as one AsyncAPI 3.0 document.

From it code is generated, catalogues of events are filled and pages are drawn. Actions are ours: ``receive`` is what
others send. References reach the whole document, so the definitions of all schemas stand together in ``components``.
"""

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from stream.contracts import Contract, build_schema
from stream.settings import KafkaSettings, SecurityProtocol
from stream.topics import Topic, TopicSettings

ASYNCAPI_FILE = "asyncapi.json"

_SCHEMAS = "#/components/schemas/"
_BINDING = "0.5.0"


@dataclass(frozen=True, slots=True)
class _Flow:
    """What is in one topic: who sends it, what is in a record's value (or headers), and what its key means."""

    role: str
    action: str
    contract: Contract
    key: str
    remark: str = ""


_FLOWS = (
    _Flow(
        role="interactions",
        action="receive",
        contract=Contract.INTERACTION,
        key="Any; the user's id keeps one user's events in order.",
        remark="Track events of Segment and RudderStack are understood, too.",
    ),
    _Flow(
        role="catalogue",
        action="receive",
        contract=Contract.CATALOGUE,
        key="The item_id.",
        remark="An empty value removes the item.",
    ),
    _Flow(
        role="recommendations",
        action="send",
        contract=Contract.RECOMMENDATION,
        key="The user_id.",
        remark="The highest version counts.",
    ),
    _Flow(
        role="popular",
        action="send",
        contract=Contract.POPULAR,
        key="shop, or category| and the category's path.",
        remark="An empty value: the category has no item any more.",
    ),
    _Flow(
        role="signals",
        action="send",
        contract=Contract.SIGNAL,
        key="A JSON list of user, kind and subject.",
        remark="The highest version of a key counts.",
    ),
    _Flow(role="dead_letters", action="send", contract=Contract.DEAD_LETTER, key="That of the refused message."),
)


def build_asyncapi(kafka: KafkaSettings, topics: TopicSettings) -> dict[str, Any]:
    """Return the document, with the brokers and topics that the settings name; no secret is in it."""
    table = {topic.role: topic for topic in topics.table() if not topic.internal}
    schemas: dict[str, Any] = {}
    messages = {flow.contract.value: _message(flow, schemas) for flow in _FLOWS}
    security, schemes = _security(kafka)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Interestream",
            "version": version("interestream"),
            "description": "Clicks and purchases in, fresh cross-sell and up-sell lists out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            f"broker{number}": {"host": host.strip(), "protocol": _protocol(kafka), **security}
            for number, host in enumerate(kafka.bootstrap_servers.split(","), 1)
        },
        "channels": {flow.role: _channel(flow, table[flow.role], topics.replication_factor) for flow in _FLOWS},
        "operations": {f"{flow.action}_{flow.role}": _operation(flow) for flow in _FLOWS},
        "components": {"messages": messages, "schemas": schemas, **schemes},
    }


def asyncapi_text(kafka: KafkaSettings, topics: TopicSettings) -> str:
    """Return the content of the document's file."""
    return json.dumps(build_asyncapi(kafka, topics), indent=2, ensure_ascii=False) + "\n"


def _protocol(kafka: KafkaSettings) -> str:
    return "kafka" if kafka.security_protocol is SecurityProtocol.PLAINTEXT else "kafka-secure"


def _security(kafka: KafkaSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what each server refers to, and the schemes that are referred to."""
    if kafka.security_protocol is not SecurityProtocol.SASL_SSL:
        return {}, {}
    kinds = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512"}
    scheme = {"type": kinds.get(kafka.sasl_mechanism, "userPassword")}
    return {"security": [{"$ref": "#/components/securitySchemes/sasl"}]}, {"securitySchemes": {"sasl": scheme}}


def _channel(flow: _Flow, topic: Topic, replicas: int) -> dict[str, Any]:
    config = topic.config()
    kept: dict[str, Any] = {"cleanup.policy": config["cleanup.policy"].split(",")}
    kept["max.message.bytes"] = int(config["max.message.bytes"])
    if "retention.ms" in config:
        kept["retention.ms"] = int(config["retention.ms"])
    return {
        "address": topic.name,
        "description": f"{topic.purpose[0].upper()}{topic.purpose[1:]}.",
        "messages": {flow.contract.value: {"$ref": f"#/components/messages/{flow.contract.value}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": replicas,
                "topicConfiguration": kept,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(flow: _Flow) -> dict[str, Any]:
    channel = f"#/channels/{flow.role}"
    return {
        "action": flow.action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{flow.contract.value}"}],
    }


def _message(flow: _Flow, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return one message, its schema and the definitions of that added to ``schemas``."""
    # By their text: a reference may stand anywhere in a schema.
    schema = json.loads(json.dumps(build_schema(flow.contract)).replace("#/$defs/", _SCHEMAS))
    del schema["$schema"]
    for name, definition in {**schema.pop("$defs", {}), schema["title"]: schema}.items():
        if schemas.setdefault(name, definition) != definition:
            raise ValueError(f"two schemas are called {name}")
    part = "headers" if flow.contract is Contract.DEAD_LETTER else "payload"
    return {
        "title": schema["title"],
        "summary": " ".join(filter(None, (schema["description"], flow.remark))),
        part: {"$ref": f"{_SCHEMAS}{schema['title']}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": flow.key}, "bindingVersion": _BINDING}},
    }
