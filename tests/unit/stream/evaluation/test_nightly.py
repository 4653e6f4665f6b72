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
from stream.evaluation.interactions import FloatArray, Knowledge
from stream.evaluation.nightly import TRAINED_WORKER, WORKER, compare_with_nightly
from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.worker_lists import WorkerLists
from stream.evaluation.worker_run import run_worker
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


def published(shop: Shop, *hits: int) -> WorkerLists:
    """Lists that hold nothing but what was taken, at the tests (by place) that are ``hits``."""
    codes, places = shop.catalogue.codes, np.arange(2, len(EVENTS))
    targets = np.array([codes[EVENTS[place][2]] for place in places])
    lists = np.full((len(places), 10), -1)
    lists[np.isin(places, hits), 0] = targets[np.isin(places, hits)]
    paths = [CATEGORIES.get(item_id) for item_id in shop.catalogue.item_ids]
    names = sorted(set(CATEGORIES.values()))
    categories = np.array([-1 if path is None else names.index(path) for path in paths])
    return WorkerLists({"cross_sell": lists, "up_sell": lists}, targets, places, 0, 2, categories)


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
    found = compare_with_nightly(shop, {WORKER: published(shop, 2, 7)}, ListSettings(), CONTEST)
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
    found = compare_with_nightly(shop, workers, ListSettings(), CONTEST)["cross-sell"]
    batch = found.models["eager"]["NDCG@10"].value
    assert found.models[WORKER]["NDCG@10"].value == 0.0
    assert found.models[TRAINED_WORKER]["NDCG@10"].value == pytest.approx(2 / 3)
    assert found.leads[WORKER].difference.value == pytest.approx(-batch)
    assert found.leads[TRAINED_WORKER].difference.value == pytest.approx(2 / 3 - batch)
    assert found.as_json()["leads"]["trained worker"]["over"] == "eager"  # type: ignore[index]


def test_a_shorter_memory_allows_what_was_bought_before(shop: Shop) -> None:
    found = compare_with_nightly(shop, {WORKER: published(shop)}, ListSettings(owned_seconds=86_400.0), CONTEST)
    assert found["up-sell"].cases == 1
    # the mug after the big mug is of the latest item's category: still no case of cross-sell
    assert found["cross-sell"].cases == 4


def test_a_list_that_no_case_is_there_for_is_left_out(shop: Shop) -> None:
    found = compare_with_nightly(shop, {WORKER: published(shop)}, ListSettings(up_sell_max_ratio=1.1), CONTEST)
    assert found.keys() == {"cross-sell"}


async def test_the_worker_is_compared_with_every_baseline(tmp_path: Path) -> None:
    events, items = write_shop(tmp_path, users=25, items=30)
    shop = read_shop([events], items, Protocol.PREQUENTIAL)
    settings = Settings.model_validate({"encoder": {"text": "hashing"}})
    found = await run_worker(shop.raw, shop.catalogue, settings, 150, lambda: None)
    compared = compare_with_nightly(shop, {WORKER: found}, settings.graph.lists, CONTEST)
    for comparison in compared.values():
        assert comparison.models.keys() == {WORKER, *(baseline.name for baseline in BASELINES)}
        assert 0 < comparison.cases <= len(found.targets)
    as_json = compared["cross-sell"].as_json()
    assert as_json["cases"] == compared["cross-sell"].cases
    assert as_json.keys() == {"cases", "models", "intervals", "leads"}
