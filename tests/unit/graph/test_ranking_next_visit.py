"""Lists for the next visit, beside those for the next step: the same candidates under other weights."""

import dataclasses

import pytest

from graph.ranking.lists import CrossSell, NextVisit, Reason, UpSell
from graph.ranking.weights import fixed_weights, next_visit_weights
from graph.settings import ListSettings, NextVisitSettings
from tests.unit.graph.ranking_shops import NOW, ToyShop
from tests.unit.graph.test_ranking_toy_shop import ANN, BOB, COLD, EVE, QUARTER, toy_shop, user


def visit_of(shop: ToyShop) -> NextVisit:
    visit = shop.rank()[0].next_visit
    assert visit is not None
    return visit


def with_visit(shop: ToyShop, **changed: float) -> ToyShop:
    shop.visit = NextVisitSettings().model_copy(update=changed)
    return shop


def entries(visit: NextVisit) -> list[CrossSell | UpSell]:
    return [*visit.cross_sell, *visit.up_sell]


def reasons(entry: CrossSell | UpSell) -> dict[str, Reason]:
    return {reason.feature: reason for reason in entry.because}


def test_none_are_made_where_they_are_switched_off() -> None:
    shop = toy_shop(ANN)
    assert shop.rank()[0].next_visit is None
    assert with_visit(shop, enabled=False).rank()[0].next_visit is None
    assert with_visit(shop, enabled=True).rank()[0].next_visit is not None


def test_the_lists_for_the_next_step_do_not_depend_on_them() -> None:
    shop = toy_shop(ANN, BOB, EVE, COLD)
    alone = shop.rank()
    both = with_visit(shop).rank()
    assert [(lists.cross_sell, lists.up_sell) for lists in both] == [
        (lists.cross_sell, lists.up_sell) for lists in alone
    ]


def test_with_the_weights_of_the_next_step_they_are_the_same_lists() -> None:
    shop = toy_shop(ANN, BOB, EVE, COLD)
    names = set(NextVisitSettings.model_fields) & set(ListSettings.model_fields)
    shop.visit = NextVisitSettings(
        **{name: getattr(shop.settings, name) for name in names}, up_sell_price_feature=QUARTER.price_feature
    )
    for lists in shop.rank():
        assert lists.next_visit is not None
        assert (lists.next_visit.cross_sell, lists.next_visit.up_sell) == (lists.cross_sell, lists.up_sell)
        assert lists.next_visit.ranker == fixed_weights(shop.settings, shop.ranking).version


def test_reasons_add_up_and_the_version_is_that_of_the_weights() -> None:
    visit = visit_of(with_visit(toy_shop(EVE)))
    assert visit.cross_sell
    assert visit.up_sell
    for entry in entries(visit):
        assert sum(reason.contribution for reason in entry.because) == pytest.approx(entry.score)
    assert visit.ranker == next_visit_weights(NextVisitSettings()).version


def test_what_was_bought_before_leads_where_a_step_would_lead_elsewhere() -> None:
    shop = with_visit(toy_shop(user("ann", "mug-1", "camera-1", cameras=5.0)), repeat_feature=9.0)
    shop.profiles = [dataclasses.replace(one, repeats={"mug-2": 0.5}) for one in shop.profiles]
    lists = shop.rank()[0]
    assert lists.cross_sell[0].item_id == "card-2"
    assert lists.next_visit is not None
    first = lists.next_visit.cross_sell[0]
    assert first.item_id == "mug-2"
    assert reasons(first)["BOUGHT_BEFORE"] == Reason("BOUGHT_BEFORE", 4.5, ("ann", "mug-2"))


def test_a_dearer_item_bought_before_is_an_up_sell_again() -> None:
    shop = with_visit(toy_shop(ANN), up_sell_repeat_feature=9.0)
    shop.profiles = [dataclasses.replace(ANN, repeats={"camera-3": 0.5, "card-1": 0.9, "camera-6": 0.9})]
    first = visit_of(shop).up_sell[0]
    assert (first.item_id, first.anchor_item_id) == ("camera-3", "camera-1")
    assert reasons(first)["BOUGHT_BEFORE"] == Reason("BOUGHT_BEFORE", 4.5, ("ann", "camera-3"))


def test_what_is_popular_speaks_for_an_up_sell() -> None:
    shop = with_visit(toy_shop(ANN), up_sell_popularity_feature=5.0)
    first = visit_of(shop).up_sell[0]
    assert first.item_id == "camera-2"
    assert reasons(first)["POPULAR"].path == ("ann", "camera-2")
    assert "POPULAR" not in {feature for entry in shop.rank()[0].up_sell for feature in reasons(entry)}


def test_a_category_bought_in_lately_counts_in_full_unless_the_settings_say_otherwise() -> None:
    owner = dataclasses.replace(ANN, owned={"card-1": NOW})
    score = {
        saturation: next(
            entry.score
            for entry in visit_of(with_visit(toy_shop(owner), saturation=saturation)).cross_sell
            if entry.item_id == "card-2"
        )
        for saturation in (1.0, 0.5)
    }
    plain = next(e.score for e in visit_of(with_visit(toy_shop(ANN))).cross_sell if e.item_id == "card-2")
    assert score[1.0] == plain
    assert score[0.5] == pytest.approx(plain / 2, abs=4e-6)


def test_what_was_bought_within_thirty_days_is_in_none_of_the_lists() -> None:
    shop = with_visit(toy_shop(BOB))
    shop.profiles = [dataclasses.replace(BOB, repeats={"card-2": 0.9})]
    assert "card-2" not in {entry.item_id for entry in visit_of(shop).cross_sell}


def test_no_place_is_drawn_by_lot() -> None:
    shop = with_visit(toy_shop(ANN, settings=ListSettings(size=1, exploration=1.0)))
    lists = shop.rank()[0]
    assert lists.cross_sell[-1].propensity is not None
    assert lists.next_visit is not None
    assert [entry.propensity for entry in lists.next_visit.cross_sell] == [None]


def test_what_weighs_nothing_is_no_reason() -> None:
    visit = visit_of(
        with_visit(toy_shop(ANN), transition_feature=0.0, up_sell_transition_feature=0.0, category_feature=0.0)
    )
    named = {feature for entry in entries(visit) for feature in reasons(entry)}
    assert not named & {"BOUGHT_NEXT", "VIEWED_NEXT", "ITEM_BOUGHT_NEXT", "ITEM_VIEWED_NEXT"}
