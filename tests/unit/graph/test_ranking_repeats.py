"""What was bought before, in the cross-sell list."""

import dataclasses

import pytest

from graph.ranking.lists import CrossSell, Reason
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import ToyShop
from tests.unit.graph.test_ranking_toy_shop import toy_shop, user

ONLY_REPEATS = ListSettings(
    category_feature=0.0,
    transition_feature=0.0,
    up_sell_transition_feature=0.0,
    embedding_feature=0.0,
    likeness_feature=0.0,
    words_feature=0.0,
    repeat_feature=0.5,
    popularity_feature=0.1,
    diversity=0.0,
    new_items=0,
)


def shop_of(repeats: dict[str, float], *viewed: str, settings: ListSettings = ONLY_REPEATS) -> ToyShop:
    shop = toy_shop(user("ann", *viewed, mugs=1.0, cards=1.0), settings=settings)
    shop.profiles = [dataclasses.replace(profile, repeats=repeats) for profile in shop.profiles]
    return shop


def listed(shop: ToyShop, item_id: str) -> CrossSell | None:
    return next((entry for entry in shop.rank()[0].cross_sell if entry.item_id == item_id), None)


def test_what_was_bought_before_comes_first_though_its_category_is_at_home() -> None:
    without = listed(shop_of({}, "mug-1"), "card-2")
    assert without is None or not any(reason.feature == "BOUGHT_BEFORE" for reason in without.because)
    first = shop_of({"card-2": 0.8}, "mug-1").rank()[0].cross_sell[0]
    assert first.item_id == "card-2"
    assert first.because[0] == Reason("BOUGHT_BEFORE", 0.4, ("ann", "card-2"))
    assert first.score == pytest.approx(sum(reason.contribution for reason in first.because))


def test_items_of_the_latest_ones_category_are_no_cross_sell() -> None:
    assert listed(shop_of({"mug-2": 1.0}, "mug-1"), "mug-2") is None


def test_what_was_bought_lately_or_is_not_in_the_catalogue_is_left_out() -> None:
    shop = shop_of({"card-2": 1.0, "gone": 1.0}, "mug-1")
    shop.profiles = [dataclasses.replace(one, owned={"card-2": one.now}) for one in shop.profiles]
    assert listed(shop, "card-2") is None
    assert listed(shop, "gone") is None


def test_without_weight_it_is_no_reason() -> None:
    entry = listed(
        shop_of({"card-2": 1.0}, "mug-1", settings=ONLY_REPEATS.model_copy(update={"repeat_feature": 0.0})), "card-2"
    )
    assert entry is not None
    assert {reason.feature for reason in entry.because} == {"POPULAR"}


def test_each_user_has_repeats_of_their_own() -> None:
    shop = shop_of({"card-2": 1.0}, "mug-1")
    (ann,) = shop.profiles
    shop.profiles = [ann, dataclasses.replace(ann, user_id="ben", repeats={"card-1": 1.0})]
    shop.embeddings = {**shop.embeddings, "ben": shop.embeddings["ann"]}
    firsts = [lists.cross_sell[0].item_id for lists in shop.rank()]
    assert firsts == ["card-2", "card-1"]


def test_a_category_bought_in_lately_lowers_everything_but_repeats() -> None:
    settings = ONLY_REPEATS.model_copy(update={"saturation": 0.5, "popularity_feature": 1.0})
    plain = shop_of({"card-2": 0.8}, "mug-1", settings=settings)
    lately = shop_of({"card-2": 0.8}, "mug-1", settings=settings)
    lately.profiles = [dataclasses.replace(one, owned={"card-1": one.now}) for one in lately.profiles]
    before, after = listed(plain, "card-2"), listed(lately, "card-2")
    assert before is not None
    assert after is not None
    assert [reason.feature for reason in before.because] == ["BOUGHT_BEFORE", "POPULAR"]
    assert before.because[0] == after.because[0]
    assert after.because[1].contribution == pytest.approx(before.because[1].contribution / 2, abs=1e-6)
