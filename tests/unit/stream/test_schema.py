"""The contracts as JSON Schema: current, and saying what the code does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from graph.model import Kind
from stream.asyncapi import ASYNCAPI_FILE, asyncapi_text, build_asyncapi
from stream.commands.schema import schema
from stream.contracts import Contract, build_schema, schema_file_name, schema_text
from stream.deadletter import DeadLetter, build_dead_letter
from stream.settings import KafkaSettings, SecurityProtocol
from stream.topics import TopicSettings
from stream.trackers import Reason

FOLDER = Path(__file__).parents[3] / "docs" / "schemas"

app = typer.Typer()
app.command()(schema)
runner = CliRunner()


@pytest.mark.parametrize("contract", list(Contract))
def test_the_files_are_current(contract: Contract) -> None:
    written = (FOLDER / schema_file_name(contract)).read_text(encoding="utf-8")
    assert written == schema_text(contract), "run: interestream schema --write docs/schemas"


def test_no_file_is_left_over() -> None:
    files = {schema_file_name(contract) for contract in Contract} | {ASYNCAPI_FILE}
    assert {path.name for path in FOLDER.iterdir()} == files


def test_an_interaction_needs_a_user_and_a_kind_of_ours() -> None:
    found = build_schema(Contract.INTERACTION)
    assert [choice["required"] for choice in found["anyOf"]] == [["user_id"], ["anonymous_id"]]
    assert found["properties"]["kind"]["enum"] == [kind.value for kind in Kind]
    assert set(found["required"]) == {"event_id", "kind", "item_id", "occurred_at"}


def test_a_dead_letters_headers_are_those_of_the_schema() -> None:
    found = build_schema(Contract.DEAD_LETTER)
    letter = DeadLetter("t", 0, 7, "decode", "too_long", "", "m")
    headers = dict(build_dead_letter(letter, None, None, []).headers)
    assert list(headers) == found["required"]
    for name, value in headers.items():
        assert value is not None
        rule: dict[str, Any] = found["properties"][name]
        assert re.search(rule.get("pattern", ""), value.decode())
        assert value.decode() in rule.get("enum", [value.decode()])
    assert set(found["properties"]["dlq.errors.reason"]["enum"]) == set(Reason)


def test_references_can_be_followed() -> None:
    found = build_schema(Contract.RECOMMENDATION)
    for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(found)):
        assert name in found["$defs"]


def test_one_contract_is_printed_alone_and_all_by_name() -> None:
    one = runner.invoke(app, ["catalogue"])
    assert json.loads(one.stdout) == build_schema(Contract.CATALOGUE)
    every = runner.invoke(app, ["--json"])
    assert list(json.loads(every.stdout.splitlines()[-1])) == [contract.value for contract in Contract]


def test_the_files_are_written_where_asked(tmp_path: Path) -> None:
    assert runner.invoke(app, ["--write", str(tmp_path)]).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {schema_file_name(contract) for contract in Contract}
    assert runner.invoke(app, ["--write", str(tmp_path / "none")]).exit_code == 2
    assert runner.invoke(app, ["--asyncapi", "--write", str(tmp_path)]).exit_code == 0
    assert json.loads((tmp_path / ASYNCAPI_FILE).read_text(encoding="utf-8"))["asyncapi"] == "3.0.0"


def test_the_asyncapi_file_is_current() -> None:
    written = (FOLDER / ASYNCAPI_FILE).read_text(encoding="utf-8")
    current = asyncapi_text(KafkaSettings(), TopicSettings())
    assert written == current, "run: interestream schema --asyncapi --write docs/schemas"


def test_asyncapi_holds_every_topic_of_others_as_the_broker_has_it() -> None:
    topics = TopicSettings(partitions=32, replication_factor=3, recommendations="shop.lists")
    channels = build_asyncapi(KafkaSettings(), topics)["channels"]
    expected = {topic.role: topic for topic in topics.table() if not topic.internal}
    assert channels.keys() == expected.keys()
    assert channels["recommendations"]["address"] == "shop.lists"
    for role, channel in channels.items():
        found = channel["bindings"]["kafka"]
        assert (found["topic"], found["partitions"], found["replicas"]) == (expected[role].name, 32, 3)
        config = expected[role].config()
        for name, value in found["topicConfiguration"].items():
            assert config[name] == (",".join(value) if isinstance(value, list) else str(value))


def test_asyncapi_says_whose_turn_it_is() -> None:
    operations = build_asyncapi(KafkaSettings(), TopicSettings())["operations"]
    received = {name for name, operation in operations.items() if operation["action"] == "receive"}
    assert received == {"receive_interactions", "receive_catalogue"}
    assert len(operations) == 6


def test_references_of_asyncapi_can_be_followed() -> None:
    document = build_asyncapi(KafkaSettings(), TopicSettings())
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
    assert len(references) > 30
    for reference in references:
        found: Any = document
        for part in reference.split("/"):
            found = found[part]
        assert isinstance(found, dict)


def test_a_message_of_asyncapi_is_its_contract() -> None:
    components = build_asyncapi(KafkaSettings(), TopicSettings())["components"]
    for contract in Contract:
        message = components["messages"][contract.value]
        part = "headers" if contract is Contract.DEAD_LETTER else "payload"
        schema = components["schemas"][message[part]["$ref"].rsplit("/", 1)[1]]
        assert schema["required"] == build_schema(contract)["required"]


@pytest.mark.parametrize(
    ("mechanism", "kind"), [("SCRAM-SHA-512", "scramSha512"), ("PLAIN", "plain"), ("OTHER", "userPassword")]
)
def test_asyncapi_names_brokers_and_how_to_speak_to_them_but_no_secret(mechanism: str, kind: str) -> None:
    kafka = KafkaSettings(
        bootstrap_servers="a.shop:9093, b.shop:9093",
        security_protocol=SecurityProtocol.SASL_SSL,
        sasl_mechanism=mechanism,
        sasl_username="someone",
        sasl_password=SecretStr("hidden"),
    )
    document = build_asyncapi(kafka, TopicSettings())
    servers = document["servers"].values()
    assert [server["host"] for server in servers] == ["a.shop:9093", "b.shop:9093"]
    assert {server["protocol"] for server in servers} == {"kafka-secure"}
    assert document["components"]["securitySchemes"] == {"sasl": {"type": kind}}
    assert "hidden" not in json.dumps(document)
    assert "someone" not in json.dumps(document)


def test_one_contract_and_all_of_them_are_too_much_at_once() -> None:
    assert runner.invoke(app, ["signal", "--asyncapi"]).exit_code == 2
