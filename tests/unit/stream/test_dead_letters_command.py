"""``interestream dead-letters`` against a broker in this process."""

from typing import Any

import pytest
import typer
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from stream.commands.dead_letters import dead_letters
from stream.deadletter import DeadLetter, build_dead_letter
from stream.deadletter_summary import VALUE_CHARACTERS
from stream.settings import Settings
from stream.trackers import EXPLANATIONS, Reason
from tests.unit.stream.command_output import json_of

NOON = 1_800_014_400_000
VALUE = b'{"user_id":"ana@example.com"'

app = typer.Typer()
app.command()(dead_letters)


def produce(settings: Settings, *letters: dict[str, Any]) -> None:
    """Produce letters, a second apart, over all partitions; each as the one about offset 0, 1, …, unless changed."""
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    for offset, changes in enumerate(letters):
        said = {"stage": "decode", "reason": "not_json", "field": "", "message": "JSON is malformed"} | changes
        value = said.pop("value", VALUE)
        letter = DeadLetter(settings.topics.interactions, 2, offset, **said)
        record = build_dead_letter(letter, b"ana@example.com", value, [("traceparent", b"00")])
        place = {"partition": offset % 4, "timestamp": NOON + 1000 * offset}
        producer.produce(settings.topics.dead_letters, record.value, record.key, headers=record.headers, **place)
    assert producer.flush(10) == 0


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "1000"})


def shown(*arguments: str) -> dict[str, Any]:
    return json_of(run(*arguments, "--json"))


def test_letters_are_counted_by_reason_stage_and_field(broker: Settings) -> None:
    entry = {"reason": "out_of_range", "message": "must be >= 0"}
    produce(
        broker,
        entry | {"field": "properties.products[2].price"},
        {"stage": "catalogue"},
        {},
        entry | {"field": "properties.products[11].price"},
        {},
        {},
    )
    found = shown()
    assert [tuple(kind.values()) for kind in found["counts"]] == [
        ("not_json", "decode", "", 3),
        ("out_of_range", "decode", "properties.products[].price", 2),
        ("not_json", "catalogue", "", 1),
    ]
    assert (found["topic"], found["letters"], found["not_selected"]) == (broker.topics.dead_letters, 6, 0)
    assert "          2  out_of_range (decode): properties.products[].price\n" in run().stdout


def test_the_latest_come_first_with_reason_place_and_mend(broker: Settings) -> None:
    produce(broker, *[{}] * 9, {"reason": "too_long", "field": "item_id", "message": "must have at most 128"})
    latest = shown("--limit", "3")["latest"]
    assert [letter["offset"] for letter in latest] == [9, 8, 7]
    mend = EXPLANATIONS[Reason.TOO_LONG].mend
    assert latest[0] == {
        "at": "2027-01-15T12:00:09.000Z",
        "reason": "too_long",
        "stage": "decode",
        "field": "item_id",
        "message": "must have at most 128",
        "mend": mend,
        "topic": broker.topics.interactions,
        "partition": 2,
        "offset": 9,
    }
    said = run("--limit", "3").stdout
    assert f"  2027-01-15T12:00:09.000Z  too_long  {broker.topics.interactions}/2@9\n" in said
    assert f"             item_id: must have at most 128; {mend}\n" in said
    assert shown("--limit", "0")["latest"] == []


def test_letters_are_chosen_by_stage_and_reason(broker: Settings) -> None:
    produce(broker, {}, {"reason": "too_long"}, {"reason": "too_long", "stage": "catalogue"})
    found = shown("--reason", "too_long", "--stage", "decode")
    assert (found["letters"], found["not_selected"]) == (1, 2)
    assert [letter["offset"] for letter in found["latest"]] == [1]
    assert "1 dead letter selected, 2 not\n" in run("--reason", "too_long", "--stage", "decode").stdout
    none = run("--reason", "not_utf8")
    assert (none.exit_code, none.stdout) == (0, f"{broker.topics.dead_letters}: no dead letters selected, 3 not\n")


@pytest.mark.parametrize("option", ["--reason", "--stage"])
def test_a_code_that_there_is_none_of_is_refused(option: str) -> None:
    result = run(option, "nonsense")
    assert result.exit_code == 2
    assert ("'too_long'" if option == "--reason" else "'catalogue'") in result.stderr


def test_values_are_shown_when_asked_for_alone(broker: Settings) -> None:
    produce(broker, {})
    assert "ana" not in run().stdout
    assert "ana" not in run("--json").stdout
    assert "value" not in shown()["latest"][0]
    assert shown("--values")["latest"][0]["value"] == VALUE.decode()
    assert VALUE.decode() in run("--values").stdout


def test_values_are_cut_and_cannot_move_the_cursor(broker: Settings) -> None:
    produce(broker, {"value": None}, {"value": b"\x1b[2J\xff\n"}, {"value": "é".encode() * 1_000})
    assert [letter["value"] for letter in shown("--values")["latest"]] == [
        "é" * VALUE_CHARACTERS + "…",
        "\x1b[2J\\xff\n",
        None,
    ]
    said = run("--values").stdout
    assert "\x1b" not in said
    assert "             \\x1b[2J\\xff\\n\n" in said
    assert "             (no value)\n" in said


def test_what_somebody_else_wrote_to_the_topic_is_counted_and_escaped(broker: Settings) -> None:
    producer = Producer({"bootstrap.servers": broker.kafka.bootstrap_servers})
    producer.produce(broker.topics.dead_letters, b"no headers")
    names = ("topic", "partition", "offset", "stage", "reason", "field", "message")
    forged = dict.fromkeys(names, "\x1b[2J") | {"partition": "0", "offset": "1"}
    headers: list[tuple[str, Any]] = [(f"dlq.errors.{name}", text.encode()) for name, text in forged.items()]
    producer.produce(broker.topics.dead_letters, b"", headers=headers)
    assert producer.flush(10) == 0
    found = shown()
    assert (found["letters"], found["not_a_dead_letter"], found["latest"][0]["mend"]) == (1, 1, "")
    said = run().stdout
    assert "1  not ours" in said
    assert "\x1b" not in said


def test_an_empty_topic_has_no_dead_letters(broker: Settings) -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (0, f"{broker.topics.dead_letters}: no dead letters\n")
    assert shown()["counts"] == []


def test_a_missing_topic_names_the_command_that_creates_it(broker: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_TOPICS__DEAD_LETTERS", "elsewhere")
    result = run()
    assert result.exit_code == 1
    assert "no topic elsewhere; create it with `interestream topics apply`" in result.stderr


def test_a_broker_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("stream.sender._ANSWER_SECONDS", 0.5)
    result = run()
    assert result.exit_code == 3
    assert "127.0.0.1:1" in result.stderr


def test_plaintext_beyond_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "kafka.example.com:9092")
    result = run()
    assert result.exit_code == 2
    assert "SASL_SSL" in result.stderr
