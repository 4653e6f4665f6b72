"""Learned weights: contributions stay true shares, what weighs nothing is no reason, and without any all is as was."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.ranking.codes import IntArray
from graph.ranking.features import Vectors
from graph.ranking.items import ItemIndex
from graph.ranking.lists import CrossSell, UpSell, UserLists
from graph.ranking.profile import UserProfile
from graph.ranking.ranker import Ranker
from graph.ranking.settings import RankingSettings
from graph.ranking.weights import Weights, fixed_weights, weights_digest
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import ToyShop
from tests.unit.graph.test_ranking_toy_shop import ANN, ROUND, toy_shop

FIXED = fixed_weights(ListSettings(), RankingSettings())
OF_THE_TOY_SHOP = fixed_weights(ROUND, RankingSettings())


def ranked(shop: ToyShop, weights: Weights | None) -> list[UserLists]:
    """Rank with weights of one's own, in the way of :meth:`ToyShop.rank`."""
    items = ItemIndex()
    for row in shop.rows:
        items.upsert(row)
    ranker = Ranker(items, shop.associations(), shop.settings, shop.ranking)
    profiles, embeddings, vectors, nearest = arguments(shop, items)
    return ranker.rank(profiles, embeddings, vectors, nearest, weights)


def arguments(shop: ToyShop, items: ItemIndex) -> tuple[Sequence[UserProfile], Vectors, Vectors, IntArray]:
    vectors = np.stack([shop.vectors[items.item_id(row)] for row in range(len(items))])
    embeddings = np.stack([shop.embeddings[profile.user_id] for profile in shop.profiles])
    nearest = np.full((len(shop.profiles), 5), -1, np.int64)
    for user, profile in enumerate(shop.profiles):
        rows = [row for item_id in shop.nearest(profile.user_id) if (row := items.row(item_id)) is not None]
        nearest[user, : len(rows)] = rows
    return shop.profiles, embeddings, vectors, nearest


def entries(lists: list[UserLists]) -> list[CrossSell | UpSell]:
    found: list[CrossSell | UpSell] = []
    for of_user in lists:
        found += [*of_user.cross_sell, *of_user.up_sell]
    return found


def test_without_learned_weights_the_lists_are_those_of_the_settings() -> None:
    shop = toy_shop(ANN)
    assert ranked(shop, None) == ranked(shop, OF_THE_TOY_SHOP) == shop.rank()


def test_the_fixed_weights_have_a_version_that_follows_from_them() -> None:
    assert FIXED.cross_sell == (0.2, 4.0, 0.4, 0.2, 1.0, 1.5, 0.05)
    assert FIXED.up_sell == (8.0, 0.8, 0.2, 0.5, 0.0)
    assert FIXED.version == f"fixed-{weights_digest(FIXED.cross_sell, FIXED.up_sell)}"
    others = fixed_weights(ListSettings(category_feature=1.5), RankingSettings())
    assert others.version != FIXED.version
    assert fixed_weights(ListSettings(transition_feature=4), RankingSettings()).version == FIXED.version


weights = st.floats(0.0, 10.0, allow_nan=False).map(lambda weight: round(weight, 4))


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[weights] * 7), st.tuples(*[weights] * 5))
def test_reasons_add_up_to_the_score_whatever_the_weights(
    cross_sell: tuple[float, ...], up_sell: tuple[float, ...]
) -> None:
    lists = ranked(toy_shop(ANN), Weights(cross_sell, up_sell, "v"))
    assert entries(lists)
    for entry in entries(lists):
        assert sum(reason.contribution for reason in entry.because) == pytest.approx(entry.score, abs=1e-9)
        assert all(reason.contribution >= 0 for reason in entry.because)
        assert entry.because


@pytest.mark.parametrize(
    ("place", "gone"),
    [(0, {"BOUGHT_NEXT", "VIEWED_NEXT"}), (1, {"ITEM_BOUGHT_NEXT", "ITEM_VIEWED_NEXT"}), (2, {"EMBEDDING"})],
)
def test_a_feature_without_weight_is_no_reason(place: int, gone: set[str]) -> None:
    without = list(FIXED.cross_sell)
    without[place] = 0.0
    shop = toy_shop(ANN)
    named = {reason.feature for entry in ranked(shop, FIXED)[0].cross_sell for reason in entry.because}
    left = {
        reason.feature
        for entry in ranked(shop, Weights(tuple(without), FIXED.up_sell, "v"))[0].cross_sell
        for reason in entry.because
    }
    assert named & gone or place == 2
    assert not left & gone


def test_up_sell_without_transitions_names_none() -> None:
    lists = ranked(toy_shop(ANN), Weights(FIXED.cross_sell, (0.0, 0.5, 0.2, 0.0, 0.0), "v"))
    assert lists[0].up_sell
    assert {reason.feature for entry in lists[0].up_sell for reason in entry.because} <= {"EMBEDDING", "PRICE"}


def test_features_are_what_the_weights_are_multiplied_with() -> None:
    shop, items = toy_shop(ANN), ItemIndex()
    for row in shop.rows:
        items.upsert(row)
    ranker = Ranker(items, shop.associations(), shop.settings, shop.ranking)
    (found,) = ranker.features(*arguments(shop, items))
    (scores,) = ranker.scores(*arguments(shop, items))
    assert found.cross_sell.shape == (len(scores.cross_sell), 7)
    assert found.cross_sell.min() >= 0
    assert found.cross_sell.max() <= 1
    for row, score in zip(found.cross_sell_rows, found.cross_sell @ np.array(OF_THE_TOY_SHOP.cross_sell), strict=True):
        assert score == pytest.approx(scores.cross_sell[items.item_id(row)], abs=4e-6)
    best: dict[str, float] = {}
    for row, score in zip(found.up_sell_rows, found.up_sell @ np.array(OF_THE_TOY_SHOP.up_sell), strict=True):
        best[items.item_id(row)] = max(score, best.get(items.item_id(row), 0.0))
    assert best == pytest.approx(scores.up_sell, abs=4e-6)
