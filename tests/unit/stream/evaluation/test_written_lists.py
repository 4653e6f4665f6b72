"""From the worker's written lists a stranger computes what the JSON says of them."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stream.commands.evaluate import evaluate
from tests.unit.stream.evaluation.small_shops import with_sessions, write_relations, write_shop

app = typer.Typer()
app.command()(evaluate)

WORKERS = {"worker": "worker", "trained_worker": "trained-worker"}
LISTS = ("cross-sell", "up-sell")
ENVIRONMENT = {"INTERESTREAM_ENCODER__TEXT": "hashing"}
DELAYS = ("1 minute late", "1 hour late", "1 day late")

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What the call printed as JSON, and the folder it wrote its lists to."""

    found: dict[str, Any]
    folder: Path
    events: Path
    items: Path

    def rows(self, *names: str) -> list[Row]:
        path = self.folder / ".".join(["lists", *names, "jsonl"])
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("written")
    events, items = write_shop(folder)
    options = ["--events", str(events), "--items", str(items), "--cases", "100", "--worker", "400", "--train"]
    more = ["--relations", str(write_relations(folder, items)), "--write-lists", str(folder / "lists.jsonl"), "--json"]
    ended = CliRunner().invoke(app, [*options, *more], env=ENVIRONMENT)
    assert ended.exit_code == 0, ended.output
    return Run(json.loads(ended.stdout.splitlines()[-1]), folder, events, items)


def figures_of(rows: list[tuple[list[str], list[str]]]) -> dict[str, float]:
    """Compute figures from (list, what was taken), one after the other."""
    sums: defaultdict[str, float] = defaultdict(float)
    for ranked, targets in rows:
        for k in (5, 10):
            ranks = [rank for rank, item in enumerate(ranked[:k], 1) if item in targets]
            best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1))
            sums[f"HR@{k}"] += len(ranks) > 0
            sums[f"NDCG@{k}"] += sum(1 / math.log2(rank + 1) for rank in ranks) / best
            sums[f"MRR@{k}"] += 1 / ranks[0] if ranks else 0
    means = {name: total / len(rows) for name, total in sums.items()}
    return means | {"items listed": len({item for ranked, _ in rows for item in ranked})}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("worker", WORKERS)
def test_written_lists_of_the_worker_give_its_figures_again(run: Run, worker: str, name: str) -> None:
    rows = run.rows(WORKERS[worker], name)
    told = run.found[worker]
    assert len(rows) == told["stream"]["tests"] > 40
    assert [row["case"] for row in rows] == list(range(len(rows)))
    assert told[name] == pytest.approx(figures_of([(row["ranked"], row["target"]) for row in rows]))
    assert told[name]["HR@10"] > 0
    for delay in DELAYS:
        late = [(row["late"][delay], row["target"]) for row in rows]
        assert told[f"{name} {delay}"] == pytest.approx(figures_of(late))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("worker", WORKERS)
def test_they_say_which_tests_the_nightly_batches_are_asked_too(run: Run, worker: str, name: str) -> None:
    rows = [row for row in run.rows(WORKERS[worker], name) if row["nightly"]]
    compared = run.found["nightly"][name]
    assert len(rows) == compared["cases"] < run.found["worker"]["stream"]["tests"]
    told = compared["models"][worker.replace("_", " ")]
    again = figures_of([(row["ranked"], row["allowed"]) for row in rows])
    assert told == pytest.approx({metric: again[metric] for metric in told})
    assert all(row["allowed"] == row["target"] for row in rows)


PROTOCOLS = {"leave-one-out": [], "next-basket": [], "session": ["--test-days", "10"]}
FIRST_SESSION = {"next-basket": 2, "session": 100}


@pytest.fixture(scope="module")
def asked(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Run another protocol once for all tests of this file."""

    @cache
    def of(protocol: str) -> Run:
        folder = tmp_path_factory.mktemp(protocol)
        first = FIRST_SESSION.get(protocol)
        events = run.events if first is None else with_sessions(run.events, folder, first)
        options = ["--events", str(events), "--items", str(run.items), "--protocol", protocol, *PROTOCOLS[protocol]]
        more = ["--write-lists", str(folder / "lists.jsonl"), "--json"]
        ended = CliRunner().invoke(app, [*options, *more], env=ENVIRONMENT)
        assert ended.exit_code == 0, ended.output
        return Run(json.loads(ended.stdout.splitlines()[-1]), folder, events, run.items)

    return of


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_written_answers_of_the_worker_give_its_figures_again(
    asked: Callable[[str], Run], protocol: str, name: str
) -> None:
    run = asked(protocol)
    rows, found = run.rows("worker", name), run.found["worker"]
    assert len(rows) == found["asked"]["cases"] > 10
    assert sum(not row["ranked"] for row in rows) == found["asked"][f"no {name}"]
    assert found[name] == pytest.approx(figures_of([(row["ranked"], row["target"]) for row in rows]))
    of_ranker = run.rows()
    for key in ("case", "user", "history", "target"):
        assert [row[key] for row in rows] == [row[key] for row in of_ranker]
    assert all(row.keys() == {"case", "user", "history", "target", "ranked", "nightly", "allowed"} for row in rows)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_written_answers_say_which_targets_the_comparison_counts(
    asked: Callable[[str], Run], protocol: str, name: str
) -> None:
    run = asked(protocol)
    rows, compared = run.rows("worker", name), run.found["nightly"][name]
    assert all(row["nightly"] == bool(row["allowed"]) and set(row["allowed"]) <= set(row["target"]) for row in rows)
    counted = [(row["ranked"], row["allowed"]) for row in rows if row["nightly"]]
    again, told = figures_of(counted), compared["models"]["worker"]
    assert len(counted) == compared["cases"]
    assert told == pytest.approx({metric: again[metric] for metric in told})
    if protocol == "next-basket":
        assert any(0 < len(row["allowed"]) < len(row["target"]) for row in rows)


def test_a_history_is_what_the_worker_had_processed_of_the_user(run: Run) -> None:
    processed = [line.split(",") for line in run.events.read_text().splitlines()][1:][-400:]
    past: defaultdict[str, list[str]] = defaultdict(list)
    wanted = []
    for number, (_, user, item, *_) in enumerate(processed):
        if number >= 320 and past[user]:
            wanted.append((user, list(past[user]), [item]))
        past[user].append(item)
    for name in LISTS:
        assert [(row["user"], row["history"], row["target"]) for row in run.rows("worker", name)] == wanted


@pytest.mark.parametrize("relation", ["bought_together", "also_bought"])
@pytest.mark.parametrize("worker", WORKERS)
def test_written_lists_give_the_figures_by_relations_again(run: Run, worker: str, relation: str) -> None:
    rows, told = run.rows(WORKERS[worker], relation), run.found[worker]["relations"][relation]
    asked = run.rows(relation)  # of the ranker
    assert [(row["history"], row["target"]) for row in rows] == [(row["history"], row["target"]) for row in asked]
    assert {(row["user"], len(row["history"])) for row in rows} == {(None, 1)}
    sums: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        ranks = [rank for rank, item in enumerate(row["ranked"], 1) if item in row["target"]]
        most = min(10, len(row["target"]))
        sums["HR@10"] += len(ranks) > 0
        sums["Recall@10"] += len(ranks) / most
        sums["NDCG@10"] += sum(1 / math.log2(r + 1) for r in ranks) / sum(1 / math.log2(r + 2) for r in range(most))
    assert len(rows) == told["cases"] > 40
    assert sum(len(row["target"]) for row in rows) == told["targets"]
    for metric, total in sums.items():
        assert told[metric] == pytest.approx(total / len(rows))
        low, high = told["intervals"][metric]
        assert 0 < low < told[metric] < high


def test_without_batches_no_line_speaks_of_them(run: Run, tmp_path: Path) -> None:
    options = ["--events", str(run.events), "--items", str(run.items), "--cases", "100", "--worker", "100"]
    more = ["--no-baselines", "--relations", str(run.folder), "--write-lists", str(tmp_path / "l.jsonl")]
    ended = CliRunner().invoke(app, [*options, *more], env={**ENVIRONMENT, "COLUMNS": "200"})
    assert ended.exit_code == 0, ended.output
    assert "cross-sell of a user who bought one item" in ended.stdout
    assert re.search(r"worker, also_bought .* \d+\.\d of 10 │ +\d+% │", ended.stdout)
    for name in LISTS:
        rows = [json.loads(line) for line in (tmp_path / f"l.worker.{name}.jsonl").read_text().splitlines()]
        assert rows
        assert all(row.keys() == {"case", "user", "history", "target", "ranked", "late"} for row in rows)
