"""Likeness: what resembles one of the latest items, and which one a reason names."""

import numpy as np
import pytest

from graph.model import Level, Successor, SuccessorRecord
from graph.ranking.features import Vectors
from graph.ranking.lists import Reason
from graph.ranking.settings import RankingSettings
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import DIMENSIONS, NOW, ToyShop
from tests.unit.graph.test_ranking_toy_shop import RECORDS, toy_shop, user

ONLY_LIKENESS = ListSettings(
    category_feature=0.0,
    transition_feature=0.0,
    up_sell_transition_feature=0.0,
    embedding_feature=0.0,
    likeness_feature=0.5,
    words_feature=0.0,
    popularity_feature=0.0,
    diversity=0.0,
)
HALF = RankingSettings(history_decay=0.5, likeness_items=2)


def direction(place: int, cosine: float = 1.0) -> Vectors:
    """A unit vector with this cosine to the axis ``place``; what is left points along the last axis."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[place], vector[-1] = cosine, (1.0 - cosine**2) ** 0.5
    return vector


def shop_of(*viewed: str, vectors: dict[str, Vectors]) -> ToyShop:
    shop = toy_shop(user("ann", *viewed, mugs=1.0), settings=ONLY_LIKENESS)
    shop.ranking = HALF
    shop.vectors = {**shop.vectors, **vectors}
    return shop


def likeness_of(shop: ToyShop, item_id: str) -> Reason | None:
    entries = [entry for entry in shop.rank()[0].cross_sell if entry.item_id == item_id]
    reasons = [reason for entry in entries for reason in entry.because if reason.feature == "LIKENESS"]
    return reasons[0] if reasons else None


def test_what_resembles_the_latest_item_comes_first_and_names_it() -> None:
    shop = shop_of("mug-2", "mug-1", vectors={"mug-1": direction(0), "tripod-1": direction(0, 0.8)})
    first, *_ = shop.rank()[0].cross_sell
    assert first.item_id == "tripod-1"
    assert first.because == (Reason("LIKENESS", 0.4, ("ann", "mug-1", "tripod-1")),)


def test_an_older_item_counts_less_as_its_steps_do() -> None:
    shop = shop_of("mug-2", "mug-1", vectors={"mug-2": direction(1), "card-1": direction(1)})
    assert likeness_of(shop, "card-1") == Reason("LIKENESS", 0.25, ("ann", "mug-2", "card-1"))


def test_beyond_the_items_compared_nothing_is_alike() -> None:
    vectors = {"mug-2": direction(1), "card-1": direction(1)}
    assert likeness_of(shop_of("mug-2", "camera-1", "mug-1", vectors=vectors), "card-1") is None


def test_it_is_the_largest_likeness_and_not_their_sum() -> None:
    vectors = {"mug-1": direction(0, 0.6), "mug-2": direction(0, 0.6), "card-1": direction(0)}
    reason = likeness_of(shop_of("mug-2", "mug-1", vectors=vectors), "card-1")
    assert reason is not None
    assert reason.contribution == pytest.approx(0.3)


def test_no_item_is_named_where_the_one_before_it_would_do_as_well() -> None:
    vectors = {"mug-1": direction(0, 0.6), "mug-2": direction(0, 0.6), "card-1": direction(0)}
    reason = likeness_of(shop_of("mug-2", "mug-1", vectors=vectors), "card-1")
    assert reason is not None
    assert reason.path == ("ann", "card-1")


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_item_is_named_though_it_leads_to_a_rival_more_strongly(weight: float) -> None:
    """What card-2 has of its own steps would be no more if nothing led to tripod-1."""
    shop = shop_of("camera-1", "mug-1", vectors={"mug-1": direction(0), "card-2": direction(0, 0.8)})
    rival = SuccessorRecord(Level.ITEM, "mug-1", NOW, bought=(Successor("tripod-1", 24.0, 9, 9),))
    shop.records = [record for record in RECORDS if record.level is Level.ITEM] + [rival]
    shop.settings = ONLY_LIKENESS.model_copy(update={"transition_feature": weight})
    reason = likeness_of(shop, "card-2")
    assert reason is not None
    assert reason.contribution == pytest.approx(0.4)
    assert reason.path == ("ann", "mug-1", "card-2")


def test_an_item_that_moves_up_from_beyond_counts_too() -> None:
    """Without mug-1 it is camera-1 and mug-2 that are compared, mug-2 at half: no less than mug-1's now."""
    vectors = {"mug-1": direction(0, 0.5), "mug-2": direction(1), "card-1": (direction(0) + direction(1)) / 2**0.5}
    shop = shop_of("mug-2", "camera-1", "mug-1", vectors=vectors)
    reason = likeness_of(shop, "card-1")
    assert reason is not None
    assert reason.contribution == pytest.approx(0.5 * 0.5 / 2**0.5, abs=1e-6)
    assert reason.path == ("ann", "card-1")


def test_an_item_of_its_own_category_is_no_reason_for_cross_sell() -> None:
    vectors = {"card-1": direction(0), "card-2": direction(0), "mug-1": direction(1)}
    shop = shop_of("card-1", "mug-1", vectors=vectors)
    assert likeness_of(shop, "card-2") is None
    assert likeness_of(shop, "card-1") is None  # nor is it like itself


def test_opposites_and_items_without_a_vector_are_not_alike() -> None:
    assert likeness_of(shop_of("mug-1", vectors={"mug-1": direction(0), "card-1": -direction(0)}), "card-1") is None
    assert likeness_of(shop_of("mug-1", vectors={"card-1": direction(0)}), "card-1") is None


def test_without_a_weight_it_is_no_reason() -> None:
    shop = shop_of("mug-1", vectors={"mug-1": direction(0), "card-1": direction(0)})
    shop.settings = ONLY_LIKENESS.model_copy(update={"likeness_feature": 0.0, "popularity_feature": 1.0})
    assert likeness_of(shop, "card-1") is None
