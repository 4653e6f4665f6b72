"""``deploy/helm``, rendered by Helm itself: what Kubernetes would be given, and what a wrong value is told."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stream.servers.errors import JarsMissing, ToolMissing
from stream.servers.maven import fetch_jars, jar_cache
from stream.settings import CONFIG_FILE_VARIABLE, MetricsSettings, SecurityProtocol, load_settings
from tests.conftest import not_tested

pytestmark = pytest.mark.servers

CHART = Path(__file__).parents[2] / "deploy" / "helm"
HELM = Path(__file__).parent / "helm"
NEEDED: dict[str, Any] = {
    "image": {"repository": "registry.shop/interestream"},
    "secretName": "interestream",
    "settings": {"kafka": {"bootstrap_servers": "kafka.shop:9093"}, "neo4j": {"uri": "neo4j+s://graph.shop"}},
}
"""What a shop has to say, and nothing else."""

Helm = Callable[..., subprocess.CompletedProcess[str]]
Rendered = dict[str, Any]


@pytest.fixture(scope="module")
def helm(pytestconfig: pytest.Config, java: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Run one of Helm's commands."""
    try:
        jars = fetch_jars(HELM / "pom.xml", jar_cache())
    except (ToolMissing, JarsMissing) as error:
        not_tested(pytestconfig, f"THE HELM CHART WAS NOT TESTED: {error}")
    compiler = java.resolve().with_name("javac")
    if not compiler.is_file():
        not_tested(pytestconfig, f"THE HELM CHART WAS NOT TESTED: {compiler} is missing, {java} is of no JDK")
    classes = tmp_path_factory.mktemp("helm")
    subprocess.run([compiler, "--class-path", f"{jars}/*", "-d", classes, HELM / "Helm.java"], check=True, timeout=120)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(java), "--class-path", f"{classes}:{jars}/*", "Helm", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def render(helm: Helm, tmp_path: Path) -> Callable[..., list[Rendered]]:
    """Render the chart with what is needed and ``values``, hooks too; no field may be unknown to Kubernetes."""

    def run(**values: Any) -> list[Rendered]:
        chart = tmp_path / "chart"
        shutil.copytree(CHART, chart, dirs_exist_ok=True)
        for template in (chart / "templates").glob("*.yaml"):  # the library returns no hooks
            lines = template.read_text(encoding="utf-8").splitlines(keepends=True)
            template.write_text("".join(line for line in lines if "helm.sh/hook" not in line), encoding="utf-8")
        written = tmp_path / "values.yaml"
        written.write_text(yaml.safe_dump({**NEEDED, **values}), encoding="utf-8")
        ended = helm("template", chart, written)
        assert ended.returncode == 0, ended.stderr
        rendered = list(filter(None, yaml.safe_load_all(ended.stdout)))
        for each in rendered:
            if each["kind"] != "PodMonitor":  # of the Prometheus Operator, which Kubernetes does not know
                kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
        return rendered

    return run


def only(rendered: list[Rendered], kind: str) -> Rendered:
    """Return the one object of a kind."""
    (found,) = (each for each in rendered if each["kind"] == kind)
    return found


def container(workload: Rendered) -> Rendered:
    """Return a workload's container."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(workload: Rendered) -> dict[str, str]:
    """Return the variables that the chart itself sets."""
    return {each["name"]: each["value"] for each in container(workload)["env"]}


def test_helm_finds_no_fault(helm: Helm, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for key, value in NEEDED.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    (chart / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    ended = helm("lint", chart)
    assert ended.returncode == 0, ended.stderr


def test_the_settings_are_those_that_a_worker_reads(
    render: Callable[..., list[Rendered]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**NEEDED["settings"], "graph": {"lists": {"size": 8}}, "topics": {"partitions": 32}}
    (written,) = (each for each in render(settings=settings) if each["kind"] == "ConfigMap")
    file = tmp_path / "settings.toml"
    file.write_text(written["data"]["settings.toml"], encoding="utf-8")
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(file))
    monkeypatch.setenv("INTERESTREAM_NEO4J__PASSWORD", "of the secret")
    read = load_settings()
    assert read.kafka.bootstrap_servers == "kafka.shop:9093"
    assert read.kafka.security_protocol is SecurityProtocol.SASL_SSL
    assert (read.topics.partitions, read.topics.replication_factor, read.graph.lists.size) == (32, 3, 8)


def test_a_worker_comes_back_under_its_name_and_may_do_little(render: Callable[..., list[Rendered]]) -> None:
    workers = only(render(), "StatefulSet")
    pod, worker = workers["spec"]["template"]["spec"], container(workers)
    assert worker["args"] == ["worker"]
    assert worker["envFrom"] == [{"secretRef": {"name": "interestream"}}]
    # Else a Service named interestream would put INTERESTREAM_PORT among the settings, where unknown ones are refused.
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert worker["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] > 30  # within which a worker ends by itself


def test_the_endpoint_listens_on_loopback_unless_it_is_exposed(render: Callable[..., list[Rendered]]) -> None:
    default = MetricsSettings()
    hidden = only(render(), "StatefulSet")
    assert "INTERESTREAM_METRICS__HOST" not in environment(hidden)
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert f"http://{default.host}:{default.port}{path}" in container(hidden)[probe]["exec"]["command"][-1]
    rendered = render(metrics={"exposed": True, "podMonitor": True})
    exposed = only(rendered, "StatefulSet")
    assert environment(exposed)["INTERESTREAM_METRICS__HOST"] == "0.0.0.0"  # noqa: S104
    assert container(exposed)["ports"] == [{"name": "metrics", "containerPort": default.port}]
    assert container(exposed)["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    monitor = only(rendered, "PodMonitor")["spec"]
    assert monitor["podMetricsEndpoints"] == [{"port": "metrics"}]
    assert monitor["selector"]["matchLabels"].items() <= exposed["spec"]["template"]["metadata"]["labels"].items()


def test_topics_are_applied_on_request_by_whom_the_shop_names(render: Callable[..., list[Rendered]]) -> None:
    assert all(each["kind"] != "Job" for each in render())
    rendered = render(topics={"apply": True, "secretName": "operator"}, caSecretName="authorities")
    job, workers = only(rendered, "Job"), only(rendered, "StatefulSet")
    assert container(job)["args"] == ["topics", "apply"]
    assert container(job)["envFrom"] == [{"secretRef": {"name": "operator"}}]
    mounted = {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}
    name = mounted["settings"]["configMap"]["name"]
    (own,) = (each for each in rendered if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", name))
    assert own["data"]["settings.toml"]
    assert mounted["ca"] == {"name": "ca", "secret": {"secretName": "authorities"}}
    # Else the service of the workers would count the job's pod among them.
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not workers["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_models_are_mounted_for_reading(render: Callable[..., list[Rendered]]) -> None:
    workers = only(render(models={"claimName": "models"}), "StatefulSet")
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in container(workers)["volumeMounts"]
    claim = {"claimName": "models", "readOnly": True}
    assert {"name": "models", "persistentVolumeClaim": claim} in workers["spec"]["template"]["spec"]["volumes"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"secretName": ""}, "/secretName"),
        ({"replicas": "many"}, "/replicas"),
        ({"replica": 3}, "replica"),
        ({"image": {}}, "/image/repository"),
        ({"settings": {**NEEDED["settings"], "neo4j": {"uri": "graph.shop:7687"}}}, "/settings/neo4j/uri"),
        ({"settings": {**NEEDED["settings"], "neo4j": {"uri": "bolt+s://g", "password": "x"}}}, "password"),
        ({"metrics": {"podMonitor": True}}, "metrics.exposed"),
    ],
)
def test_a_wrong_value_is_named(helm: Helm, tmp_path: Path, values: dict[str, Any], field: str) -> None:
    written = tmp_path / "values.yaml"
    written.write_text(yaml.safe_dump({**NEEDED, **values}), encoding="utf-8")
    ended = helm("template", CHART, written)
    assert ended.returncode == 1
    assert field in ended.stderr
