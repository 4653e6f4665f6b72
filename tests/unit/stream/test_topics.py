import pytest
from typer.testing import CliRunner

from stream.admin import ActualTopic, DifferenceKind, compare_topics
from stream.commands.topics import app
from stream.servers.ports import LOOPBACK, free_port
from stream.topics import MAX_MESSAGE_BYTES, Topic, TopicSettings

pytestmark = pytest.mark.usefixtures("no_settings_in_environment")

TABLE = TopicSettings(partitions=4).table()


def as_wanted(*, extra: dict[str, str] | None = None) -> dict[str, ActualTopic]:
    return {topic.name: ActualTopic(topic.partitions, {**topic.config(), **(extra or {})}) for topic in TABLE}


def topic(role: str) -> Topic:
    return next(topic for topic in TABLE if topic.role == role)


def test_nothing_differs_where_all_is_as_it_should_be() -> None:
    assert compare_topics(TABLE, as_wanted()) == []


def test_what_the_table_does_not_mention_is_not_ours() -> None:
    actual = as_wanted(extra={"min.insync.replicas": "2"})
    assert compare_topics(TABLE, {**actual, "someone-elses": ActualTopic(1, {})}) == []


def test_a_missing_topic_is_one_difference() -> None:
    actual = as_wanted()
    del actual[topic("items").name]
    [difference] = compare_topics(TABLE, actual)
    assert (difference.topic, difference.kind, difference.applies) == (
        topic("items").name,
        DifferenceKind.MISSING,
        True,
    )


@pytest.mark.parametrize(("role", "mend"), [("bundles", "new names"), ("interactions", "new topic")])
def test_partitions_are_for_people_to_mend(role: str, mend: str) -> None:
    wrong = topic(role)
    actual = {**as_wanted(), wrong.name: ActualTopic(6, wrong.config())}
    [difference] = compare_topics(TABLE, actual)
    assert (difference.kind, difference.expected, difference.actual) == (DifferenceKind.PARTITIONS, "4", "6")
    assert not difference.applies
    assert "topics.partitions to 6" in difference.mend
    assert mend in difference.mend


def test_each_wrong_or_unset_key_is_a_difference() -> None:
    wrong = topic("recommendations")
    config = {**wrong.config(), "cleanup.policy": "delete"}
    del config["segment.ms"]
    differences = compare_topics(TABLE, {**as_wanted(), wrong.name: ActualTopic(4, config)})
    assert {(d.key, d.expected, d.actual) for d in differences} == {
        ("cleanup.policy", "compact", "delete"),
        ("segment.ms", wrong.config()["segment.ms"], ""),
    }
    assert all(d.applies for d in differences)


def test_the_largest_event_fits_every_topic() -> None:
    assert {topic.config()["max.message.bytes"] for topic in TABLE} == {str(MAX_MESSAGE_BYTES)}


def test_an_absent_broker_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.admin._CONNECT_SECONDS", 0.5)
    server = f"{LOOPBACK}:{free_port()}"
    variables = {"INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS": server}
    ended = CliRunner().invoke(app, ["plan", "--json"], env=variables)
    assert ended.exit_code == 3
    assert f"error: no broker answers at {server}" in ended.stderr


def test_settings_that_cannot_be_used_are_exit_code_2() -> None:
    variables = {"INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS": "broker.example:9092"}
    ended = CliRunner().invoke(app, ["apply"], env=variables)
    assert ended.exit_code == 2
    assert "security_protocol" in ended.stderr
