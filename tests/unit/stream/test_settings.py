from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from stream.settings import (
    CONFIG_FILE_VARIABLE,
    KafkaSettings,
    Neo4jSettings,
    SecurityProtocol,
    Settings,
    SettingsError,
    StoreName,
    check_security,
    is_loopback,
    load_settings,
)
from stream.topics import MAX_MESSAGE_BYTES, Cleanup, TopicSettings


def test_the_defaults_work_on_one_machine() -> None:
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.neo4j.uri == "bolt://127.0.0.1:7687"
    check_security(settings)


def test_the_environment_reaches_every_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:19092")
    monkeypatch.setenv("interestream_graph__interest__half_life_seconds", "60")
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "127.0.0.1:19092"
    assert settings.graph.interest.half_life_seconds == 60.0


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "interestream.toml"
    file.write_text('[kafka]\nbootstrap_servers = "file:1"\ngroup_prefix = "from-file"\n', encoding="utf-8")
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(file))
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "environment:1")
    kafka = load_settings().kafka
    assert (kafka.bootstrap_servers, kafka.group_prefix) == ("environment:1", "from-file")


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("INTERESTREAM_KAFKER__BOOTSTRAP_SERVERS", "x", "INTERESTREAM_KAFKER__BOOTSTRAP_SERVERS"),
        ("INTERESTREAM_KAFKA__BOOTSTRAP_SERVER", "x", "INTERESTREAM_KAFKA__BOOTSTRAP_SERVER "),
        ("INTERESTREAM_GRAPH__INTEREST__HALF_LIFE_SECONDS", "0", "graph.interest.half_life_seconds"),
        ("INTERESTREAM_METRICS__PORT", "65536", "metrics.port"),
        ("INTERESTREAM_TOPICS__PARTITIONS", "many", "topics.partitions"),
        ("INTERESTREAM_STORE", "sqlite", "store"),
    ],
)
def test_a_wrong_key_or_value_is_named(variable: str, value: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=named):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("INTERESTREAM_WORKER__PATIENCE", "did you mean INTERESTREAM_WORKER__PATIENCE_SECONDS? "),
        ("interestream_worker__patience", "did you mean INTERESTREAM_WORKER__PATIENCE_SECONDS? "),
        ("INTERESTREAM_GRAPH__LISTS__NEW_ITEM", "did you mean INTERESTREAM_GRAPH__LISTS__NEW_ITEMS? "),
        ("INTERESTREAM_KAFKER__BOOTSTRAP_SERVERS", "did you mean INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS? "),
        ("INTERESTREAM_WORKER__PATIENCE__SECONDS", "did you mean INTERESTREAM_WORKER__PATIENCE_SECONDS? "),
        ("INTERESTREAM_GRAPH__LIST__NEW_ITEMS", "did you mean INTERESTREAM_GRAPH__LISTS__NEW_ITEMS? "),
        ("INTERESTREAM_WORKER__XYZ", ""),
        ("INTERESTREAM_XYZ", ""),
    ],
)
def test_an_unknown_variable_is_named_with_the_one_that_is_near(
    variable: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value) == f"{variable} is not a setting; {said}`interestream config` lists them"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[worker]\npatience = 3\n", "worker.patience is not a setting; did you mean worker.patience_seconds? "),
        ("[worker]\nxyz = 3\n", "worker.xyz is not a setting; "),
        ("insecur = true\n", "insecur is not a setting; did you mean insecure? "),
    ],
)
def test_an_unknown_key_of_the_file_is_named_with_the_one_that_is_near(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "interestream.toml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(file))
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value) == f"{said}`interestream config` lists them"


def test_every_wrong_key_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_METRICS__PORT", "-1")
    monkeypatch.setenv("INTERESTREAM_WORKER__MAX_BATCH_EVENTS", "0")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert len(str(error.value).splitlines()) == 2


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(tmp_path / "absent.toml"))
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load_settings()


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "interestream.toml"
    file.write_text("[kafka]\nservers = 'x'\n", encoding="utf-8")
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(file))
    with pytest.raises(SettingsError, match=r"kafka\.servers"):
        load_settings()


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().insecure = True  # type: ignore[misc]  # the very thing that must fail


def test_secrets_do_not_show_in_a_representation() -> None:
    settings = Settings(neo4j=Neo4jSettings(password=SecretStr("hunter2")))
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("localhost", True),
        ("[::1]", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - the very thing that is not loopback
        ("10.0.0.1", False),
        ("kafka", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_plaintext_kafka_beyond_loopback_is_refused() -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:9092, kafka.shop:9092")
    with pytest.raises(SettingsError, match=r"kafka\.shop is beyond loopback.*SASL_SSL.*insecure"):
        check_security(Settings(kafka=kafka))
    check_security(Settings(kafka=kafka, insecure=True))
    check_security(Settings(kafka=kafka.model_copy(update={"security_protocol": SecurityProtocol.SSL})))


@pytest.mark.parametrize("uri", ["bolt://graph.shop:7687", "neo4j://graph.shop", "neo4j://graph.shop/db"])
def test_plaintext_neo4j_beyond_loopback_is_refused(uri: str) -> None:
    with pytest.raises(SettingsError, match=r"neo4j\.uri: graph\.shop"):
        check_security(Settings(neo4j=Neo4jSettings(uri=uri)))
    check_security(Settings(neo4j=Neo4jSettings(uri=uri), store=StoreName.MEMORY))
    check_security(Settings(neo4j=Neo4jSettings(uri=uri.replace("://", "+s://"))))


def test_an_encrypted_neo4j_that_may_be_anybody_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"does not check who answers; use bolt\+s://"):
        check_security(Settings(neo4j=Neo4jSettings(uri="bolt+ssc://graph.shop:7687")))
    check_security(Settings(neo4j=Neo4jSettings(uri="bolt+ssc://127.0.0.1:7687")))


def test_an_address_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_NEO4J__URI", "bolt://neo4j:hunter2@127.0.0.1:7687")
    with pytest.raises(SettingsError, match=r"neo4j\.uri: .*set neo4j\.user and neo4j\.password") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_authorities_need_encryption_and_a_file(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    with pytest.raises(ValidationError, match=r"only bolt\+s:// and neo4j\+s:// check a certificate"):
        Neo4jSettings(uri="bolt://127.0.0.1:7687", ssl_ca_file=pem)
    graph = Settings(neo4j=Neo4jSettings(uri="neo4j+s://graph.shop", ssl_ca_file=pem))
    broker = Settings(kafka=KafkaSettings(security_protocol=SecurityProtocol.SSL, ssl_ca_file=pem))
    for settings, name in ((graph, "neo4j"), (broker, "kafka")):
        with pytest.raises(SettingsError, match=rf"{name}\.ssl_ca_file: .*ca\.pem is not a file"):
            check_security(settings)
    pem.touch()
    check_security(graph)
    check_security(broker)


def test_plaintext_neo4j_on_an_ipv6_loopback_is_allowed() -> None:
    check_security(Settings(neo4j=Neo4jSettings(uri="bolt://[::1]:7687")))


def test_the_table_has_ten_topics_with_names_from_the_settings() -> None:
    table = TopicSettings(interactions="a.b", partitions=3).table()
    assert len({topic.name for topic in table}) == 10
    assert {topic.partitions for topic in table} == {3}
    assert next(topic for topic in table if topic.role == "interactions").name == "a.b"


def test_what_is_compacted_lets_erased_users_go() -> None:
    for topic in TopicSettings().table():
        config = topic.config()
        assert config["max.message.bytes"] == str(MAX_MESSAGE_BYTES)
        if topic.cleanup is Cleanup.COMPACT:
            assert "retention.ms" not in config
            assert int(config["max.compaction.lag.ms"]) <= 86_400_000
        else:
            assert int(config["retention.ms"]) > 0
