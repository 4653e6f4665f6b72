"""The worker's lists against nightly batches: the same cases, the same rules, nothing known too early."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from graph.settings import ListSettings
from stream.evaluation import nightly
from stream.evaluation.baselines.table import BASELINES, Baseline
from stream.evaluation.cases import Cases
from stream.evaluation.contest import Contest
from stream.evaluation.interactions import FloatArray, IntArray, Knowledge
from stream.evaluation.nightly import TRAINED_WORKER, WORKER, Comparison, compare_with_nightly
from stream.evaluation.nightly_rules import RULES, RuledTests
from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.worker_kinds import are_purchases
from stream.evaluation.worker_lists import PublishedLists, WorkerLists
from stream.evaluation.worker_run import run_worker
from stream.evaluation.worker_tests import ruled_tests
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import DAY_MS, write_shop

CONTEST = Contest(0, lambda title, total: nullcontext(lambda: None))

CATEGORIES = {"mug": "Kitchen > Mugs", "big-mug": "Kitchen > Mugs", "urn": "Kitchen > Mugs", "lamp": "Light > Lamps"}
ITEMS = """item_id,title,category_path,brand,price
mug,,Kitchen > Mugs,,10
big-mug,,Kitchen > Mugs,,15
urn,,Kitchen > Mugs,,100
lamp,,Light > Lamps,,50
voucher,,,,5
"""
EVENTS = [  # day, user, item, kind; the tests begin with the third
    (0, "ann", "mug", "purchase"),
    (0, "bob", "lamp", "view"),
    (1, "ann", "lamp", "view"),  # of another category: cross-sell
    (2, "ann", "big-mug", "view"),  # of another category than the lamp; half as dear again as the mug: both
    (3, "ann", "mug", "view"),  # bought three days ago: neither
    (4, "ann", "urn", "view"),  # of the latest item's category, and far too dear: neither
    (5, "ann", "voucher", "view"),  # of no category: neither
    (6, "bob", "mug", "view"),  # only ann owns one: cross-sell
    (40, "bob", "mug", "view"),  # the very item: of its own category, and not dearer: neither
    (41, "ann", "mug", "view"),  # bought 41 days ago, but the list is from day 5: neither
]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    items.write_text(ITEMS)
    rows = [f"{user},{item},{kind},{day * DAY_MS},," for day, user, item, kind in EVENTS]
    events.write_text("\n".join(["user_id,item_id,type,ts_ms,price,session_id", *rows]) + "\n")
    return read_shop([events], items, Protocol.PREQUENTIAL)


def published(shop: Shop, *hits: int) -> PublishedLists:
    """Lists that hold nothing but what was taken, at the tests (by place) that are ``hits``."""
    codes, places = shop.catalogue.codes, np.arange(2, len(EVENTS))
    targets = np.array([codes[EVENTS[place][2]] for place in places])
    lists = np.full((len(places), 10), -1)
    lists[np.isin(places, hits), 0] = targets[np.isin(places, hits)]
    return PublishedLists(
        lists={"cross_sell": lists, "up_sell": lists},
        categories=categories(shop),
        heard=np.ones(len(shop.catalogue), np.bool_),
        targets=targets,
        places=places,
        processed_from=0,
        tested_from=2,
    )


def categories(shop: Shop) -> IntArray:
    paths = [CATEGORIES.get(item_id) for item_id in shop.catalogue.item_ids]
    names = sorted(set(CATEGORIES.values()))
    return np.array([-1 if path is None else names.index(path) for path in paths])


def compare(shop: Shop, workers: dict[str, PublishedLists], settings: ListSettings) -> dict[str, Comparison]:
    return compare_with_nightly(ruled_tests(shop, workers[WORKER], settings), workers, CONTEST)


class Eager:
    """Likes best what may not be listed, and knows nothing else."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.known.append(knowledge)
        self.n_items = knowledge.n_items

    known: list[Knowledge] = []  # noqa: RUF012  # one test's

    def score(self, cases: Cases) -> FloatArray:
        scores = np.zeros((len(cases), self.n_items), np.float32)
        scores[cases.rows, cases.items] = 9
        return scores


def test_a_case_is_what_the_rules_of_a_list_allow(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    Eager.known.clear()
    monkeypatch.setattr(
        nightly, "BASELINES", (Baseline("eager", "nobody", Eager), Baseline("none", "", lambda _: None))
    )
    found = compare(shop, {WORKER: published(shop, 2, 7)}, ListSettings())
    assert {name: comparison.cases for name, comparison in found.items()} == {"cross-sell": 3, "up-sell": 1}
    assert found["cross-sell"].models.keys() == {WORKER, "eager"}
    assert found["cross-sell"].models[WORKER]["HR@10"].value == pytest.approx(2 / 3)  # the lamp, and bob's mug
    assert found["cross-sell"].models["eager"]["HR@10"].value == 1.0  # all that is left fits into ten places
    assert found["up-sell"].models[WORKER]["HR@10"].value == 0.0
    assert found["up-sell"].models["eager"]["HR@5"].value == 1.0
    lead = found["cross-sell"].leads[WORKER]
    assert lead.part == "eager"
    models = found["cross-sell"].models
    assert lead.difference.value == pytest.approx(models[WORKER]["NDCG@10"].value - models["eager"]["NDCG@10"].value)
    for knowledge in Eager.known:
        assert len(knowledge.log) == 2
        assert knowledge.now == DAY_MS


def test_each_worker_has_a_lead_of_its_own(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "BASELINES", (Baseline("eager", "nobody", Eager),))
    workers = {WORKER: published(shop), TRAINED_WORKER: published(shop, 2, 7)}
    found = compare(shop, workers, ListSettings())["cross-sell"]
    batch = found.models["eager"]["NDCG@10"].value
    assert found.models[WORKER]["NDCG@10"].value == 0.0
    assert found.models[TRAINED_WORKER]["NDCG@10"].value == pytest.approx(2 / 3)
    assert found.leads[WORKER].difference.value == pytest.approx(-batch)
    assert found.leads[TRAINED_WORKER].difference.value == pytest.approx(2 / 3 - batch)
    assert found.as_json()["leads"]["trained worker"]["over"] == "eager"  # type: ignore[index]


def test_a_shorter_memory_allows_what_was_bought_before(shop: Shop) -> None:
    found = compare(shop, {WORKER: published(shop)}, ListSettings(owned_seconds=86_400.0))
    assert found["up-sell"].cases == 1
    # the mug after the big mug is of the latest item's category: still no case of cross-sell
    assert found["cross-sell"].cases == 4


def test_a_list_that_no_case_is_there_for_is_left_out(shop: Shop) -> None:
    found = compare(shop, {WORKER: published(shop)}, ListSettings(up_sell_max_ratio=1.1))
    assert found.keys() == {"cross-sell"}


def ruled(shop: Shop, *cases: tuple[list[int], str], at: int) -> RuledTests:
    """Cases of several targets: places of the history in EVENTS, and items of the targets."""
    codes = shop.catalogue.codes
    histories = np.array([place for history, _ in cases for place in history], np.int64)
    targets = [codes[item] for _, items in cases for item in items.split()]
    asked = Cases(
        users=np.arange(len(cases)),
        offsets=np.r_[0, np.cumsum([len(history) for history, _ in cases])],
        items=np.array([codes[EVENTS[place][2]] for place in histories], np.int64),
        ages=np.zeros(len(histories), np.int64),
        times=np.array([EVENTS[place][0] * DAY_MS for place in histories], np.int64),
        places=histories,
        at=np.full(len(cases), at),
        target_offsets=np.r_[0, np.cumsum([len(items.split()) for _, items in cases])],
        targets=np.array(targets),
        clusters=np.arange(len(cases)),
    )
    return RuledTests(
        Knowledge(shop.log, shop.catalogue, at), asked, are_purchases(shop.raw), categories(shop), ListSettings()
    )


def test_targets_that_a_rule_does_not_allow_do_not_count(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "BASELINES", (Baseline("eager", "nobody", Eager),))
    tests = ruled(
        shop,
        ([0], "lamp big-mug voucher"),  # after the mug: the lamp for cross-sell, the big mug for up-sell
        ([2], "lamp voucher"),  # after the lamp: neither
        ([0, 2], "mug big-mug"),  # the mug was bought a day before: only the big mug, for both
        ([], "lamp"),  # without a history there is no list
        at=50 * DAY_MS,
    )
    codes = shop.catalogue.codes
    lists = np.full((4, 10), -1)
    lists[0, :2] = codes["lamp"], codes["voucher"]
    worker = WorkerLists(lists={name: lists for name in RULES}, categories=tests.categories, heard=np.ones(5, np.bool_))
    found = compare_with_nightly(tests, {WORKER: worker}, CONTEST)
    cross, up = found["cross-sell"], found["up-sell"]
    assert cross.compared.tolist() == up.compared.tolist() == [True, False, True, False]
    assert cross.allowed.tolist() == [True, False, False, False, False, False, True, False]
    assert up.allowed.tolist() == [False, True, False, False, False, False, True, False]
    # the lamp is all that counts of the first case, and comes first
    assert cross.models[WORKER]["NDCG@10"].value == pytest.approx(1 / 2)
    assert up.models[WORKER]["HR@10"].value == 0


def test_what_was_bought_is_counted_from_the_latest_event_whenever_the_list_is_asked_for(shop: Shop) -> None:
    """As by the worker's own clock: who did nothing for a year still has the list of then."""
    for at in (1, 400):
        tests = ruled(shop, ([0, 2], "mug"), at=at * DAY_MS)
        assert not tests.allowed_targets(RULES["cross_sell"]).any()
        later = ruled(shop, ([0, 2, 8], "mug lamp"), at=at * DAY_MS)
        later.cases.items[2] = shop.catalogue.codes["lamp"]  # 40 days after the purchase
        assert later.allowed_targets(RULES["cross_sell"]).tolist() == [True, False]


async def test_the_worker_is_compared_with_every_baseline(tmp_path: Path) -> None:
    events, items = write_shop(tmp_path, users=25, items=30)
    shop = read_shop([events], items, Protocol.PREQUENTIAL)
    settings = Settings.model_validate({"encoder": {"text": "hashing"}})
    found = await run_worker(shop.raw, shop.catalogue, settings, 150, lambda: None)
    compared = compare(shop, {WORKER: found}, settings.graph.lists)
    for comparison in compared.values():
        assert comparison.models.keys() == {WORKER, *(baseline.name for baseline in BASELINES)}
        assert 0 < comparison.cases <= len(found.targets)
    as_json = compared["cross-sell"].as_json()
    assert as_json["cases"] == compared["cross-sell"].cases
    assert as_json.keys() == {"cases", "models", "intervals", "leads"}
