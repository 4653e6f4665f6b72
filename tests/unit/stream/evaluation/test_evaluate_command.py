"""The command as a user calls it, on a made-up shop."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from graph.ranking.weights import CROSS_SELL_FEATURES, UP_SELL_FEATURES
from stream.commands.evaluate import evaluate
from stream.evaluation.contest import Contest
from stream.evaluation.ranker import encoder
from stream.evaluation.ranker.ingredients import trained
from stream.ranker_file import FORMAT, LEARNED, LearnedList, RankerFile, version_of, write_ranker
from tests.unit.stream.evaluation.small_shops import with_sessions, write_relations, write_shop

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_shop(tmp_path_factory.mktemp("shop"))


def call(shop: tuple[Path, Path], *arguments: str) -> Result:
    common = ["--events", str(shop[0]), "--items", str(shop[1]), *arguments]
    return CliRunner().invoke(app, common, env={"COLUMNS": "250", "INTERESTREAM_ENCODER__TEXT": "hashing"})


@dataclass(frozen=True)
class Run:
    """What one call with ``--json`` printed, and where it wrote its lists and plots."""

    found: dict[str, Any]
    lists: Path
    plots: Path


OPTIONS = {
    "leave-one-out": [],
    "next-basket": ["--no-baselines"],
    "session": ["--no-baselines", "--test-days", "10"],
    "prequential": ["--no-baselines", "--worker", "200"],
}
FIRST_SESSION = {"next-basket": 2, "session": 100}


@pytest.fixture(scope="module")
def run_of(shop: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Run a protocol once for all tests of this file."""

    @cache
    def run(protocol: str) -> Run:
        folder = tmp_path_factory.mktemp(protocol)
        lists = folder / "lists.jsonl"
        first = FIRST_SESSION.get(protocol)
        files = shop if first is None else (with_sessions(shop[0], folder, first), shop[1])
        written = ["--write-lists", str(lists), "--plots", str(folder)]
        ended = call(files, "--protocol", protocol, *OPTIONS[protocol], *written, "--json")
        assert ended.exit_code == 0, ended.output
        return Run(json.loads(ended.stdout.splitlines()[-1]), lists, folder)

    return run


def recomputed(path: Path) -> dict[str, float]:
    """Compute every accuracy from written lists, as a stranger would."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found: dict[str, float] = {}
    for k in (5, 10, 20):
        of_cases = [of_case(row["ranked"][:k], row["target"], k) for row in rows]
        found |= {f"{name}@{k}": sum(of[name] for of in of_cases) / len(rows) for name in of_cases[0]}
    return found


def of_case(ranked: list[str], target: list[str], k: int) -> dict[str, float]:
    ranks = [rank for rank, item in enumerate(ranked, 1) if item in target]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(target)) + 1))
    precision, recall_of_all = len(ranks) / k, len(ranks) / len(target)
    return {
        "HR": 1.0 if ranks else 0.0,
        "NDCG": sum(1 / math.log2(rank + 1) for rank in ranks) / ideal,
        "MRR": 1 / ranks[0] if ranks else 0.0,
        "Precision": precision,
        "Recall": len(ranks) / min(k, len(target)),
        "RecallOfAll": recall_of_all,
        "F1": 2 * precision * recall_of_all / (precision + recall_of_all) if ranks else 0.0,
    }


@pytest.mark.parametrize("protocol", OPTIONS)
def test_written_lists_give_every_figure_again(run_of: Callable[[str], Run], protocol: str) -> None:
    run = run_of(protocol)
    for name, section in run.found["sections"].items():
        path = run.lists if name == protocol else run.lists.with_name(f"lists.{name.replace(' ', '-')}.jsonl")
        figures = section["models"]["ranker"]
        again = recomputed(path)
        assert len(again) == 7 * 3
        assert again == pytest.approx({metric: figures[metric] for metric in again})
        assert len(path.read_text().splitlines()) == section["cases"] > 10
        if name == protocol:
            assert figures == run.found["figures"]
        several = [len(json.loads(line)["target"]) for line in path.read_text().splitlines()]
        assert (max(several) > 5) == (protocol == "next-basket")  # more than the shortest list holds


def test_leave_one_out_says_everything(run_of: Callable[[str], Run]) -> None:
    run = run_of("leave-one-out")
    found, figures = run.found, run.found["figures"]
    for k in (5, 10, 20):
        for name in ("HR", "NDCG", "MRR", "Precision", "Recall", "F1"):
            low, high = figures["intervals"][f"{name}@{k}"]
            assert low <= figures[f"{name}@{k}"] <= high
        for name in ("coverage", "popularity bias", "intra-list diversity", "category novelty", "price lift"):
            assert math.isfinite(figures[f"{name}@{k}"])
    assert 0.5 < figures["AUC"] < 1
    assert {"cold users", "cold items"} & figures["slices"].keys()
    models = found["sections"]["leave-one-out"]["models"]
    wanted = {"popular", "item-kNN", "transitions", "V-SKNN", "STAN", "EASE", "own most frequent", "text TF-IDF"}
    assert wanted < models.keys()
    assert figures["HR@10"] > models["popular"]["HR@10"]
    section = found["sections"]["leave-one-out"]
    for metric, lead in section["lead over the best part"].items():
        best = max(figures[metric] for figures in section["parts"].values())
        assert lead["value"] == pytest.approx(figures[metric] - best)
        assert lead["low"] <= lead["value"] <= lead["high"]
    assert len(list(run.plots.glob("*.png"))) == 2
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in run.plots.glob("*.png"))
    assert found["left_out"] == {}


def test_the_same_seed_gives_the_same_lists(
    shop: tuple[Path, Path], run_of: Callable[[str], Run], tmp_path: Path
) -> None:
    path = tmp_path / "again.jsonl"
    call(shop, "--protocol", "leave-one-out", "--no-baselines", "--worker", "0", "--write-lists", str(path))
    assert path.read_bytes() == run_of("leave-one-out").lists.read_bytes() != b""


def test_ablation_leaves_out_one_family_at_a_time(shop: tuple[Path, Path]) -> None:
    ended = call(shop, "--protocol", "leave-one-out", "--no-baselines", "--ablation", "--json")
    assert ended.exit_code == 0, ended.output
    section = json.loads(ended.stdout.splitlines()[-1])["sections"]["leave-one-out"]
    families = {"transitions", "text", "brands and categories", "popularity and age", "latent", "history"}
    assert {f"blend without {family}" for family in families} <= section["ablation"].keys()
    found = [figures["NDCG@20"] for figures in section["ablation"].values()]
    assert min(found) < section["models"]["blend"]["NDCG@20"]


def test_next_basket_and_its_new_items(run_of: Callable[[str], Run]) -> None:
    run = run_of("next-basket")
    assert list(run.found["sections"]) == ["next-basket", "new items"]
    new = [json.loads(line) for line in run.lists.with_name("lists.new-items.jsonl").read_text().splitlines()]
    for row in new:
        assert not set(row["history"]) & set(row["target"])
        assert not set(row["history"]) & set(row["ranked"])


@pytest.mark.parametrize("protocol", ["leave-one-out", "next-basket", "session"])
def test_the_worker_is_asked_in_every_other_protocol(run_of: Callable[[str], Run], protocol: str) -> None:
    found = run_of(protocol).found
    worker = found["worker"]
    assert worker.keys() == {"cross-sell", "up-sell", "asked"}
    for name in ("cross-sell", "up-sell"):
        assert worker[name].keys() == {
            *(f"{metric}@{k}" for metric in ("HR", "NDCG", "MRR") for k in (5, 10)),
            "items listed",
        }
    assert worker["cross-sell"]["HR@10"] > 0
    assert found["next_visit_worker"].keys() == {"cross-sell", "up-sell"}
    assert found["next_visit_worker"]["cross-sell"].keys() == worker["cross-sell"].keys()
    asked = worker["asked"]
    assert asked.keys() == {"cases", "no cross-sell", "no up-sell", "interactions processed", "broken rules"}
    assert asked["cases"] == found["sections"][protocol]["cases"]
    assert 0 < asked["interactions processed"] < found["shop"]["interactions"]
    assert asked["broken rules"] == 0
    assert found["worker_ranker"].startswith("fixed-")
    assert found["no_worker"] is None
    assert found["trained_worker"] == found["left_out"] == {}


def test_the_worker_asked_is_compared_with_batches_and_with_the_ranker(run_of: Callable[[str], Run]) -> None:
    found = run_of("leave-one-out").found
    for compared in found["nightly"].values():
        assert 0 < compared["cases"] < found["worker"]["asked"]["cases"]
        assert (
            {"worker", "next-visit worker", "ranker", "transitions"}
            <= compared["models"].keys()
            == compared["intervals"].keys()
        )
        assert compared["leads"].keys() == {"worker", "next-visit worker"}
        ours = ("worker", "next-visit worker", "ranker")
        batches = {name: of["NDCG@10"] for name, of in compared["models"].items() if name not in ours}
        lead = compared["leads"]["worker"]
        assert batches[lead["over"]] == max(batches.values())
        assert lead["value"] == pytest.approx(compared["models"]["worker"]["NDCG@10"] - max(batches.values()))
    assert found["nightly"].keys() == {"cross-sell", "up-sell"}
    assert run_of("session").found["nightly"] == {}  # without baselines


def test_prequential_runs_the_worker_and_late_lists(run_of: Callable[[str], Run]) -> None:
    found = run_of("prequential").found
    assert list(found["freshness"]) == ["at once", "1 minute late", "1 hour late", "1 day late"]
    assert found["freshness"]["at once"]["HR@10"] == pytest.approx(found["figures"]["HR@10"])
    assert found["worker"]["stream"]["broken rules"] == 0
    assert found["worker"]["cross-sell"].keys() >= {"HR@10", "NDCG@10", "MRR@10"}
    assert found["nightly"] == {}


def test_prequential_compares_the_worker_with_nightly_batches(shop: tuple[Path, Path]) -> None:
    ended = call(shop, "--protocol", "prequential", "--cases", "100", "--worker", "200")
    assert ended.exit_code == 0, ended.output
    assert re.search(r"cross-sell: \d+ cases, against nightly batches under its rules", ended.stdout)
    assert re.search(r"lead over .+: [+-]0\.\d{4} \([+-]0\.\d{4} to [+-]0\.\d{4}\) NDCG@10", ended.stdout)


def test_prequential_trains_a_user_model_for_the_worker(shop: tuple[Path, Path]) -> None:
    options = ["--protocol", "prequential", "--cases", "100", "--worker", "400"]
    ended = call(shop, *options, "--train", "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["training"]["epochs"] >= 1
    assert found["trained_worker"].keys() == found["worker"].keys()
    assert found["trained_worker"]["stream"]["tests"] == found["worker"]["stream"]["tests"]
    assert found["trained_worker"]["stream"]["broken rules"] == 0
    assert found["trained_worker"]["cross-sell"] != found["worker"]["cross-sell"]
    compared = found["nightly"]["cross-sell"]
    workers = {"worker", "trained worker", "next-visit worker", "next-visit trained worker"}
    assert compared["leads"].keys() == workers <= compared["models"].keys()
    reason = "320 messages that can be used, at least 1000 are needed"
    assert (found["trained_worker_ranker"], found["no_trained_worker_ranker"]) == (None, reason)
    shown = call(shop, *options, "--train")
    assert f"the trained worker learned no weights: {reason}" in shown.stdout
    assert "trained, cross-sell" in shown.stdout
    assert re.search(r"trained worker, lead over .+: [+-]0\.\d{4}", shown.stdout)
    assert "trained worker: its user model" in shown.stdout


def test_the_other_protocols_ask_a_trained_worker_too(shop: tuple[Path, Path], tmp_path: Path) -> None:
    lists = tmp_path / "lists.jsonl"
    ended = call(shop, "--protocol", "leave-one-out", "--train", "--write-lists", str(lists), "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["training"]["epochs"] >= 1
    assert found["trained_worker"].keys() == found["worker"].keys()
    assert found["trained_worker"]["asked"]["cases"] == found["worker"]["asked"]["cases"]
    assert found["trained_worker"]["asked"]["broken rules"] == 0
    assert found["trained_worker"]["cross-sell"] != found["worker"]["cross-sell"]
    workers = {"worker", "trained worker", "next-visit worker", "next-visit trained worker"}
    assert found["nightly"]["cross-sell"]["leads"].keys() == workers
    rows = (tmp_path / "lists.trained-worker.cross-sell.jsonl").read_text().splitlines()
    assert len(rows) == found["trained_worker"]["asked"]["cases"]


def test_what_a_further_test_lacks_costs_nothing_else(shop: tuple[Path, Path], tmp_path: Path) -> None:
    """No item has a title, and all related items are of one category."""
    items, relations = tmp_path / "items.csv", tmp_path / "relations"
    ids = sorted({line.split(",")[2] for line in shop[0].read_text().splitlines()[1:]})
    items.write_text("\n".join(["item_id,category_path,price", *(f"{item},Things,1" for item in ids)]) + "\n")
    relations.mkdir()
    for name in ("product.txt", "related_product.txt"):
        (relations / name).write_text("\n".join(ids) + "\n")
    for name in ("bought_together", "also_bought", "also_viewed"):
        (relations / f"{name}_p_p.txt").write_text("1\n")
    options = ["--protocol", "prequential", "--no-baselines", "--cases", "100", "--worker", "100", "--train"]
    ended = call((shop[0], items), *options, "--relations", str(relations), "--json")
    assert ended.exit_code == 1
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["left_out"].keys() == {"bought_together", "also_bought", "trained worker"}
    for name, reason in found["left_out"].items():
        assert f"left out: {name}: {reason}" in ended.stderr
    assert list(found["sections"]) == ["prequential"]
    assert found["worker"]["stream"]["tests"] > 0
    assert found["trained_worker"] == found["training"] == {}


@pytest.mark.parametrize("fault", ["missing", "empty folder", "no pairs"])
def test_relations_are_checked_before_anything_runs(
    shop: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(Contest, "run", lambda *_: pytest.fail("a test was begun"))
    relations = tmp_path / "relations"
    if fault != "missing":
        relations.mkdir()
    if fault == "no pairs":
        for name in ("product", "related_product", "bought_together_p_p", "also_bought_p_p", "also_viewed_p_p"):
            (relations / f"{name}.txt").touch()
    ended = call(shop, "--protocol", "leave-one-out", "--relations", str(relations))
    assert ended.exit_code == 2
    assert str(relations) in ended.stderr.replace("\n", "")


def test_lists_that_cannot_be_written_do_not_cost_the_report(small_events: Path, tmp_path: Path) -> None:
    options = ["--events", str(small_events), "--protocol", "leave-one-out", "--json"]
    ended = CliRunner().invoke(app, [*options, "--write-lists", str(tmp_path)])  # a folder
    assert ended.exit_code == 2
    assert str(tmp_path) in ended.stderr.replace("\n", "")
    assert json.loads(ended.stdout.splitlines()[-1])["sections"]["leave-one-out"]["cases"] == 2


@pytest.mark.parametrize("protocol", ["leave-one-out", "prequential"])
def test_a_user_model_is_for_the_worker(shop: tuple[Path, Path], protocol: str) -> None:
    ended = call(shop, "--train", "--protocol", protocol, "--worker", "0")
    assert ended.exit_code == 2
    assert "--train belongs to a --worker above 0" in ended.stderr


def test_cuts_with_and_without_enough_for_an_encoder_rank_by_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of this shop know more than so many positions, what the ranker learns from does not."""
    monkeypatch.setattr(trained, "LEAST_POSITIONS", 850)
    monkeypatch.setattr(encoder, "EPOCHS", 1)
    shop = write_shop(tmp_path, users=150, items=80)
    ended = call(shop, "--protocol", "prequential", "--cases", "100", "--worker", "0", "--no-baselines", "--json")
    assert ended.exit_code == 0, ended.output
    section = json.loads(ended.stdout.splitlines()[-1])["sections"]["prequential"]
    assert not section["recipe"]["encoder"]
    assert "trained encoder" not in section["parts"]


def test_prequential_judges_the_worker_by_learned_weights(shop: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    popular = dict.fromkeys(CROSS_SELL_FEATURES, 0.0) | {"popularity": 1.0}
    up_sell = dict.fromkeys(UP_SELL_FEATURES, 0.0) | {"price": 1.0}
    file = RankerFile(FORMAT, "", LearnedList(popular, LEARNED, ""), LearnedList(up_sell, LEARNED, ""))
    file = msgspec.structs.replace(file, version=version_of(file))
    write_ranker(path, file)
    options = ["--protocol", "prequential", "--no-baselines", "--worker", "200", "--json"]
    fixed, learned = (
        json.loads(call(shop, *options, *more).stdout.splitlines()[-1]) for more in ([], ["--ranker", str(path)])
    )
    assert fixed["worker_ranker"].startswith("fixed-")
    assert learned["worker_ranker"] == file.version
    assert learned["figures"]["NDCG@10"] == fixed["figures"]["NDCG@10"]
    assert learned["worker"]["stream"]["broken rules"] == 0
    assert learned["worker"]["cross-sell"]["NDCG@10"] != fixed["worker"]["cross-sell"]["NDCG@10"]


def session_file(path: Path, sessions: dict[str, list[str]], day: int) -> Path:
    lines = ["SessionId\tItemId\tTime"]
    for number, (name, items) in enumerate(sessions.items()):
        start = day * 86_400 + number
        lines += [f"{name}\t{item}\t{start + place / 1000}" for place, item in enumerate(items)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_session_files_are_read_as_they_are(tmp_path: Path) -> None:
    walks = {str(number): [str((number + step) % 12) for step in range(4)] for number in range(400)}
    days = [session_file(tmp_path / f"{day}.txt", {f"{day}{n}": w for n, w in walks.items()}, day) for day in range(3)]
    test = session_file(tmp_path / "test.txt", {f"t{number}": walks[str(number)] for number in range(30)}, 4)
    arguments = [word for path in days for word in ("--events", str(path))]
    ended = CliRunner().invoke(app, [*arguments, "--test", str(test), "--protocol", "session", "--json"])
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["sections"]["session"]["cases"] == 30 * 3
    assert found["figures"]["HR@5"] == 1


def test_relations_are_asked_of_the_worker_in_any_protocol(shop: tuple[Path, Path], tmp_path: Path) -> None:
    relations = write_relations(tmp_path, shop[1])
    options = ["--protocol", "leave-one-out", "--no-baselines", "--relations", str(relations)]
    found = json.loads(call(shop, *options, "--json").stdout.splitlines()[-1])
    assert found["worker"]["relations"].keys() == {"bought_together", "also_bought"}
    for name, figures in found["worker"]["relations"].items():
        assert figures["cases"] == found["sections"][name]["cases"]
        assert figures["Recall@10"] > 0


def test_tables_for_people(shop: tuple[Path, Path]) -> None:
    ended = call(shop, "--protocol", "leave-one-out")
    assert ended.exit_code == 0, ended.output
    for words in (
        "leave-one-out:",
        "ranker",
        "V-SKNN",
        "lead over the best part",
        "other users",
        "category novelty@10",
        "the worker's own lists",
        "against nightly batches under its rules",
        "interactions processed",
    ):
        assert words in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--events", "nowhere.csv"], "nowhere.csv"),
        (["--protocol", "leave-one-out", "--test", "x"], "--test belongs"),
        (["--protocol", "session", "--cut", "2011-10-01"], "--cut belongs"),
        (["--protocol", "next-basket", "--cut", "soon"], "is no day"),
        (["--protocol", "session", "--ranker", "x.json", "--worker", "0"], "--ranker belongs to a --worker above 0"),
        (["--protocol", "session", "--ranker", "nowhere.json"], "--ranker: nowhere.json: cannot be read"),
        (["--ranker", "nowhere.json"], "--ranker: nowhere.json: cannot be read"),
        (["--worker", "5"], "--worker: 5 are too few to test with; give 100 or more, or 0 for none"),
        (["--plots", "nowhere"], "create it first"),
        (["--write-lists", "nowhere/lists.jsonl"], "create it first"),
    ],
)
def test_what_cannot_be_used_is_named(shop: tuple[Path, Path], arguments: list[str], told: str) -> None:
    ended = call(shop, *arguments)
    assert ended.exit_code == 2
    assert told in ended.stderr


@pytest.mark.parametrize("protocol", ["leave-one-out", "next-basket", "session", "prequential"])
def test_a_shop_with_nothing_to_test_says_so(tmp_path: Path, protocol: str) -> None:
    events = tmp_path / "events.csv"
    events.write_text("user_id,item_id,type,ts_ms\nu,a,view,1\nv,b,view,2\n")
    ended = CliRunner().invoke(app, ["--events", str(events), "--protocol", protocol])
    assert ended.exit_code == 1
    assert "holds no case" in ended.stderr or "too short" in ended.stderr


def test_a_shop_with_nothing_to_learn_from_says_so(tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    events.write_text("user_id,item_id,type,ts_ms\nu,a,view,1\nu,b,view,2\nv,a,view,1\nv,c,view,3\n")
    ended = CliRunner().invoke(app, ["--events", str(events), "--protocol", "leave-one-out"])
    assert ended.exit_code == 1
    assert "no earlier test" in ended.stderr


@pytest.fixture
def small_events(tmp_path: Path) -> Path:
    """The smallest shop that can be learned from."""
    events = tmp_path / "events.csv"
    events.write_text(
        "user_id,item_id,type,ts_ms\n" + "".join(f"u,i{at},view,{at}\nv,i{at},view,{at}\n" for at in range(4))
    )
    return events


def test_a_shop_of_ids_alone_has_no_worker_and_that_is_no_fault(small_events: Path) -> None:
    options = ["--events", str(small_events), "--protocol", "leave-one-out"]
    shown = CliRunner().invoke(app, options, env={"COLUMNS": "250"})
    assert shown.exit_code == 0, shown.output
    reason = "no item has a title, a brand or a category, without which there is nothing to list"
    assert f"the worker: {reason}" in shown.stdout
    found = json.loads(CliRunner().invoke(app, [*options, "--json"]).stdout.splitlines()[-1])
    assert found["no_worker"] == reason
    assert found["worker"] == found["nightly"] == found["left_out"] == {}
    assert "worker_ranker" not in found
    silent = CliRunner().invoke(app, [*options, "--worker", "0"], env={"COLUMNS": "250"})
    assert silent.exit_code == 0
    assert "worker" not in silent.stdout


def test_whoever_asks_for_a_worker_hears_that_there_is_none(small_events: Path) -> None:
    options = ["--events", str(small_events), "--protocol", "leave-one-out", "--worker", "100", "--json"]
    ended = CliRunner().invoke(app, options)
    assert ended.exit_code == 1
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["left_out"].keys() == {"worker"}
    assert f"left out: worker: {found['left_out']['worker']}" in ended.stderr
    assert found["no_worker"] is None


@pytest.mark.parametrize(("asked", "code", "said"), [([], 0, "no_worker"), (["--worker", "100"], 1, "left_out")])
def test_without_a_text_model_there_is_no_worker_which_is_a_fault_where_one_was_asked_for(
    small_events: Path, tmp_path: Path, asked: list[str], code: int, said: str
) -> None:
    items = tmp_path / "items.csv"
    items.write_text("item_id,title\ni0,red mug\n")
    options = ["--events", str(small_events), "--items", str(items), "--protocol", "leave-one-out", "--json", *asked]
    nowhere = {"INTERESTREAM_ENCODER__TEXT": "transformers", "INTERESTREAM_ENCODER__TEXT_MODEL_DIR": "nowhere"}
    ended = CliRunner().invoke(app, options, env=nowhere)
    assert ended.exit_code == code, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
    assert "nowhere" in str(found[said])
    assert found["sections"]["leave-one-out"]["cases"] == 2


def test_the_smallest_shop_that_can_be_learned_from_is_ranked(small_events: Path) -> None:
    ended = CliRunner().invoke(app, ["--events", str(small_events), "--protocol", "leave-one-out", "--json"])
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout.splitlines()[-1])["sections"]["leave-one-out"]["cases"] == 2
