import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from confluent_kafka import KafkaError, KafkaException
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from encoders.settings import DeviceName, EncoderSettings, TextEncoderName
from graph.memory_store import MemoryGraphStore
from graph.store import Refused, StoreError, Unavailable
from stream.admin import AdminError, DifferenceKind, TopicDifference
from stream.commands.doctor import doctor
from stream.diagnosis import broker, encoding, examination, machine
from stream.diagnosis import graph as graph_check
from stream.diagnosis.examination import Check, examine
from stream.diagnosis.finding import Finding, Verdict, failed, ok, warning
from stream.diagnosis.ranking import check_ranker
from stream.diagnosis.security import check_exposure, check_transport
from stream.embedded import EmbeddedBroker
from stream.ranker_file import load_weights
from stream.settings import KafkaSettings, MetricsSettings, Neo4jSettings, Settings, StoreName, WorkerSettings
from stream.topics import TopicSettings

SECRET = "correct horse battery staple"

app = typer.Typer()
app.command()(doctor)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def verdicts(findings: Sequence[Finding]) -> list[str]:
    return [finding.verdict.value for finding in findings]


def only(findings: Sequence[Finding]) -> Finding:
    (finding,) = findings
    if finding.verdict is not Verdict.OK:
        assert finding.mend, "what is not ok comes with its mend"
    return finding


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """Replace all checks by those that the test appends."""
    checks: list[Check] = []
    monkeypatch.setattr(examination.examine, "__defaults__", (checks,))
    return checks


def test_findings_are_listed_with_their_mend(checks: list[Check]) -> None:
    checks.append(Check("a", lambda _: [ok("disk", "much room"), warning("text model", "hashing", "set it")]))
    result = run()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ok       disk: much room",
        "warning  text model: hashing",
        "           set it",
    ]


def test_a_failure_ends_with_1_and_json_says_so(checks: list[Check]) -> None:
    checks.append(Check("a", lambda _: [failed("broker", "away", "start it"), ok("disk", "room")]))
    result = run("--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "findings": [
            {"check": "broker", "verdict": "failed", "message": "away", "mend": "start it"},
            {"check": "disk", "verdict": "ok", "message": "room", "mend": ""},
        ],
    }


def test_wrong_settings_end_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_METRICS__PORT", "-1")
    result = run()
    assert result.exit_code == 2
    assert "metrics.port" in result.output


def test_what_needs_a_broken_check_is_not_tried() -> None:
    def never(_: Settings) -> list[Finding]:
        raise AssertionError("there is no broker to ask")

    checks = [
        Check("broker", lambda _: [failed("broker", "away", "start it")]),
        Check("topics", never, ("broker",)),
        Check("disk", lambda _: [ok("disk", "room")]),
    ]
    assert verdicts(list(examine(Settings(), checks))) == ["failed", "ok"]


def test_no_finding_holds_a_secret() -> None:
    settings = Settings(
        kafka=KafkaSettings(sasl_password=SecretStr(SECRET)),
        neo4j=Neo4jSettings(password=SecretStr("tr0ub4dor&3")),
    )

    def tells(_: Settings) -> list[Finding]:
        return [failed("x", f"sent {SECRET} to bolt://neo4j:hunter2@127.0.0.1", "do not use tr0ub4dor&3")]

    (finding,) = examine(settings, [Check("x", tells)])
    assert finding.message == "sent ******** to bolt://********@127.0.0.1"
    assert finding.mend == "do not use ********"


# -- security ---------------------------------------------------------------------------------------------------------

REMOTE = KafkaSettings(bootstrap_servers="kafka.shop:9092")


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        (Settings(), "ok"),
        (Settings(kafka=REMOTE), "failed"),
        (Settings(kafka=REMOTE, insecure=True), "warning"),
        (Settings(neo4j=Neo4jSettings(uri="bolt://graph.shop:7687")), "failed"),
        (Settings(insecure=True), "warning"),
    ],
)
def test_plaintext_beyond_loopback(settings: Settings, verdict: str) -> None:
    assert only(check_transport(settings)).verdict == verdict


def test_who_can_read_the_metrics_and_guess_the_pseudonyms() -> None:
    assert verdicts(check_exposure(Settings())) == ["ok", "ok"]
    everywhere = MetricsSettings(host="0.0.0.0")  # noqa: S104 - the very thing that is warned of
    short = Settings(metrics=everywhere, pseudonym_key=SecretStr("shop"))
    assert verdicts(check_exposure(short)) == ["warning", "warning"]
    assert verdicts(check_exposure(Settings(pseudonym_key=SecretStr("x" * 32)))) == ["ok", "ok"]


# -- this machine -----------------------------------------------------------------------------------------------------


def with_state_dir(folder: Path) -> Settings:
    return Settings(worker=WorkerSettings(state_dir=folder))


def test_a_state_folder_that_can_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert only(machine.check_state_dir(with_state_dir(folder))).verdict == Verdict.OK
    assert not folder.exists()


def test_a_state_folder_that_is_a_file_is_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert only(machine.check_state_dir(with_state_dir(file))).verdict == Verdict.FAILED


def test_a_state_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    finding = only(machine.check_state_dir(with_state_dir(tmp_path)))
    assert (finding.verdict, "another user" in finding.message) == (Verdict.FAILED, True)


@pytest.mark.parametrize(("free", "verdict"), [(5_000_000, "failed"), (500_000_000, "warning"), (2_000_000_000, "ok")])
def test_disk_space(free: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert only(machine.check_state_dir(with_state_dir(tmp_path))).verdict == verdict


def test_a_taken_metrics_port_is_no_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = only(machine.check_port(Settings(metrics=MetricsSettings(port=port))))
        assert (finding.verdict, "is taken" in finding.message) == (Verdict.OK, True)
    assert "is free" in only(machine.check_port(Settings(metrics=MetricsSettings(port=port)))).message


# -- Kafka ------------------------------------------------------------------------------------------------------------


def test_a_broker_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as embedded:
        kafka = KafkaSettings(bootstrap_servers=embedded.bootstrap_servers)
        assert only(broker.check_broker(Settings(kafka=kafka))).message.startswith("1 broker at 127.0.0.1:")
        three = Settings(kafka=kafka, topics=TopicSettings(replication_factor=3))
        assert only(broker.check_broker(three)).verdict == Verdict.FAILED
    monkeypatch.setattr(broker, "_ANSWER_SECONDS", 0.3)
    away = only(broker.check_broker(Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))))
    assert (away.verdict, "127.0.0.1:1" in away.message) == (Verdict.FAILED, True)


def difference(kind: DifferenceKind, key: str = "") -> TopicDifference:
    return TopicDifference("t", kind, key, "compact", "delete", kind is not DifferenceKind.PARTITIONS, "the mend")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (difference(DifferenceKind.MISSING), "failed"),
        (difference(DifferenceKind.CONFIG, "cleanup.policy"), "failed"),
        (difference(DifferenceKind.CONFIG, "retention.ms"), "warning"),
        (difference(DifferenceKind.PARTITIONS), "warning"),
    ],
)
def test_differences_of_topics(found: TopicDifference, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "plan_topics", lambda settings: [found])
    finding = only(broker.check_topics(Settings()))
    assert (finding.verdict, finding.check) == (verdict, "topic t")


def test_topics_as_they_should_be_and_topics_nobody_can_tell_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "plan_topics", lambda settings: [])
    assert only(broker.check_topics(Settings())).verdict == Verdict.OK

    def refuse(_: Settings) -> list[TopicDifference]:
        raise AdminError("t: not authorised")

    monkeypatch.setattr(broker, "plan_topics", refuse)
    assert only(broker.check_topics(Settings())).message == "t: not authorised"


class Groups:
    """An admin client whose broker tells of groups; a number of answers say that it has only just started."""

    def __init__(self, members: Mapping[str, int], not_yet: int = 0) -> None:
        self._members = members
        self._not_yet = not_yet

    def describe_consumer_groups(self, groups: Sequence[str], **_: object) -> dict[str, Future[SimpleNamespace]]:
        (group,) = groups
        answer: Future[SimpleNamespace] = Future()
        self._not_yet -= 1
        if self._not_yet >= 0:
            answer.set_exception(KafkaException(KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)))
        else:
            answer.set_result(SimpleNamespace(members=[None] * self._members.get(group, 0)))
        return {group: answer}


def test_roles_that_nobody_has_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_POLL_SECONDS", 0.0)
    members = {"interestream-intake": 1, "interestream-interest": 2, "interestream-catalogue": 1}
    monkeypatch.setattr(broker, "admin_client", lambda settings: Groups(members, not_yet=2))
    finding = only(broker.check_workers(Settings()))
    assert (finding.verdict, finding.message) == (Verdict.WARNING, "nobody has the role association")
    everybody = {**members, "interestream-association": 1}
    monkeypatch.setattr(broker, "admin_client", lambda settings: Groups(everybody))
    found = only(broker.check_workers(Settings()))
    assert found == ok(
        "workers",
        "intake 1, interest 2, association 1, catalogue 1 (a worker that stopped counts for up to 15 s)",
    )


def test_a_broker_that_does_not_tell_of_groups_is_no_failure() -> None:
    with EmbeddedBroker() as embedded:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
        assert only(broker.check_workers(settings)).verdict == Verdict.WARNING


# -- the graph --------------------------------------------------------------------------------------------------------


class Failing(MemoryGraphStore):
    """A store whose start fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.closed = False

    async def start(self) -> None:
        raise self.error

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (Unavailable("refused\n connection"), "start Neo4j"),
        (Refused("unauthorized"), "neo4j.password"),
        (StoreError("the server refused a statement"), "log"),
    ],
)
def test_a_graph_that_cannot_be_read(error: Exception, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Failing(error)
    monkeypatch.setattr(graph_check, "open_store", lambda settings, patience: store)
    finding = only(graph_check.check_graph(Settings()))
    assert finding.verdict == Verdict.FAILED
    assert mend in finding.mend
    assert "\n" not in finding.message
    assert store.closed


def test_a_missing_password_is_mended_by_setting_one(monkeypatch: pytest.MonkeyPatch) -> None:
    error = Refused("neo4j.password is not set, and bolt://x wants one; set INTERESTREAM_NEO4J__PASSWORD")
    monkeypatch.setattr(graph_check, "open_store", lambda settings, patience: Failing(error))
    finding = only(graph_check.check_graph(Settings()))
    assert finding.message == "neo4j.password is not set, and bolt://x wants one"
    assert finding.mend == "set INTERESTREAM_NEO4J__PASSWORD"


def test_a_graph_that_is_away_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = Settings().neo4j.uri
    error = Unavailable(f"{uri}: Couldn't connect to 127.0.0.1:7687: Connection refused")
    monkeypatch.setattr(graph_check, "open_store", lambda settings, patience: Failing(error))
    finding = only(graph_check.check_graph(Settings()))
    assert finding.message == f"{uri} is away (Couldn't connect to 127.0.0.1:7687: Connection refused)"


def test_a_graph_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_check, "open_store", lambda settings, patience: MemoryGraphStore())
    assert "no user yet" in only(graph_check.check_graph(Settings())).message
    assert only(graph_check.check_graph(Settings(store=StoreName.MEMORY))).verdict == Verdict.WARNING


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Settings, MemoryGraphStore]]:
    """A broker with all topics, and a graph that nobody has touched yet."""
    store = MemoryGraphStore()
    monkeypatch.setattr(graph_check, "open_store", lambda settings, patience: store)
    with EmbeddedBroker() as embedded:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
        embedded.create_topics(settings.topics)
        yield settings, store


def build(settings: Settings, store: MemoryGraphStore, partitions: int) -> None:
    """Do what the first worker does."""
    internal = [topic.name for topic in settings.topics.table() if topic.internal]
    asyncio.run(store.ensure_schema(dict.fromkeys(internal, partitions)))
    asyncio.run(store.claim({f"{settings.topics.bundles}/0": "owner"}))


def test_a_graph_that_no_worker_has_built_stays_as_it_is(built: tuple[Settings, MemoryGraphStore]) -> None:
    settings, store = built
    assert "no worker has been here yet" in only(graph_check.check_schema(settings)).message
    asyncio.run(store.ensure_schema({settings.topics.bundles: 77}))  # nothing was recorded that contradicts it


def test_a_graph_with_the_partition_counts_of_today(built: tuple[Settings, MemoryGraphStore]) -> None:
    build(*built, partitions=4)
    assert only(graph_check.check_schema(built[0])).verdict == Verdict.OK


def test_a_graph_with_other_partition_counts(built: tuple[Settings, MemoryGraphStore]) -> None:
    build(*built, partitions=8)
    finding = only(graph_check.check_schema(built[0]))
    assert finding.verdict == Verdict.FAILED
    assert "has 4 partitions, but this graph was built with 8" in finding.message


# -- encoders ---------------------------------------------------------------------------------------------------------

Encoding = Callable[..., dict[str, Finding]]


@pytest.fixture
def examined() -> Encoding:
    def of(**settings: Any) -> dict[str, Finding]:
        encoder = EncoderSettings(**{"text": TextEncoderName.HASHING, "device": DeviceName.CPU, **settings})
        return {finding.check: finding for finding in encoding.check_encoders(Settings(encoder=encoder))}

    return of


def test_everything_a_worker_loads_is_loaded(examined: Encoding) -> None:
    found = examined()
    assert set(found) == {"device", "text model", "projection", "user model", "derived categories", "micro-topics"}
    assert found["text model"].verdict == Verdict.WARNING
    assert [f.verdict for name, f in found.items() if name != "text model"] == [Verdict.OK] * 5
    assert found["device"].message.startswith("cpu, ")


def test_derived_categories_say_where_they_are_from(
    examined: Encoding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "load_categories", lambda settings, text: SimpleNamespace(paths=["Mugs"]))
    assert examined()["derived categories"].message == "1, built in"
    file = tmp_path / "categories.safetensors"
    assert examined(categories_file=file)["derived categories"].message == f"1, from {file}"


def test_a_missing_text_model_is_named(examined: Encoding, tmp_path: Path) -> None:
    found = examined(text=TextEncoderName.TRANSFORMERS, text_model_dir=tmp_path / "absent")
    assert found["text model"].verdict == Verdict.FAILED
    assert str(tmp_path / "absent") in found["text model"].message


def test_one_broken_file_does_not_hide_the_other(examined: Encoding, tmp_path: Path) -> None:
    broken = tmp_path / "categories.safetensors"
    broken.write_bytes(b"not tensors")
    found = examined(categories_file=broken, micro_topics_file=broken, user_model_dir=tmp_path)
    assert found["micro-topics"].verdict == Verdict.FAILED
    assert found["derived categories"].verdict == Verdict.FAILED
    assert found["user model"].verdict == Verdict.FAILED
    assert str(broken.with_suffix("")) in found["derived categories"].message


def test_the_ranker_is_named_and_a_file_that_cannot_be_used_too(tmp_path: Path) -> None:
    (fixed,) = check_ranker(Settings())
    assert (fixed.verdict, fixed.message) == (Verdict.OK, load_weights(Settings().graph).version)
    path = tmp_path / "ranker.json"
    path.write_text("{}")
    (broken,) = check_ranker(Settings.model_validate({"graph": {"ranking": {"learned_file": path}}}))
    assert broken.verdict == Verdict.FAILED
    assert str(path) in broken.message
    assert "train ranker" in broken.mend


def test_a_gpu_that_is_not_there_is_named(examined: Encoding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = examined(device=DeviceName.CUDA)
    assert found["device"].verdict == Verdict.FAILED
    assert "set it to auto or cpu" in found["device"].mend
    assert found["user model"].verdict == Verdict.OK
