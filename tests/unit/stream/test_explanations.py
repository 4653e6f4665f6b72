"""Reasons are true on the shipped sample of a real shop, through the whole path."""

import pytest

from graph.ranking.lists import Reason
from graph.ranking.weights import Weights
from stream.explanations import Truth, interactions_in, measure_truth, origin_of
from stream.recommendations import RULED_LIST_IDS
from tests.unit.stream.sample_shop import SampleShop

LEAST_SHARE = 0.95


@pytest.fixture(scope="module")
def truth(sample_shop: SampleShop) -> Truth:
    """Every fifth user of the sample; the whole sample is measured by tests/bench/measure_explanations.py."""
    past = interactions_in(sample_shop.values(sample_shop.settings.topics.bundles))
    some = {user_id: past[user_id] for user_id in sorted(past)[::5]}
    return sample_shop.run(
        measure_truth(some, sample_shop.refresher, sample_shop.pipeline.store, sample_shop.settings.graph)
    )


@pytest.mark.parametrize("name", RULED_LIST_IDS)
def test_an_item_scores_less_without_what_its_reasons_name(truth: Truth, name: str) -> None:
    tally = truth.removal[name, "item"]
    assert tally.cases > 500
    assert tally.share >= LEAST_SHARE


def test_reasons_are_true_one_by_one(truth: Truth) -> None:
    """Of every kind, as often as required."""
    each = {claim: tally for claim, tally in truth.removal.items() if claim[1] != "item"}
    assert {claim for claim, tally in each.items() if tally.cases > 100} >= {
        ("cross_sell", "BOUGHT_BEFORE"),
        ("cross_sell", "BOUGHT_NEXT"),
        ("cross_sell", "ITEM_BOUGHT_NEXT"),
        ("cross_sell", "LIKENESS"),
        ("cross_sell", "WORDS"),
        ("up_sell", "EMBEDDING"),
        ("up_sell", "ITEM_BOUGHT_NEXT"),
        ("up_sell", "PRICE"),
        ("next_visit_cross_sell", "BOUGHT_BEFORE"),
        ("next_visit_cross_sell", "ITEM_BOUGHT_NEXT"),
        ("next_visit_up_sell", "EMBEDDING"),
        ("next_visit_up_sell", "ITEM_BOUGHT_NEXT"),
        ("next_visit_up_sell", "PRICE"),
    }
    assert {claim: tally.share for claim, tally in each.items() if tally.share < LEAST_SHARE} == {}


def test_reasons_are_as_true_under_learned_weights(sample_shop: SampleShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As online shops teach them: what weighs nothing is no reason, and the rest adds up to the score."""
    learned = Weights((0.0, 1.2, 0.6, 0.4, 0.8, 0.7, 0.1), (0.0, 1.1, 0.3, 0.4, 0.1), "linear-test")
    monkeypatch.setattr(sample_shop.pipeline.knowledge, "weights", learned)
    past = interactions_in(sample_shop.values(sample_shop.settings.topics.bundles))
    some = {user_id: past[user_id] for user_id in sorted(past)[::10]}
    truth = sample_shop.run(
        measure_truth(some, sample_shop.refresher, sample_shop.pipeline.store, sample_shop.settings.graph)
    )
    assert truth.wrong == []
    assert ("cross_sell", "BOUGHT_NEXT") not in truth.removal
    for name in ("cross_sell", "up_sell"):
        tally = truth.removal[name, "item"]
        assert tally.cases > 100
        assert tally.share >= LEAST_SHARE


def test_every_number_in_a_reason_is_the_graphs(truth: Truth) -> None:
    assert truth.wrong == []
    assert truth.numbers.cases > 2500


def test_a_wrong_number_is_found() -> None:
    truth = Truth()
    truth.number("users", 3, 4)
    truth.number("lift", 2.0, None)
    truth.number("users", 3, 3)
    assert (truth.numbers.cases, truth.numbers.held, len(truth.wrong)) == (3, 1, 2)


def test_what_a_path_names_of_the_past() -> None:
    assert origin_of(Reason("POPULAR", 0.1, ("u", "i"))) is None
    assert origin_of(Reason("BOUGHT_BEFORE", 0.1, ("u", "i"))) == ("item", "i")
    assert origin_of(Reason("PRICE", 0.1, ("u", "a", "i"))) == ("item", "a")
    assert origin_of(Reason("BOUGHT_NEXT", 0.1, ("u", "A", "B", "i"))) == ("category", "A")
