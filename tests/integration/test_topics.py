"""``interestream topics`` against a real broker."""

import json
import time

import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from stream.admin import (
    AdminError,
    BrokerAway,
    DifferenceKind,
    TopicDifference,
    admin_client,
    apply_topics,
    plan_topics,
    topic_ids,
    wait_for_broker,
)
from stream.commands.topics import app
from stream.servers.ports import LOOPBACK, free_port
from stream.settings import Settings


def kinds(differences: list[TopicDifference]) -> set[DifferenceKind]:
    return {difference.kind for difference in differences}


def with_topics(settings: Settings, **changes: int | str) -> Settings:
    return settings.model_copy(update={"topics": settings.topics.model_copy(update=changes)})


def environment(settings: Settings) -> dict[str, str]:
    topics = {
        f"INTERESTREAM_TOPICS__{name.upper()}": str(value) for name, value in settings.topics.model_dump().items()
    }
    return {"INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers, **topics}


def test_apply_makes_what_plan_misses(kafka_settings: Settings) -> None:
    missing = plan_topics(kafka_settings)
    assert [difference.topic for difference in missing] == [topic.name for topic in kafka_settings.topics.table()]
    assert kinds(missing) == {DifferenceKind.MISSING}

    assert apply_topics(kafka_settings) == missing

    assert plan_topics(kafka_settings) == []
    assert apply_topics(kafka_settings) == []


def test_apply_alters_configuration(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings)
    changed = with_topics(kafka_settings, interactions_retention_days=3)
    differences = plan_topics(changed)
    assert {(d.topic, d.key, d.expected) for d in differences} == {
        (name, "retention.ms", str(3 * 86_400_000))
        for name in (changed.topics.interactions, changed.topics.bundles, changed.topics.transitions)
    }
    apply_topics(changed)
    assert plan_topics(changed) == []


def test_partition_counts_are_reported_and_never_changed(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings)
    larger = with_topics(kafka_settings, partitions=kafka_settings.topics.partitions + 1)
    differences = apply_topics(larger)
    assert kinds(differences) == {DifferenceKind.PARTITIONS}
    assert not any(difference.applies for difference in differences)
    assert all(f"topics.partitions to {kafka_settings.topics.partitions}" in d.mend for d in differences)
    assert plan_topics(kafka_settings) == []
    assert plan_topics(larger) == differences


def test_a_topic_made_anew_has_another_id(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings)
    names = [topic.name for topic in kafka_settings.topics.table()]
    before = topic_ids(kafka_settings, names)
    assert len(set(before.values())) == len(names)
    recreate(admin_client(kafka_settings), kafka_settings, names[0])
    after = topic_ids(kafka_settings, names)
    assert {name for name in names if before[name] != after[name]} == {names[0]}


def recreate(admin: AdminClient, settings: Settings, name: str) -> None:
    admin.delete_topics([name])[name].result(timeout=30)
    deadline = time.monotonic() + 30
    while plan_topics(settings) == []:
        assert time.monotonic() < deadline, "the topic does not go away"
    apply_topics(settings)


def test_the_id_of_an_unknown_topic_is_an_error(kafka_settings: Settings) -> None:
    with pytest.raises(AdminError, match="no-such-topic"):
        topic_ids(kafka_settings, ["no-such-topic"])


def test_an_absent_broker_is_named(kafka_settings: Settings) -> None:
    port = free_port()
    kafka = kafka_settings.kafka.model_copy(update={"bootstrap_servers": f"{LOOPBACK}:{port}"})
    with pytest.raises(BrokerAway, match=str(port)):
        wait_for_broker(kafka_settings.model_copy(update={"kafka": kafka}), 0.5)


def test_waiting_for_a_broker_that_answers_takes_no_time(kafka_settings: Settings) -> None:
    started = time.monotonic()
    wait_for_broker(kafka_settings, 60)
    assert time.monotonic() - started < 30


def test_the_command_tells_scripts_what_differs(kafka_settings: Settings) -> None:
    runner, variables = CliRunner(), environment(kafka_settings)
    plan = runner.invoke(app, ["plan", "--json"], env=variables)
    assert plan.exit_code == 1
    differences = json.loads(plan.stdout.splitlines()[-1])["differences"]
    assert [d["kind"] for d in differences] == ["missing"] * len(kafka_settings.topics.table())

    applied = runner.invoke(app, ["apply", "--json"], env=variables)
    assert applied.exit_code == 0
    assert json.loads(applied.stdout.splitlines()[-1])["left"] == []

    again = runner.invoke(app, ["plan", "--json"], env=variables)
    assert (again.exit_code, json.loads(again.stdout.splitlines()[-1])) == (0, {"differences": []})


def test_the_command_tells_people_what_to_do(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings)
    fewer = environment(with_topics(kafka_settings, partitions=2, interactions_retention_days=1))
    applied = CliRunner().invoke(app, ["apply"], env=fewer)
    assert applied.exit_code == 1
    assert "retention.ms = 86400000 (was 604800000)" in applied.stdout
    assert "partitions is 4, should be 2; set topics.partitions to 4" in applied.stdout


def test_more_replicas_than_brokers_is_the_brokers_refusal(kafka_settings: Settings) -> None:
    with pytest.raises(AdminError, match=kafka_settings.topics.interactions):
        apply_topics(with_topics(kafka_settings, replication_factor=3))
