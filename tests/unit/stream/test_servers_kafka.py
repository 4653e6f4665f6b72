from pathlib import Path

from stream.servers.kafka import KafkaServer, escape_property
from stream.servers.neo4j import Neo4jServer
from stream.topics import MAX_MESSAGE_BYTES

HERE = Path("/home/someone")


def kafka(**options: object) -> KafkaServer:
    return KafkaServer(HERE, HERE / "jars", Path("java"), port=19092, controller_port=19093, **options)  # type: ignore[arg-type]


def test_the_broker_listens_on_loopback_and_makes_no_topics() -> None:
    properties = kafka().broker_properties()
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert properties["auto.create.topics.enable"] == "false"
    assert int(properties["message.max.bytes"]) >= MAX_MESSAGE_BYTES


def test_given_properties_win_and_the_protocol_names_the_listener() -> None:
    properties = kafka(protocol="SASL_SSL", properties={"num.io.threads": "9"}).broker_properties()
    assert properties["num.io.threads"] == "9"
    assert properties["listeners"].startswith("SASL_SSL://127.0.0.1:19092,")
    assert "SASL_SSL:SASL_SSL" in properties["listener.security.protocol.map"]


def test_the_class_path_reaches_java_with_its_asterisk() -> None:
    command = kafka(jvm_options=("-Dours=1",))._java_command(("Main",))
    assert command[command.index("-cp") + 1] == f"{HERE / 'jars'}/*"
    assert command[-1] == "Main"
    assert command.index("-Dours=1") < command.index("-cp")


def test_properties_are_spelled_in_ascii() -> None:
    assert escape_property("/srv/é 𝄞\\") == "/srv/\\u00e9 \\ud834\\udd1e\\\\"


def test_neo4j_listens_on_loopback_and_calls_nobody() -> None:
    server = Neo4jServer(HERE, HERE / "jars", Path("java"), bolt_port=17687, http_port=17474, password="p" * 8)
    properties = server.server_properties()
    listening = {value for key, value in properties.items() if key.endswith("listen_address")}
    assert {value.split(":")[0] for value in listening} == {"127.0.0.1"}
    assert properties["dbms.usage_report.enabled"] == "false"
    assert "https:" not in properties["dbms.security.http_static_content_security_policy_header"]
    assert (server.uri, server.browser_url) == ("bolt://127.0.0.1:17687", "http://127.0.0.1:17474/browser/")
