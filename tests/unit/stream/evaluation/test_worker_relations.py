"""The worker's cross-sell by relations: which items are asked for, and what a list comes to."""

import math
from pathlib import Path

import numpy as np
import pytest

from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.relation_tests import Relations
from stream.evaluation.relations import Relation
from stream.evaluation.worker_lists import WorkerLists, heard_of
from stream.evaluation.worker_relations import WorkerQuestions

ITEMS = """item_id,title,category_path
mug,,Kitchen > Mugs
pan,,Kitchen > Pans
lamp,,Light > Lamps
bulb,,Light > Bulbs
rug,,Floor > Rugs
voucher,,
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    items.write_text(ITEMS)
    events.write_text("user_id,item_id,type,ts_ms\nann,mug,view,1\nann,lamp,view,2\nbob,rug,view,3\n")
    return read_shop([events], items, Protocol.PREQUENTIAL)


def relation(shop: Shop, **related: str) -> Relation:
    codes = shop.catalogue.codes
    rows = [sorted(codes[name] for name in related.get(item_id, "").split()) for item_id in shop.catalogue.item_ids]
    offsets = np.r_[0, np.cumsum([len(row) for row in rows])].astype(np.int64)
    return Relation(offsets, np.array([code for row in rows for code in row], np.int64))


@pytest.fixture
def relations(shop: Shop) -> Relations:
    return {
        "bought_together": relation(shop, mug="lamp", lamp="bulb voucher"),  # only the mug's is of another category
        "also_bought": relation(shop, mug="pan lamp rug", rug="mug", pan="mug"),
        "also_viewed": relation(shop, bulb="rug"),
    }


def listed(shop: Shop, *names: str) -> list[int]:
    codes = [shop.catalogue.codes[name] for name in names]
    return codes + [-1] * (10 - len(codes))


def test_each_item_with_a_related_one_elsewhere_is_asked_for_once(shop: Shop, relations: Relations) -> None:
    questions = WorkerQuestions.of(shop, relations)
    codes = shop.catalogue.codes
    assert questions.items.tolist() == sorted([codes["mug"], codes["rug"]])
    assert {name: len(cases) for name, cases in questions.cases.items()} == {"bought_together": 1, "also_bought": 2}


def test_without_relations_nothing_is_asked(shop: Shop) -> None:
    questions = WorkerQuestions.of(shop, {})
    assert questions.items.tolist() == []
    nothing = WorkerLists(lists={}, categories=np.full(6, -1), heard=np.zeros(6, np.bool_))
    assert questions.judge(nothing, shop, 0) == {}


def test_lists_are_compared_with_what_the_relation_names(shop: Shop, relations: Relations) -> None:
    questions = WorkerQuestions.of(shop, relations)
    lists = {"mug": listed(shop, "pan", "rug", "voucher", "bulb"), "rug": listed(shop, "lamp")}
    asked = np.array([lists[shop.catalogue.item_ids[code]] for code in questions.items])
    heard = heard_of(shop.raw.items[1:], shop.catalogue)
    found = WorkerLists(lists={}, categories=np.full(6, -1), heard=heard, asked=asked)
    figures = questions.judge(found, shop, 0)
    together, also = figures["bought_together"], figures["also_bought"]
    assert together.accuracy["Recall@10"].value == 0  # the lamp is on no list of the mug
    assert also.accuracy["Recall@10"].value == pytest.approx((1 / 2 + 0) / 2)  # the rug, not the lamp
    ideal = 1 + 1 / math.log2(3)
    assert also.accuracy["NDCG@10"].value == pytest.approx((1 / math.log2(3) / ideal + 0) / 2)
    assert also.elsewhere == (2 + 1) / 2  # neither the pan nor what has no category
    assert also.processed == 1 / 2  # the first event, of the mug, was not
    assert together.processed == 0
    as_json = also.as_json()
    assert (as_json["cases"], as_json["targets"]) == (2, 3)
    assert as_json["intervals"] == {name: [interval.low, interval.high] for name, interval in also.accuracy.items()}
