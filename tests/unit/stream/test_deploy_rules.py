"""The files of ``deploy/`` for Prometheus and Grafana name the metrics that there are, and the alerts of the guide."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.metrics import Metrics
from stream.settings import MetricsSettings

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GUIDE = (ROOT / "docs" / "guides" / "operators.md").read_text(encoding="utf-8")
TARGET_LABELS = {"instance", "job"}
"""What Prometheus itself adds to every series."""


@cache
def exposed() -> dict[str, set[str]]:
    """Return every name that a scrape may find, with its labels."""
    metrics = Metrics()
    metrics.tell_model("text", "user", "cpu")
    metrics.tell_ranker("fixed")
    metrics.tell_for_you("for-you")
    labels = {name: set(c._labelnames) for c in vars(metrics).values() for name in _families(c)}
    names: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        own = labels[family.name]
        match family.type:
            case "histogram":
                names[f"{family.name}_bucket"] = own | {"le"}
                names[f"{family.name}_sum"] = names[f"{family.name}_count"] = own
            case "info":
                names[f"{family.name}_info"] = {label for sample in family.samples for label in sample.labels}
            case "counter":
                names[f"{family.name}_total"] = own
            case _:
                names[family.name] = own
    return names


def _families(collector: Any) -> list[str]:
    return [family.name for family in collector.describe()] if hasattr(collector, "_labelnames") else []


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in rules}
    assert len(found) == len(rules)
    return found


def dashboard() -> dict[str, Any]:
    text = (ROOT / "deploy" / "grafana" / "interestream.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def table(section: str) -> list[list[str]]:
    """Return the cells of the first table of a section of the guide, without its head."""
    _, _, rest = GUIDE.partition(f"\n## {section}\n")
    rows = [line for line in rest.split("\n## ", 1)[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows[1:]]


def one_line(text: str) -> str:
    return " ".join(text.split())


def arguments(expression: str, start: int) -> str:
    """Return what stands between the parenthesis at ``start`` and its partner."""
    depth = 0
    for end in range(start, len(expression)):
        depth += {"(": 1, ")": -1}.get(expression[end], 0)
        if depth == 0:
            return expression[start + 1 : end]
    raise AssertionError(f"a parenthesis is not closed: {expression}")


def mistakes(expression: str) -> list[str]:
    """Return the metrics that there are not, and the labels that their metric has not."""
    found = []
    for name, matchers in re.findall(r"\b(interest_\w+)(?:\{([^}]*)\})?", expression):
        if name not in exposed():
            found.append(f"no metric {name}")
            continue
        wanted = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        found += [f"{name} has no label {label}" for label in sorted(wanted - exposed()[name] - TARGET_LABELS)]
    for grouping in re.finditer(r"\b(?:by|without)\s*\(([^)]*)\)\s*(?=\()", expression):
        grouped = {label.strip() for label in grouping[1].split(",")}
        for name in re.findall(r"\binterest_\w+", arguments(expression, grouping.end())):
            missing = grouped - exposed().get(name, grouped) - TARGET_LABELS
            found += [f"{name} has no label {label}" for label in sorted(missing)]
    return found


def labels_of(expression: str) -> set[str]:
    """Return the labels that a result may have: those grouped by, or else those of its metrics."""
    if outer := re.findall(r"\bby \(([^)]*)\)", expression):
        return {label.strip() for grouping in outer for label in grouping.split(",")}
    return TARGET_LABELS.union(*(exposed()[name] for name in re.findall(r"\binterest_\w+", expression)))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("sum by (le) (rate(interest_event_to_publish_seconds_bucket[5m]))", []),
        ("interest_partitions{role='interest', instance!='a'}", []),
        ("rate(interest_events_applied[5m])", ["no metric interest_events_applied"]),
        ("interest_partitions{rule='interest'}", ["interest_partitions has no label rule"]),
        ("sum by (role, stage) (max(interest_partitions))", ["interest_partitions has no label stage"]),
    ],
)
def test_an_expression_with_a_wrong_name_is_found(expression: str, said: list[str]) -> None:
    assert mistakes(expression) == said


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_complete_and_names_what_there_is(name: str) -> None:
    rule = alerts()[name]
    assert re.fullmatch(r"Interestream([A-Z][a-z]+)+", name)
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "runbook"}
    assert mistakes(rule["expr"]) == []
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert told <= labels_of(rule["expr"])


def test_the_guide_and_the_file_have_the_same_alerts() -> None:
    told = {}
    for name, expression, duration, severity, action in table("Alerts"):
        without_links = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", action)
        told[name.strip("`")] = (expression.strip("`"), duration, severity, without_links)
    filed = {
        name: (one_line(rule["expr"]), rule["for"], rule["labels"]["severity"], rule["annotations"]["runbook"])
        for name, rule in alerts().items()
    }
    assert told == filed


def test_the_guide_leads_to_the_files() -> None:
    links = re.findall(r"\]\((\.\./\.\./deploy/[^)]*)\)", GUIDE)
    files = {(ROOT / "docs" / "guides" / link).resolve() for link in links}
    containers = {ROOT / "deploy" / "compose.yaml", ROOT / "deploy" / "helm" / "values.yaml"}
    monitoring = {path for name in ("prometheus", "grafana") for path in (ROOT / "deploy" / name).iterdir()}
    assert files == monitoring | containers


def test_the_guide_names_the_labels_of_every_metric() -> None:
    wrong = []
    for names, labels, _ in table("Metrics"):
        for name in re.findall(r"`(interest_\w+)`", names):
            own = exposed().get(name) or exposed().get(f"{name}_sum", set())
            if own != set(filter(None, labels.split(", "))):
                wrong.append((name, labels, sorted(own)))
    assert wrong == []


def test_every_role_is_watched() -> None:
    rule = alerts()["InterestreamRoleWithoutOwner"]["expr"]
    watched = re.findall(r'absent\(interest_partitions\{role="(\w+)"\}\)', rule)
    assert watched == ["intake", "interest", "association", "catalogue"]


def test_workers_of_one_machine_are_scraped_where_they_listen() -> None:
    config = yaml.safe_load((PROMETHEUS / "scrape.yml").read_text(encoding="utf-8"))
    assert [(PROMETHEUS / file).is_file() for file in config["rule_files"]] == [True]
    (job,) = config["scrape_configs"]
    (static,) = job["static_configs"]
    default = MetricsSettings()
    assert static["targets"] == [f"{default.host}:{default.port + worker}" for worker in range(len(static["targets"]))]


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_explains_itself_and_names_what_there_is(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert panel["datasource"] == chosen
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == chosen
        assert mistakes(target["expr"]) == []
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels_of(target["expr"])


def test_the_dashboard_lets_one_choose_the_prometheus() -> None:
    assert 36 <= dashboard()["schemaVersion"] <= 39  # Grafana 11.0 has 39; it lifts older ones, and nothing lowers one
    (variable,) = dashboard()["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")


def test_panels_have_ids_and_places_of_their_own() -> None:
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    taken = []
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        taken += [
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
    assert len(set(taken)) == len(taken)


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed()}
    assert [name for name in sorted(families) if name not in shown] == []
