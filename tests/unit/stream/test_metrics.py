import re
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from stream.metrics import Metrics

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


def test_the_operators_guide_knows_every_metric() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "operators.md").read_text(encoding="utf-8")
    suffix = {"counter": "_total", "info": "_info"}
    names = [family.name + suffix.get(family.type, "") for family in Metrics().registry.collect()]
    assert [name for name in names if f"`{name}`" not in guide] == []
    written = set(re.findall(r"`(interest_\w+)`", guide))
    assert written - set(names) == set()
