"""What becomes of an evaluation whose worker, or trained worker, cannot run."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from stream.evaluation import workers
from stream.evaluation.contest import Contest
from stream.evaluation.nightly import FOR_NEXT_VISIT, TRAINED_WORKER, WORKER
from stream.evaluation.nightly_rules import RuledTests
from stream.evaluation.plan import SEQUENCES, Protocol, Shop, plan, read_shop
from stream.evaluation.shop import build_log
from stream.evaluation.worker_model import WorkerModels
from stream.evaluation.workers import Workers, ask_worker, run_workers
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import write_shop

CONTEST = Contest(0, lambda title, total: nullcontext(lambda: None), baselines=False)
SETTINGS = Settings.model_validate({"encoder": {"text": "hashing"}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    events, items = write_shop(tmp_path_factory.mktemp("shop"), users=25, items=30)
    return read_shop([events], items, Protocol.PREQUENTIAL)


def run(shop: Shop, most: int = 100, *, train: bool = False, settings: Settings = SETTINGS) -> Workers:
    return run_workers(shop, most, train, CONTEST, settings)


def of_kinds(shop: Shop, *kinds: str) -> Shop:
    """Return the shop with these kinds in turn."""
    return replace(shop, raw=replace(shop.raw, kinds=[kinds[at % len(kinds)] for at in range(len(shop.raw))]))


def without_times(found: Workers) -> dict[str, dict[str, float]]:
    return {
        name: {figure: value for figure, value in of.items() if not figure.startswith("ms")}
        for name, of in found.figures[WORKER].items()
    }


def test_a_log_of_nothing_that_the_worker_knows_is_not_begun(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "run_worker", lambda *_: pytest.fail("begun"))
    found = run(of_kinds(shop, "buy"))
    assert not found.figures
    n = len(shop.raw)
    assert f"{n} of {n} events have kinds that the worker does not know: 'buy' {n}" in found.left_out[WORKER]


def test_what_the_worker_does_not_know_is_neither_processed_nor_tested(shop: Shop) -> None:
    found = run(of_kinds(shop, "view", "buy"), 50)
    assert found.unknown_kinds == {"buy": len(shop.raw) // 2}
    raw = replace(
        shop.raw,
        users=shop.raw.users[::2],
        items=shop.raw.items[::2],
        kinds=shop.raw.kinds[::2],
        times=shop.raw.times[::2],
        prices=shop.raw.prices[::2],
        sessions=shop.raw.sessions[::2],
        tested=shop.raw.tested[::2],
    )
    log, users = build_log(raw, shop.catalogue, SEQUENCES[Protocol.PREQUENTIAL])
    assert without_times(found) == without_times(run(replace(shop, raw=raw, log=log, users=users), 50))
    assert not found.left_out


def test_the_nightly_batches_are_told_no_more_than_the_worker(shop: Shop) -> None:
    contest = replace(CONTEST, baselines=True)
    found = run_workers(of_kinds(shop, "view", "buy"), 100, False, contest, SETTINGS)
    assert 0 < found.nightly["cross-sell"].cases <= found.figures[WORKER]["stream"]["tests"]


def test_kinds_in_capitals_are_the_same_kinds(shop: Shop) -> None:
    capitals, small = (run(of_kinds(shop, *kinds), 50) for kinds in (("VIEW", "Purchase"), ("view", "purchase")))
    assert without_times(capitals) == without_times(small)
    assert not capitals.unknown_kinds


@pytest.mark.parametrize("most", [1, 5])
@pytest.mark.parametrize("train", [False, True])
def test_a_run_without_tests_is_left_out_and_trains_nothing(
    shop: Shop, most: int, train: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerModels, "train", lambda *_: pytest.fail("trained"))
    found = run(shop, most, train=train)
    assert not found.figures
    assert f"the last fifth of {most} interactions" in found.left_out[WORKER]


def test_a_model_that_cannot_be_trained_costs_the_trained_worker_alone(shop: Shop) -> None:
    """Without a title there is nothing to read of an item; with few interactions there is nothing to hold out."""
    blank = replace(shop, catalogue=replace(shop.catalogue, titles=("",) * len(shop.catalogue)))
    found = run(blank, train=True)
    assert found.figures.keys() == {WORKER, FOR_NEXT_VISIT[WORKER]}
    assert "--train: the catalogue has no item with a title" in found.left_out[TRAINED_WORKER]
    few = run(shop, 7, train=True)
    assert few.figures.keys() == {WORKER, FOR_NEXT_VISIT[WORKER]}
    assert "cannot be divided" in few.left_out[TRAINED_WORKER]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"encoder": {"text": "transformers", "text_model_dir": "nowhere"}}, "nowhere"),
        ({"encoder": {"text": "hashing"}, "graph": {"ranking": {"learned_file": "nowhere.json"}}}, "nowhere.json"),
    ],
)
def test_settings_that_no_worker_can_run_with_are_a_reason(
    shop: Shop, settings: dict[str, object], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(shop, settings=Settings.model_validate(settings))
    assert not found.figures
    assert told in found.left_out[WORKER]


def ask(
    shop: Shop,
    most: int = 10_000,
    *,
    train: bool = False,
    settings: Settings = SETTINGS,
    contest: Contest = CONTEST,
) -> Workers:
    shop = replace(shop, log=build_log(shop.raw, shop.catalogue, SEQUENCES[Protocol.LEAVE_ONE_OUT])[0])
    return ask_worker(shop, next(plan(shop, Protocol.LEAVE_ONE_OUT, None, 1.0)), most, train, contest, settings)


def test_the_worker_is_asked_for_every_case_of_a_test(shop: Shop) -> None:
    found = ask(shop)
    figures = found.figures[WORKER]
    users = len(set(shop.raw.users))
    assert figures["asked"]["cases"] == users
    assert figures["asked"]["interactions processed"] == len(shop.raw) - users
    assert figures["asked"]["broken rules"] == 0
    assert figures["cross-sell"]["HR@10"] > 0
    assert found.tests is not None
    assert len(found.tests.cases) == users
    assert not found.tests.allowed
    assert ask(shop, 30).figures[WORKER]["asked"]["interactions processed"] == 30


def test_of_a_history_the_worker_is_told_what_it_knows(shop: Shop) -> None:
    mixed = of_kinds(shop, "view", "buy", "purchase")
    found = ask(mixed, contest=replace(CONTEST, baselines=True))
    assert found.unknown_kinds == {"buy": sum(kind == "buy" for kind in mixed.raw.kinds)}
    assert found.tests is not None
    cases = found.tests.cases
    assert {mixed.raw.kinds[place] for place in cases.places} == {"view", "purchase"}
    assert found.figures[WORKER]["asked"]["interactions processed"] < len(shop.raw) - len(cases)
    assert 0 < found.nightly["cross-sell"].cases <= len(cases)
    none = ask(of_kinds(shop, "buy"))
    assert not none.figures
    assert "have kinds that the worker does not know: 'buy'" in none.left_out[WORKER]


def test_batches_learn_what_the_worker_processed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[RuledTests] = []

    def compared(tests: RuledTests, *_: object) -> dict[str, object]:
        told.append(tests)
        return {}

    monkeypatch.setattr(workers, "compare_with_nightly", compared)
    ask(shop, 30, contest=replace(CONTEST, baselines=True))
    (tests,) = told
    assert len(tests.knowledge.log) == 30
    assert tests.knowledge.log.places.min() > 0
    assert len(tests.cases) == len(set(shop.raw.users))


def test_a_worker_that_cannot_be_asked_is_a_reason(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.model_validate({"encoder": {"text": "transformers", "text_model_dir": "nowhere"}})
    found = ask(shop, settings=settings)
    assert not found.figures
    assert "nowhere" in found.left_out[WORKER]
