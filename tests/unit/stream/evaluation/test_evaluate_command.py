"""The command as a user calls it, on a made-up shop."""

import json
import math
import re
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from graph.ranking.weights import CROSS_SELL_FEATURES
from stream.commands.evaluate import evaluate
from stream.evaluation.ranker.ingredients import trained
from stream.ranker_file import FORMAT, LEARNED, LearnedList, RankerFile, version_of, write_ranker
from tests.unit.stream.evaluation.small_shops import write_shop

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_shop(tmp_path_factory.mktemp("shop"))


def call(shop: tuple[Path, Path], *arguments: str) -> Result:
    common = ["--events", str(shop[0]), "--items", str(shop[1]), *arguments]
    return CliRunner().invoke(app, common, env={"COLUMNS": "250", "INTERESTREAM_ENCODER__TEXT": "hashing"})


def recomputed(path: Path) -> dict[str, float]:
    """Compute HR@10 and NDCG@10 from written lists, as a stranger would."""
    hits, gains, cases = 0, 0.0, 0
    for line in path.read_text().splitlines():
        row = json.loads(line)
        ranks = [rank for rank, item in enumerate(row["ranked"][:10], 1) if item in row["target"]]
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(row["target"])) + 1))
        cases += 1
        hits += bool(ranks)
        gains += sum(1 / math.log2(rank + 1) for rank in ranks) / ideal
    return {"HR@10": hits / cases, "NDCG@10": gains / cases}


def test_leave_one_out_says_everything_and_its_lists_prove_it(shop: tuple[Path, Path], tmp_path: Path) -> None:
    lists, plots = tmp_path / "lists.jsonl", tmp_path / "plots"
    plots.mkdir()
    ended = call(
        shop, "--protocol", "leave-one-out", "--write-lists", str(lists), "--plots", str(plots), "--json"
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
    figures = found["figures"]
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
    assert recomputed(lists) == pytest.approx({name: figures[name] for name in ("HR@10", "NDCG@10")})
    section = found["sections"]["leave-one-out"]
    for metric, lead in section["lead over the best part"].items():
        best = max(figures[metric] for figures in section["parts"].values())
        assert lead["value"] == pytest.approx(figures[metric] - best)
        assert lead["low"] <= lead["value"] <= lead["high"]
    assert len(list(plots.glob("*.png"))) == 2
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.glob("*.png"))


def test_the_same_seed_gives_the_same_lists(shop: tuple[Path, Path], tmp_path: Path) -> None:
    written = []
    for name in ("first.jsonl", "second.jsonl"):
        path = tmp_path / name
        call(shop, "--protocol", "leave-one-out", "--no-baselines", "--write-lists", str(path))
        written.append(path.read_bytes())
    assert written[0] == written[1] != b""


def test_ablation_leaves_out_one_family_at_a_time(shop: tuple[Path, Path]) -> None:
    ended = call(shop, "--protocol", "leave-one-out", "--no-baselines", "--ablation", "--json")
    assert ended.exit_code == 0, ended.output
    section = json.loads(ended.stdout.splitlines()[-1])["sections"]["leave-one-out"]
    families = {"transitions", "text", "brands and categories", "popularity and age", "latent", "history"}
    assert {f"blend without {family}" for family in families} <= section["ablation"].keys()
    found = [figures["NDCG@20"] for figures in section["ablation"].values()]
    assert min(found) < section["models"]["blend"]["NDCG@20"]


def test_next_basket_and_its_new_items(shop: tuple[Path, Path], tmp_path: Path) -> None:
    lists = tmp_path / "lists.jsonl"
    ended = call(shop, "--protocol", "next-basket", "--no-baselines", "--write-lists", str(lists), "--json")
    assert ended.exit_code == 0, ended.output
    sections = json.loads(ended.stdout.splitlines()[-1])["sections"]
    assert list(sections) == ["next-basket", "new items"]
    new = [json.loads(line) for line in (tmp_path / "lists.new-items.jsonl").read_text().splitlines()]
    assert len(new) == sections["new items"]["cases"]
    for row in new:
        assert not set(row["history"]) & set(row["target"])
        assert not set(row["history"]) & set(row["ranked"])


def test_prequential_runs_the_worker_and_late_lists(shop: tuple[Path, Path]) -> None:
    ended = call(shop, "--protocol", "prequential", "--no-baselines", "--worker", "200", "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
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
    assert compared["leads"].keys() == {"worker", "trained worker"} <= compared["models"].keys()
    shown = call(shop, *options, "--train")
    assert "trained, cross-sell" in shown.stdout
    assert re.search(r"trained worker, lead over .+: [+-]0\.\d{4}", shown.stdout)
    assert "trained worker: its user model" in shown.stdout


def test_a_user_model_needs_enough_to_learn_from(shop: tuple[Path, Path]) -> None:
    ended = call(shop, "--protocol", "prequential", "--cases", "100", "--worker", "6", "--train")
    assert ended.exit_code == 1
    assert re.search(r"--train: \d+ interactions of \d+ users cannot be divided", " ".join(ended.stderr.split()))


@pytest.mark.parametrize("options", [["session"], ["prequential", "--worker", "0"]])
def test_a_user_model_is_for_the_worker(shop: tuple[Path, Path], options: list[str]) -> None:
    ended = call(shop, "--train", "--protocol", *options)
    assert ended.exit_code == 2
    assert "--train belongs to --protocol prequential" in ended.stderr


def test_cuts_with_and_without_enough_for_an_encoder_rank_by_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of this shop know more than so many positions, what the ranker learns from does not."""
    monkeypatch.setattr(trained, "LEAST_POSITIONS", 850)
    monkeypatch.setattr(trained, "EPOCHS", 1)
    shop = write_shop(tmp_path, users=150, items=80)
    ended = call(shop, "--protocol", "prequential", "--cases", "100", "--worker", "0", "--no-baselines", "--json")
    assert ended.exit_code == 0, ended.output
    section = json.loads(ended.stdout.splitlines()[-1])["sections"]["prequential"]
    assert not section["recipe"]["encoder"]
    assert "trained encoder" not in section["parts"]


def test_prequential_judges_the_worker_by_learned_weights(shop: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    popular = dict.fromkeys(CROSS_SELL_FEATURES, 0.0) | {"popularity": 1.0}
    up_sell = {"transition": 0.0, "embedding": 0.0, "price": 1.0}
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
    ):
        assert words in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--events", "nowhere.csv"], "nowhere.csv"),
        (["--protocol", "leave-one-out", "--test", "x"], "--test belongs"),
        (["--protocol", "session", "--cut", "2011-10-01"], "--cut belongs"),
        (["--protocol", "next-basket", "--cut", "soon"], "is no day"),
        (["--protocol", "session", "--ranker", "x.json"], "--ranker belongs"),
        (["--ranker", "nowhere.json"], "--ranker: nowhere.json: cannot be read"),
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


def test_the_smallest_shop_that_can_be_learned_from_is_ranked(tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    events.write_text(
        "user_id,item_id,type,ts_ms\n" + "".join(f"u,i{at},view,{at}\nv,i{at},view,{at}\n" for at in range(4))
    )
    ended = CliRunner().invoke(app, ["--events", str(events), "--protocol", "leave-one-out", "--json"])
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout.splitlines()[-1])["sections"]["leave-one-out"]["cases"] == 2
