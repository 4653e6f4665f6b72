import re
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from graph.model import Kind
from stream.metrics import Metrics
from stream.recommendations import LIST_IDS, recommendation_id

FORBIDDEN_LABELS = {"user", "user_id", "item", "item_id", "category", "event_id"}


def test_every_metric_has_our_prefix_and_a_meaning() -> None:
    found = list(Metrics().registry.collect())
    assert len(found) > 20
    for family in found:
        assert family.name.startswith("interest_"), family.name
        assert family.documentation.strip(), family.name


def test_refused_events_say_what_they_count_and_by_which_labels() -> None:
    (rejected,) = (f for f in Metrics().registry.collect() if f.name == "interest_events_rejected")
    assert all(word in rejected.documentation for word in ("refused", "stage", "reason"))


def test_no_metric_counts_in_milliseconds() -> None:
    names = [family.name for family in Metrics().registry.collect()]
    assert not [name for name in names if re.search(r"_(ms|millis|milliseconds)(_|$)", name)]


def test_no_label_holds_an_id() -> None:
    metrics = Metrics()
    declared = {label for value in vars(metrics).values() for label in getattr(value, "_labelnames", ())}
    assert declared == {
        "stage",
        "reason",
        "outcome",
        "list",
        "role",
        "server",
        "topic",
        "partition",
        "kind",
        "position",
        "model",
    }
    assert not declared & FORBIDDEN_LABELS


def test_two_processes_of_one_test_run_do_not_share_counts() -> None:
    one, other = Metrics(), Metrics()
    one.applied.inc()
    assert "interest_events_applied_total 1.0" in generate_latest(one.registry).decode()
    assert "interest_events_applied_total 0.0" in generate_latest(other.registry).decode()


def test_rejections_are_counted_by_stage_and_reason() -> None:
    metrics = Metrics()
    metrics.count_rejected("decode", "not_json")
    metrics.count_rejected("decode", "not_json")
    line = 'interest_events_rejected_total{reason="not_json",stage="decode"} 2.0'
    assert line in generate_latest(metrics.registry).decode()


def test_the_promise_is_measured_around_one_second() -> None:
    metrics = Metrics()
    metrics.event_to_publish.observe(0.9)
    text = generate_latest(metrics.registry).decode()
    assert 'interest_event_to_publish_seconds_bucket{le="1.0"} 1.0' in text
    assert 'interest_event_to_publish_seconds_bucket{le="0.75"} 0.0' in text


@pytest.mark.parametrize("changes", ["model_changes", "ranker_changes"])
@pytest.mark.parametrize("outcome", ["swapped", "refused"])
def test_changes_begin_at_zero_so_that_the_first_is_an_increase(changes: str, outcome: str) -> None:
    value = Metrics().registry.get_sample_value(f"interest_{changes}_total", {"outcome": outcome})
    assert value == 0.0


def feedback_by_model(metrics: Metrics, kind: str = "click") -> dict[str, float]:
    """Return the counts of one kind by model, over all lists; models that are shown with none included."""
    found: dict[str, float] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "interest_model_feedback_total" and sample.labels["kind"] == kind:
                found[sample.labels["model"]] = found.get(sample.labels["model"], 0.0) + sample.value
    return found


def click(metrics: Metrics, publication: str) -> None:
    metrics.count_feedback("click", "cross_sell", 1, publication)


def test_feedback_is_counted_by_the_model_of_its_publication_former_ones_included() -> None:
    metrics = Metrics()
    metrics.tell_model("text", "decay/1", "cpu")
    click(metrics, recommendation_id("u1", 1, "decay/1"))
    metrics.tell_model("text", "gru/2", "cpu")
    for user_id in ("u2", "u3"):
        click(metrics, recommendation_id(user_id, 2, "gru/2"))
    click(metrics, recommendation_id("u1", 3, "decay/1"))
    assert feedback_by_model(metrics) == {"other": 0, "decay/1": 2, "gru/2": 2}


def test_what_names_no_model_that_was_told_is_other() -> None:
    metrics = Metrics()
    metrics.tell_model("text", "decay/1", "cpu")
    before_there_were_marks = "0e5751c026e543b2e8ab2eb06099daa1"
    another_workers = recommendation_id("u1", 1, "gru/2")
    forged = recommendation_id("u1", 1, "decay/1")[:-8] + "deadbeef"
    strange = ("decay/1", "-", "x" * 128, "gru/2")
    for publication in (before_there_were_marks, another_workers, forged, *strange):
        click(metrics, publication)
    assert feedback_by_model(metrics) == {"other": 7, "decay/1": 0}


def test_a_models_counts_begin_at_zero_so_that_the_first_is_an_increase() -> None:
    metrics = Metrics()
    metrics.tell_model("text", "decay/1", "cpu")
    for kind in Kind:
        for name in (*LIST_IDS, "other"):
            labels = {"kind": kind.value, "list": name, "model": "decay/1"}
            assert metrics.registry.get_sample_value("interest_model_feedback_total", labels) == 0.0


def test_only_the_latest_models_have_counts() -> None:
    metrics = Metrics()
    for number in (*range(8), 0, 8, 9):  # the first serves again before the ninth comes
        metrics.tell_model("text", f"gru/{number}", "cpu")
        click(metrics, recommendation_id("u1", 1, f"gru/{number}"))
    kept = {f"gru/{number}": 1.0 for number in range(3, 10)} | {"gru/0": 2.0}
    assert feedback_by_model(metrics) == kept | {"other": 0}
    click(metrics, recommendation_id("u1", 1, "gru/1"))
    assert feedback_by_model(metrics) == kept | {"other": 1}


def test_the_operators_guide_knows_every_metric() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "operators.md").read_text(encoding="utf-8")
    suffix = {"counter": "_total", "info": "_info"}
    names = [family.name + suffix.get(family.type, "") for family in Metrics().registry.collect()]
    assert [name for name in names if f"`{name}`" not in guide] == []
    written = set(re.findall(r"`(interest_\w+)`", guide))
    assert written - set(names) == set()
