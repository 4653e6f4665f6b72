"""The image, ``compose.yaml`` and the chart name the settings, versions and ports that there are."""

import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.settings import ENVIRONMENT_PREFIX, MetricsSettings, SettingsError, check_security, load_settings
from stream.topics import MAX_MESSAGE_BYTES

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = ("topics", "worker")

_INTERPOLATED = re.compile(r"\$\{(?P<name>\w+):\?(?P<message>[^}]+)\}")


def version_in_pom(server: str) -> str:
    """Return the version that ``interestream up`` starts."""
    pom = ElementTree.parse(DEPLOY / "local" / server / "pom.xml")  # noqa: S314
    found = pom.find(f".//{{*}}{server}.version")
    assert found is not None
    return str(found.text)


def set_variables(monkeypatch: pytest.MonkeyPatch, service: str, **given: str) -> None:
    """Set what a container would find in its environment; ``given`` is what its user exported."""
    for name, value in SERVICES[service]["environment"].items():
        asked = _INTERPOLATED.fullmatch(value)
        monkeypatch.setenv(name, given[asked["name"]] if asked else value)


@pytest.mark.parametrize("service", OURS)
def test_the_settings_of_containers_are_settings(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    set_variables(monkeypatch, service, NEO4J_PASSWORD="of the user", INTERESTREAM_INSECURE="true")
    settings = load_settings()
    check_security(settings)
    assert settings.kafka.bootstrap_servers == "kafka:19092"
    assert settings.neo4j.password.get_secret_value() == "of the user"


def test_nothing_insecure_starts_unless_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in OURS:
        asked = _INTERPOLATED.fullmatch(SERVICES[service]["environment"][f"{ENVIRONMENT_PREFIX}INSECURE"])
        assert asked is not None, "without the variable nothing may start"
        assert "plaintext" in asked["message"]
    set_variables(monkeypatch, "worker", NEO4J_PASSWORD="of the user", INTERESTREAM_INSECURE="false")
    with pytest.raises(SettingsError, match="insecure"):
        check_security(load_settings())


def test_only_this_machine_reaches_what_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("service", OURS)
def test_our_containers_may_do_little(service: str) -> None:
    ours = SERVICES[service]
    assert (ours["read_only"], ours["cap_drop"]) == (True, ["ALL"])
    assert ours["security_opt"] == ["no-new-privileges:true"]


def test_the_servers_are_those_that_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"].endswith(f":{version_in_pom('kafka')}")
    assert SERVICES["neo4j"]["image"].endswith(f":{version_in_pom('neo4j')}-community")


def properties(service: str, prefix: str) -> set[str]:
    """Return the server's settings that its image makes of the environment: one underscore a dot, two one."""
    names = {name.removeprefix(prefix) for name in SERVICES[service]["environment"] if name.startswith(prefix)}
    return {name.replace("__", " ").replace("_", ".").replace(" ", "_") for name in names}


def test_the_broker_and_the_graph_are_given_settings_that_they_know(tmp_path: Path) -> None:
    """Those that `interestream up` sets, too: a broker ignores a misspelt name, Neo4j does not start."""
    java = Path("java")
    broker = KafkaServer(tmp_path, tmp_path, java, port=9092, controller_port=9093)
    given = {name.lower() for name in properties("kafka", "KAFKA_")} - {"heap.opts"}
    assert given <= broker.broker_properties().keys()
    graph = Neo4jServer(tmp_path, tmp_path, java, bolt_port=7687, http_port=7474, password="")
    heap = {"server.memory.heap.initial_size", "server.memory.heap.max_size"}  # `up` says it to Java
    assert properties("neo4j", "NEO4J_") - {"AUTH"} - heap <= graph.server_properties().keys()


def test_the_broker_takes_the_largest_message() -> None:
    broker = SERVICES["kafka"]["environment"]
    assert broker["KAFKA_MESSAGE_MAX_BYTES"] == broker["KAFKA_REPLICA_FETCH_MAX_BYTES"] == MAX_MESSAGE_BYTES


def test_a_worker_is_asked_where_it_listens_and_given_time_to_end() -> None:
    worker, metrics = SERVICES["worker"], MetricsSettings()
    assert f"http://{metrics.host}:{metrics.port}/healthz" in worker["healthcheck"]["test"][-1]
    assert int(worker["stop_grace_period"].removesuffix("s")) > 30


def test_the_image_holds_the_packages_and_its_context_nothing_else() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.MULTILINE) for word in line.split()}
    assert "*" in ignored
    assert copied == kept == {*PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], *kept - _packages()}


def _packages() -> set[str]:
    return {each.name for each in ROOT.iterdir() if (each / "__init__.py").is_file()}


def test_the_image_runs_as_nobody_in_particular() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    values = (DEPLOY / "helm" / "templates" / "_pod.tpl").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert re.findall(r"run(?:AsUser|AsGroup): (\d+)", values) == [user, user]
    variables = re.findall(rf"\b({ENVIRONMENT_PREFIX}\w+)=", dockerfile)
    assert variables == [f"{ENVIRONMENT_PREFIX}WORKER__STATE_DIR"]


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((DEPLOY / "helm" / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == PROJECT["project"]["version"]
