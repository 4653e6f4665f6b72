"""The weights of the trained worker's ranker know what came before the tests, and nothing else."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.ranking.weights import Weights
from stream.encoding import load_encoders
from stream.evaluation import trained_worker
from stream.evaluation.contest import Contest
from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.trained_worker import Runs, ranked_by, run_each
from stream.evaluation.worker_lists import WorkerLists
from stream.evaluation.worker_model import WorkerModel, WorkerModels
from stream.evaluation.worker_ranker import RankerLesson
from stream.ranker_file import RankerFile, load_weights, read_ranker
from stream.ranker_training import fit, training
from stream.ranker_training.training import TooLittle
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import unseen, write_shop

SETTINGS = Settings.model_validate({"encoder": {"text": "hashing"}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    events, items = write_shop(tmp_path_factory.mktemp("shop"), users=120, items=30)
    return read_shop([events], items, Protocol.PREQUENTIAL)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LEAST_MESSAGES", 100)
    monkeypatch.setattr(training, "LEAST_CASES", 10)
    monkeypatch.setattr(fit, "LEAST_CASES", 10)


def learn(shop: Shop, told: range, path: Path) -> RankerFile:
    return RankerLesson(shop.raw, shop.catalogue, told, SETTINGS.trackers).learn(SETTINGS, path, 0, unseen)


def test_weights_follow_from_what_was_told_and_from_nothing_else(shop: Shop, tmp_path: Path) -> None:
    told = range(50, 550)
    learned = learn(shop, told, tmp_path / "ranker.json")
    assert sum(period.messages for period in learned.periods.values()) == len(told)
    assert learned.cross_sell.fitted is not None
    first = shop.catalogue.item_ids[0]
    items = [item if place in told else first for place, item in enumerate(shop.raw.items)]
    other = replace(shop, raw=replace(shop.raw, items=items))
    assert other.raw.items[:50] != shop.raw.items[:50]
    assert learn(other, told, tmp_path / "other.json") == learned


def test_a_worker_can_rank_by_them(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    learned = learn(shop, range(300), path)
    assert read_ranker(path) == learned
    assert load_weights(ranked_by(SETTINGS, path).graph) == learned.weights
    assert SETTINGS.graph.ranking.learned_file is None


def test_too_little_is_said(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(TooLittle, match="40 messages"):
        learn(shop, range(40), tmp_path / "ranker.json")


def runs(
    shop: Shop, told: range, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[Runs[WorkerLists], list[Weights]]:
    """Return what became of the runs, and by what weights each of them ranked."""

    class Models:
        """Ones that say what they learned from, and change nothing."""

        def __init__(self, raw: object, catalogue: object, base: Settings, *_: object) -> None:
            self._base = base

        def train(self, places: range, folder: Path, _title: str) -> WorkerModel:
            return WorkerModel(self._base, folder.name, {"learned": len(places)})

    monkeypatch.setattr(trained_worker, "WorkerModels", Models)
    ranked: list[Weights] = []

    def run(name: str, of: Settings) -> WorkerLists:
        ranked.append(load_weights(of.graph))
        return WorkerLists(lists={}, categories=np.empty(0, np.int64), heard=np.empty(0, np.bool_))

    contest = Contest(0, unseen, baselines=False)
    return run_each(run, settings, shop.raw, shop.catalogue, told, contest), ranked


def test_the_trained_worker_ranks_by_what_it_learned(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, (fixed, learned) = runs(shop, range(300), SETTINGS, monkeypatch)
    assert found.ranker is not None
    assert not found.unlearned
    assert found.ranker.weights == learned
    assert fixed == load_weights(SETTINGS.graph)
    few, (_, same) = runs(shop, range(40), SETTINGS, monkeypatch)
    assert few.ranker is None
    assert few.unlearned == "40 messages that can be used, at least 100 are needed"
    assert same == fixed
    path = tmp_path / "named.json"
    named = learn(shop, range(120, 360), path)
    given, both = runs(shop, range(300), ranked_by(SETTINGS, path), monkeypatch)
    assert given.ranker is None
    assert given.unlearned == "it ranks by the weights that it was given"
    assert both == [named.weights, named.weights]


def test_the_ranker_learns_with_a_model_that_did_not_see_what_it_is_asked(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would foretell it better than any model foretells what comes."""
    learned: list[tuple[str, Iterable[int]]] = []

    class Models(WorkerModels):
        def train(self, told: Iterable[int], folder: Path, title: str) -> WorkerModel:
            learned.append((folder.name, told))
            return super().train(told, folder, title)

    asked: list[str] = []

    class Lesson(RankerLesson):
        def learn(self, base: Settings, *others: Any) -> RankerFile:
            asked.append(load_encoders(base.encoder).user.name)
            return super().learn(base, *others)

    names: list[str] = []

    def run(name: str, of: Settings) -> WorkerLists:
        names.append(load_encoders(of.encoder).user.name)
        return WorkerLists(lists={}, categories=np.empty(0, np.int64), heard=np.empty(0, np.bool_))

    monkeypatch.setattr(trained_worker, "WorkerModels", Models)
    monkeypatch.setattr(trained_worker, "RankerLesson", Lesson)
    told = range(50, 550)
    found = run_each(run, SETTINGS, shop.raw, shop.catalogue, told, Contest(0, unseen, baselines=False))
    assert found.ranker is not None
    (everything, all_told), (former, earlier) = learned
    assert (everything, all_told) == ("model", told)
    assert (former, earlier) == ("former", range(50, 250))
    assert found.ranker.periods["warm-up"].messages == 200
    assert len({*names, *asked}) == 3  # untrained, trained, and the former one
