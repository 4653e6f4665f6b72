"""``interestream replay`` against librdkafka's broker in this process: what arrives, and what is said of it."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from typer.testing import CliRunner, Result

from stream.commands.replay import parse_rate, replay
from stream.deadletter import DeadLetter, build_dead_letter
from stream.partitioning import partition_of
from stream.sender import Pacer
from stream.settings import TrackerSettings
from stream.topics import MAX_MESSAGE_BYTES, TopicSettings
from stream.trackers import Reason, Stage, decode

TOPICS = TopicSettings()
GOOD = b'{"event_id":"e%d","kind":"view","user_id":"u%d","item_id":"i1","occurred_at":1700000000000}'

app = typer.Typer()
app.command()(replay)
runner = CliRunner()


class Broker:
    """A broker of its own for each test, with the topics of the product."""

    def __init__(self) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (node,) = self._cluster.list_topics(timeout=10).brokers.values()
        self.address = f"{node.host}:{node.port}"
        self.producer = Producer({"bootstrap.servers": self.address, "log_level": 0})
        for topic in (TOPICS.interactions, TOPICS.catalogue, TOPICS.dead_letters):
            self.producer.list_topics(topic, timeout=10)  # this broker creates what it is asked for

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
        self.producer.produce(topic, value, key, headers=list(headers))
        assert self.producer.flush(10) == 0

    def read(self, topic: str) -> list[Any]:
        """Return every message of a topic, in order within each partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "test",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        unread = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
        messages = []
        while unread:
            message = consumer.poll(10)
            assert message is not None, "the broker fell silent"
            if message.error() is None:
                messages.append(message)
            else:
                unread.discard(message.partition())
        consumer.close()
        return messages


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", broker.address)
    yield broker
    broker.producer.flush(1)


def run(*arguments: object) -> tuple[Result, dict[str, Any]]:
    result = runner.invoke(app, [*map(str, arguments), "--json"])
    return result, json.loads(result.stdout.splitlines()[-1]) if result.stdout else {}


def write_lines(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_lines_arrive_byte_for_byte_keyed_and_partitioned_by_user(broker: Broker, tmp_path: Path) -> None:
    lines = [GOOD % (n, n % 7) for n in range(50)] + [b"not json"]
    result, figures = run(write_lines(tmp_path, lines))
    assert result.exit_code == 0
    assert (figures["sent"], figures["delivered"], figures["failed"]) == (51, 51, 0)
    messages = broker.read(TOPICS.interactions)
    assert sorted(message.value() for message in messages) == sorted(lines)
    partitions = len(
        broker.producer.list_topics(TOPICS.interactions, timeout=10).topics[TOPICS.interactions].partitions
    )
    for message in messages:
        if message.key():
            assert message.partition() == partition_of(message.key().decode(), partitions)
    for user in range(7):
        mine = [m.value() for m in messages if m.key() == b"u%d" % user]
        assert mine == [line for line in lines if b'"u%d"' % user in line]


def test_rows_go_to_the_catalogue(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,category_path\ni1,Mug,Kitchen > Mugs\n")
    result, figures = run(path, "--catalogue")
    assert (result.exit_code, figures["delivered"]) == (0, 1)
    (message,) = broker.read(TOPICS.catalogue)
    assert (message.key(), json.loads(message.value())["category"]) == (b"i1", ["Kitchen", "Mugs"])
    assert broker.read(TOPICS.interactions) == []


def test_events_are_not_sent_to_the_catalogue(broker: Broker, tmp_path: Path) -> None:
    path = write_lines(tmp_path, [b'{"item_id":"i1","title":"Mug"}', GOOD % (1, 1), GOOD % (2, 2)])
    result, _ = run(path, "--catalogue")
    assert result.exit_code == 2
    assert "line 2: event_id: together with occurred_at this is an event, not a catalogue row" in result.stderr
    assert "leave out --catalogue" in result.stderr
    assert [message.key() for message in broker.read(TOPICS.catalogue)] == [b"i1"]


def test_a_catalogue_is_not_sent_as_events(broker: Broker, tmp_path: Path) -> None:
    result, _ = run(write_lines(tmp_path, [b'{"item_id":"i1","title":"Mug"}']))
    assert result.exit_code == 2
    assert "line 1: an item with a title, but no event_id, kind or occurred_at" in result.stderr
    assert "say --catalogue" in result.stderr
    assert broker.read(TOPICS.interactions) == []


def test_a_limit_stops_and_a_rate_slows(broker: Broker, tmp_path: Path) -> None:
    path = write_lines(tmp_path, [GOOD % (n, n) for n in range(100)])
    result, figures = run(path, "--limit", "6", "--rate", "20/s")
    assert (result.exit_code, figures["delivered"]) == (0, 6)
    assert figures["seconds"] >= 0.25  # the sixth is due after five twentieths of a second


def test_times_of_a_csv_can_be_shifted(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("event_id,user_id,item_id,type,ts_ms\ne0,u,i,view,86400000\n")
    run(path, "--shift-days", "10000")
    (message,) = broker.read(TOPICS.interactions)
    (interaction,) = decode(message.value(), record_at=0, now=2**42, settings=TrackerSettings()).interactions
    assert interaction.occurred_at == 10_001 * 86_400_000


def test_a_message_too_large_is_told_and_the_rest_is_sent(broker: Broker, tmp_path: Path) -> None:
    path = write_lines(tmp_path, [GOOD % (0, 0), b"x" * (MAX_MESSAGE_BYTES + 1), GOOD % (1, 1)])
    result, figures = run(path)
    assert result.exit_code == 1
    assert (figures["delivered"], figures["too_large"]) == (2, 1)


def test_a_file_that_breaks_off_is_told_and_what_was_read_is_delivered(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"event_id,user_id,item_id,type,ts_ms\ne0,u,i,view,1700000000000\ne1,\xff,i,view,1\n")
    result, _ = run(path)
    assert result.exit_code == 2
    assert "line 3" in result.stderr
    assert len(broker.read(TOPICS.interactions)) == 1


def letter(broker: Broker, n: int, value: bytes, *, topic: str = TOPICS.interactions, **changes: Any) -> None:
    said = {"stage": "decode", "reason": "wrong_type", "field": "price", "message": "m"} | changes
    record = build_dead_letter(DeadLetter(topic, 0, n, **said), b"u%d" % n, value, [("traceparent", b"00")])
    broker.send(TOPICS.dead_letters, record.key, record.value, record.headers)


def test_dead_letters_go_back_as_they_came(broker: Broker) -> None:
    letter(broker, 1, b"not json")
    letter(broker, 2, b"", topic=TOPICS.catalogue, stage="catalogue")
    result, figures = run("--from-dlq")
    assert (result.exit_code, figures["delivered"], figures["skipped"]) == (0, 2, {})
    (message,) = broker.read(TOPICS.interactions)
    assert (message.key(), message.value(), message.headers()) == (b"u1", b"not json", [("traceparent", b"00")])
    (message,) = broker.read(TOPICS.catalogue)
    assert (message.key(), message.value()) == (b"u2", b"")


def test_dead_letters_are_chosen_by_stage_and_reason(broker: Broker) -> None:
    letter(broker, 1, b"a")
    letter(broker, 2, b"b", reason="too_long")
    letter(broker, 3, b"c", stage="catalogue", reason="too_long")
    result, figures = run("--from-dlq", "--stage", "decode", "--reason", "too_long")
    assert (result.exit_code, figures["delivered"], figures["skipped"]) == (0, 1, {"not_selected": 2})
    assert [message.value() for message in broker.read(TOPICS.interactions)] == [b"b"]


def test_only_what_is_accepted_now_goes_back_when_asked(broker: Broker) -> None:
    letter(broker, 1, GOOD % (1, 1))
    letter(broker, 2, b"not json")
    letter(broker, 3, b"not json either", reason="too_long")
    letter(broker, 4, b"{}", reason="wrong_type")
    result, figures = run("--from-dlq", "--mended")
    assert (result.exit_code, figures["delivered"], figures["skipped"]) == (0, 1, {"still_refused": 3})
    assert figures["still_refused"] == {"not_json": 2, "missing_field": 1}  # today's reason, not the letter's
    said = runner.invoke(app, ["--from-dlq", "--mended"]).stdout
    assert "  3 skipped: still_refused: not_json 2, missing_field 1\n" in said


def test_a_dead_letter_cannot_choose_any_topic(broker: Broker) -> None:
    letter(broker, 1, b"a", topic="payments")
    broker.send(TOPICS.dead_letters, None, b"no headers")
    oversize = build_dead_letter(
        DeadLetter(TOPICS.interactions, 0, 3, "decode", "too_large", "", "m"), b"u", b"x" * 9_000, [], 8_000
    )
    broker.send(TOPICS.dead_letters, oversize.key, oversize.value, oversize.headers)
    gone = build_dead_letter(DeadLetter(TOPICS.interactions, 0, 4, "apply", "unappliable", "", "m"), None, None, [])
    broker.send(TOPICS.dead_letters, gone.key, gone.value, gone.headers)
    result, figures = run("--from-dlq")
    assert (result.exit_code, figures["delivered"]) == (0, 0)
    assert figures["skipped"] == {"unknown_topic": 1, "not_a_dead_letter": 1, "incomplete": 2}
    assert broker.read(TOPICS.interactions) == []


class FailingProducer:
    """Takes messages, has the topics, and delivers only the first."""

    def __init__(self) -> None:
        self._queue: list[Any] = []
        self._delivered = False

    def list_topics(self, timeout: float) -> Any:
        return type("Metadata", (), {"topics": {TOPICS.interactions: None}})

    def produce(self, topic: str, value: bytes, key: bytes, headers: object, on_delivery: Any) -> None:
        self._queue.append(on_delivery)

    def poll(self, timeout: float) -> int:
        for report in self._queue:
            report(KafkaError(KafkaError._MSG_TIMED_OUT) if self._delivered else None, None)
            self._delivered = True
        self._queue.clear()
        return 0

    flush = poll


def test_a_delivery_that_fails_stops_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.commands.replay.make_producer", lambda settings: FailingProducer())
    result, figures = run(write_lines(tmp_path, [GOOD % (n, n) for n in range(10)]))
    assert result.exit_code == 3
    assert (figures["sent"], figures["delivered"], figures["failed"]) == (2, 1, 1)
    assert "1 not delivered" in result.stderr


def interrupt_at(delivery: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ctrl-C pressed while the client calls back for this delivery, counted from 1."""
    left = iter(range(delivery, 0, -1))

    @contextmanager
    def progress_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
        def step() -> None:
            if next(left, None) == 1:
                signal.raise_signal(signal.SIGINT)

        yield step

    monkeypatch.setattr("stream.commands.replay.progress_bar", progress_bar)


@pytest.mark.parametrize("options", [[], ["--rate", "50/s"]])
def test_an_interrupt_says_how_far_it_came(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    interrupt_at(3, monkeypatch)
    result, figures = run(write_lines(tmp_path, [GOOD % (n, n) for n in range(500)]), *options)
    assert result.exit_code == 130
    assert figures["interrupted"]
    assert figures["sent"] < 500 or not options
    assert 3 <= figures["delivered"] == len(broker.read(TOPICS.interactions))
    said = f"stopped: {figures['delivered']:,} of about 500 messages delivered; sending the file again is harmless"
    assert said in result.stderr


def test_an_interrupt_while_dead_letters_are_sent(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    letter(broker, 1, b"a")
    interrupt_at(1, monkeypatch)
    result, _ = run("--from-dlq")
    assert result.exit_code == 130
    assert "stopped: 1 message delivered; sending the dead letters again is harmless" in result.stderr


class AwayProducer(FailingProducer):
    """Takes messages, delivers none, and meets Ctrl-C in every call that waits."""

    def poll(self, timeout: float) -> int:
        signal.raise_signal(signal.SIGINT)
        return len(self._queue)

    flush = poll


@pytest.mark.parametrize("options", [[], ["--rate", "1/s"]])
def test_a_second_interrupt_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setattr("stream.commands.replay.make_producer", lambda settings: AwayProducer())
    result, figures = run(write_lines(tmp_path, [GOOD % (n, n) for n in range(10)]), *options)
    assert result.exit_code == 130
    assert (figures["delivered"], figures["interrupted"]) == (0, True)
    assert "stopped: 0 of about 10 messages delivered" in result.stderr


def test_no_dead_letters_is_nothing_to_do(broker: Broker) -> None:
    result, figures = run("--from-dlq")
    assert (result.exit_code, figures["delivered"]) == (0, 0)


def test_a_missing_topic_names_the_command_that_creates_it(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTREAM_TOPICS__INTERACTIONS", "elsewhere")
    result, _ = run(write_lines(tmp_path, [GOOD % (0, 0)]))
    assert result.exit_code == 1
    assert "no topic elsewhere; create it with `interestream topics apply`" in result.stderr


def test_a_broker_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("stream.sender._ANSWER_SECONDS", 0.5)
    result, _ = run(write_lines(tmp_path, [GOOD % (0, 0)]))
    assert result.exit_code == 3
    assert "127.0.0.1:1" in result.stderr
    assert "INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["events.jsonl", "--from-dlq"],
        ["events.jsonl", "--reason", "too_long"],
        ["events.jsonl", "--mended"],
        ["events.jsonl", "--rate", "fast"],
        ["events.jsonl", "--rate", "0/s"],
        ["events.jsonl", "--limit", "0"],
    ],
)
def test_options_that_make_no_sense_are_usage_errors(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from-dlq", "--reason", "nonsense"], [f"'{reason}'" for reason in Reason]),
        (["--from-dlq", "--stage", "nonsense"], [f"'{stage}'" for stage in Stage]),
        (["--reason", "too_long"], ["--reason needs --from-dlq"]),
        (["events.jsonl", "--stage", "decode", "--mended"], ["--stage and --mended need --from-dlq"]),
        (["events.jsonl", "--from-dlq"], ["name a file, or --from-dlq, and not both"]),
    ],
)
def test_what_is_wrong_with_the_options_is_said(arguments: list[str], said: list[str]) -> None:
    result = runner.invoke(app, arguments, env={"COLUMNS": "1000"})
    assert result.exit_code == 2
    assert [text for text in said if text not in result.stderr] == []


def test_plaintext_beyond_loopback_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "kafka.example.com:9092")
    result, _ = run(write_lines(tmp_path, [GOOD % (0, 0)]))
    assert result.exit_code == 2
    assert "SASL_SSL" in result.stderr


def test_a_rate_is_read_with_and_without_its_unit() -> None:
    assert (parse_rate("500/s"), parse_rate("500"), parse_rate(" 0.5/s ")) == (500.0, 500.0, 0.5)


def test_the_pacer_waits_until_a_message_is_due_and_never_otherwise() -> None:
    pacer = Pacer(10.0, now=100.0)
    assert pacer.wait_seconds(0, 100.0) == 0
    assert pacer.wait_seconds(5, 100.0) == pytest.approx(0.5)
    assert pacer.wait_seconds(5, 103.0) == 0
    assert Pacer(None, now=100.0).wait_seconds(10**9, 100.0) == 0
