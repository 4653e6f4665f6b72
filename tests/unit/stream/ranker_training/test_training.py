"""From a log to weights to lists, through the worker's own code."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from stream.commands.train import app
from stream.encoding import load_encoders
from stream.pipeline import Pipeline
from stream.ranker_file import FIXED, LEARNED, RankerFile, read_ranker, version_of, write_ranker
from stream.ranker_training import training
from stream.ranker_training.replay import training_settings
from stream.ranker_training.training import Shop, TooLittle, train_ranker
from stream.recommendations import Recommendation, decode, rfc3339
from stream.settings import Settings
from tests.unit.stream.ranker_training import returning_shop, stepping_shop


@contextmanager
def no_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    yield lambda: None


def train(lists: dict[str, float]) -> RankerFile:
    settings = Settings.model_validate(stepping_shop.SETTINGS.model_dump() | {"graph": {"lists": lists}})
    return asyncio.run(train_ranker(stepping_shop.shop(), settings, 0, no_bar))


@pytest.fixture(scope="module")
def trained() -> RankerFile:
    return train(stepping_shop.HEARSAY)


def test_where_the_item_before_decides_transitions_get_the_weight(trained: RankerFile) -> None:
    found = trained.cross_sell
    assert found.chosen == LEARNED, found.reason
    assert found.weights == found.fitted
    assert found.weights["transition"] > 2 * stepping_shop.HEARSAY["transition_feature"]
    assert found.test[LEARNED]["NDCG@10"] > found.test[FIXED]["NDCG@10"]
    assert trained.version.startswith("linear-")


def test_the_same_log_gives_the_same_file(trained: RankerFile) -> None:
    assert train(stepping_shop.HEARSAY) == trained


def test_a_list_without_cases_keeps_the_fixed_weights_and_says_so(trained: RankerFile) -> None:
    found = trained.up_sell  # nothing has a price
    assert found.chosen == FIXED
    assert "too few cases: 0 in training" in found.reason
    assert found.reason.endswith("; no item has a price")
    assert not trained.cross_sell.reason.endswith("; no item has a category")
    assert found.weights == {
        "transition": 0.05,
        "embedding": 2.0,
        "price": 0.2,
        "repeat": 0.5,
        "popularity": 0.0,
    }


def test_where_users_come_back_for_the_same_repeats_get_the_weight_of_the_next_visit() -> None:
    settings = Settings.model_validate(stepping_shop.SETTINGS.model_dump() | {"graph": returning_shop.GRAPH})
    found = asyncio.run(train_ranker(returning_shop.shop(), settings, 0, no_bar))
    assert found.next_visit is not None
    learned = found.next_visit.cross_sell
    assert learned.chosen == LEARNED, learned.reason
    assert learned.weights["repeat"] > 1.0
    assert learned.weights["popularity"] < 3.0
    assert learned.test[LEARNED]["NDCG@10"] > learned.test[FIXED]["NDCG@10"] + 0.2
    assert found.next_visit.version.startswith("linear-")
    assert learned.cases["test"] < found.cross_sell.cases["test"]


def test_nothing_is_learned_of_the_next_visit_where_no_such_lists_are_made() -> None:
    graph = {"lists": stepping_shop.HEARSAY, "next_visit": {"enabled": False}}
    settings = Settings.model_validate(stepping_shop.SETTINGS.model_dump() | {"graph": graph})
    shop = stepping_shop.shop()
    found = asyncio.run(train_ranker(Shop(shop.messages[:1000], shop.catalogue, shop.refused), settings, 0, no_bar))
    assert found.next_visit is None
    assert found.weights.next_visit is None


def test_where_too_little_teaches_the_fixed_weights_are_judged_alone() -> None:
    shop = stepping_shop.shop()
    few = Shop(shop.messages[:1000], shop.catalogue, shop.refused)
    settings = Settings.model_validate(
        stepping_shop.SETTINGS.model_dump() | {"graph": {"lists": stepping_shop.HEARSAY}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "LEAST_CASES", 1000)
        found = asyncio.run(train_ranker(few, settings, 0, no_bar)).cross_sell
    assert "too few cases" in found.reason
    assert (found.fitted, found.validation) == (None, {})
    assert found.test.keys() == {FIXED}


def test_learned_weights_that_are_not_better_are_not_used() -> None:
    found = train({}).cross_sell  # the fixed ones already put every item first
    assert found.chosen == FIXED
    assert "not better on the validation period: NDCG@10 +0.0000" in found.reason
    assert found.weights == {
        "category": 0.2,
        "transition": 4.0,
        "embedding": 0.4,
        "likeness": 0.2,
        "words": 1.0,
        "repeat": 1.5,
        "popularity": 0.05,
    }
    assert found.fitted is not None
    assert found.fitted["transition"] > found.weights["transition"]


def test_the_file_says_what_it_was_learned_from(trained: RankerFile) -> None:
    assert trained.counts["messages"] == 1500
    assert list(trained.periods) == ["warm-up", "training", "validation", "test"]
    ends = [(period.first, period.last) for period in trained.periods.values()]
    assert ends == sorted(ends)
    assert trained.cross_sell.cases["validation"] == 225
    assert trained.data == "made up"


async def test_a_log_too_short_is_refused() -> None:
    whole = stepping_shop.shop()
    with pytest.raises(TooLittle, match="999 messages that can be used, at least 1000"):
        await train_ranker(
            Shop(whole.messages[:999], whole.catalogue, whole.refused),
            stepping_shop.SETTINGS,
            0,
            no_bar,
        )


def ranked_by(path: Path | None) -> Settings:
    settings = training_settings(stepping_shop.SETTINGS)
    ranking = settings.graph.ranking.model_copy(update={"learned_file": path})
    return settings.model_copy(update={"graph": settings.graph.model_copy(update={"ranking": ranking})})


def published(pipeline: Pipeline) -> list[Recommendation]:
    records = pipeline.log.topics[pipeline.settings.topics.recommendations]
    return [decode(record.value) for log in records for record in log if record.value]


async def test_a_worker_takes_up_new_weights_between_batches_and_loses_no_event(
    trained: RankerFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, events = tmp_path / "ranker.json", stepping_shop.shop().messages[:300]
    ticks = count(stepping_shop.START_MS + 10**9)
    settings = ranked_by(path)
    former = msgspec.structs.replace(
        trained,
        cross_sell=msgspec.structs.replace(
            trained.cross_sell,
            weights={
                "category": 0.2,
                "transition": 1.0,
                "embedding": 0.8,
                "likeness": 0.4,
                "words": 0.8,
                "repeat": 2.0,
                "popularity": 0.05,
            },
            chosen=FIXED,
        ),
        version="",
    )
    former = msgspec.structs.replace(former, version=version_of(former))
    write_ranker(path, former)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), lambda: next(ticks))
    await pipeline.start()
    try:
        topics = settings.topics
        for key, value in stepping_shop.catalogue():
            pipeline.log.append(topics.catalogue, key, value)
        for message in events[:150]:
            pipeline.log.append(topics.interactions, None, message.value)
        await pipeline.drain()
        assert {lists.ranker for lists in published(pipeline)} == {former.version}
        before = len(published(pipeline))

        write_ranker(path, trained)
        assert [await pipeline.rankers.look() for _ in range(3)] == [False, True, False]
        for message in events[150:200]:
            pipeline.log.append(topics.interactions, None, message.value)
        await pipeline.drain()
        assert {lists.ranker for lists in published(pipeline)[before:]} == {trained.version}

        path.write_text("{}")
        assert [await pipeline.rankers.look() for _ in range(4)] == [False] * 4
        assert pipeline.metrics.ranker_changes.labels("refused")._value.get() == 1
        assert pipeline.metrics.ranker_changes.labels("swapped")._value.get() == 1
        assert [record.message for record in caplog.records].count("ranker_refused") == 1
        path.unlink()
        assert not await pipeline.rankers.look()
        for message in events[200:]:
            pipeline.log.append(topics.interactions, None, message.value)
        await pipeline.drain()
        last = {lists.user_id: lists.ranker for lists in published(pipeline)}
        assert set(last.values()) == {trained.version}
        stored = await pipeline.store.load_users(sorted(last))
        assert len(stored) == 50
        assert pipeline.metrics.applied._value.get() == len(events)
        for entry in published(pipeline)[-1].cross_sell:
            assert sum(reason.contribution for reason in entry.because) == pytest.approx(entry.score, abs=1e-6)
    finally:
        await pipeline.close()


def test_the_command_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_ENCODER__TEXT", "hashing")
    for name, weight in stepping_shop.HEARSAY.items():
        monkeypatch.setenv(f"INTERESTREAM_GRAPH__LISTS__{name.upper()}", str(weight))
    events, items = stepping_shop.write(tmp_path)
    output = tmp_path / "ranker.json"
    options = ["--events", str(events), "--items", str(items), "--output", str(output), "--data", "made up"]
    with events.open("a") as file:
        file.write('{"kind": "view"}\n' * 2)
    ran = CliRunner().invoke(app, ["ranker", *options, "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["ranker"]["version"] == read_ranker(output).version
    assert read_ranker(output).cross_sell.chosen == LEARNED
    assert str(tmp_path) not in output.read_text()
    assert "refused: events: missing_field 2\n" in ran.stderr


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"--events": "none.jsonl"}, 2, "none.jsonl"),
        ({"--items": "none.jsonl"}, 2, "none.jsonl"),
        ({"--output": "no/folder.json"}, 2, "is not a folder"),
        ({"--events": "items.jsonl"}, 1, "0 messages that can be used"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    change: dict[str, str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTREAM_ENCODER__TEXT", "hashing")
    events, items = stepping_shop.write(tmp_path)
    options = {"--events": events, "--items": items, "--output": tmp_path / "ranker.json"}
    options |= {name: tmp_path / file for name, file in change.items()}
    ran = CliRunner().invoke(app, ["ranker", *(str(part) for pair in options.items() for part in pair)])
    assert ran.exit_code == code, ran.output
    assert said in ran.stderr
    assert not (tmp_path / "ranker.json").exists()


def test_a_user_model_that_has_seen_what_it_is_asked_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTREAM_ENCODER__TEXT", "hashing")
    events, items = stepping_shop.write(tmp_path)
    files = ["--events", str(events), "--items", str(items)]

    def model(name: str, *options: str) -> Path:
        ran = CliRunner().invoke(app, ["user", *files, "--out", str(tmp_path / name), "--epochs", "1", *options])
        assert ran.exit_code == 0, ran.output
        until = json.loads((tmp_path / name / "model.json").read_text())["metrics"]["learned_until"]
        assert f"learned_until: {rfc3339(round(1000 * until))}\n" in ran.stdout
        return tmp_path / name

    def learned_with(folder: Path) -> str:
        monkeypatch.setenv("INTERESTREAM_ENCODER__USER_MODEL_DIR", str(folder))
        ran = CliRunner().invoke(app, ["ranker", *files, "--output", str(tmp_path / "ranker.json")])
        assert ran.exit_code == 0, ran.output
        return " ".join(ran.stderr.split())

    told = learned_with(model("everything"))
    first = read_ranker(tmp_path / "ranker.json").periods["training"].first
    last = read_ranker(tmp_path / "ranker.json").periods["test"].last
    assert f"has learned from events until {last}, and is asked what happened from {first} on" in told
    assert f"`interestream train user --before {first}`" in told
    assert learned_with(model("former", "--before", first)) == ""
    card = json.loads((tmp_path / "former" / "model.json").read_text())
    assert rfc3339(round(1000 * card["metrics"]["learned_until"])) < first
    assert f"--before {first}" in card["command"]
    ran = CliRunner().invoke(app, ["user", *files, "--out", str(tmp_path / "none"), "--before", "soon"])
    assert ran.exit_code == 2
    assert "--before: 'soon' is no day" in ran.stderr
