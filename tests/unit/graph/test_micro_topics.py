"""A user's micro-topics: shares by hand, ties, medoids, and what they must not depend on."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from graph.decay import decay_factor
from graph.micro_topics import MicroTopic, micro_topics
from graph.model import ItemRow, Kind
from graph.ranking.items import ItemIndex
from graph.ranking.profile import HistoryItem, UserProfile
from graph.settings import InterestSettings

NOW = 1_760_000_000_000
WEEK_MS = 7 * 86_400_000
SETTINGS = InterestSettings()
FloatArray = NDArray[np.float32]

ITEMS = {
    "candle-1": ("Candle", [1.0, 0.0, 0.0]),
    "candle-2": ("Candle", [0.8, 0.6, 0.0]),
    "candle-3": ("Candle", [0.8, -0.6, 0.0]),
    "mug-1": ("Mug", [0.0, 1.0, 0.0]),
    "mug-2": ("Mug", [0.0, 0.8, 0.6]),
    "lamp-1": ("Lamp", [0.0, 0.0, 1.0]),
    "bare": (None, [0.6, 0.8, 0.0]),
}


def shop(order: list[str] | None = None) -> tuple[ItemIndex, FloatArray]:
    items = ItemIndex()
    for item_id in order or list(ITEMS):
        items.upsert(ItemRow(item_id, item_id, micro_topic=ITEMS[item_id][0]))
    return items, np.array([ITEMS[item_id][1] for item_id in order or ITEMS], np.float32)


def profile(*history: tuple[str, Kind, int], user_id: str = "u1") -> UserProfile:
    entries = [HistoryItem(item, kind, at) for item, kind, at in history]
    return UserProfile(user_id, NOW, [], entries, {}, {})


def found(*profiles: UserProfile, most: int = 5, order: list[str] | None = None) -> list[tuple[MicroTopic, ...]]:
    items, vectors = shop(order)
    return micro_topics(profiles, items, vectors, SETTINGS, most)


def test_a_share_is_the_topics_part_of_all_that_the_history_weighs_now() -> None:
    """A purchase of two weeks ago weighs 5/4, a view of a week ago 1/2, a cart addition 3, a click 1: 5.75."""
    [topics] = found(
        profile(
            ("candle-1", Kind.PURCHASE, NOW - 2 * WEEK_MS),
            ("mug-1", Kind.VIEW, NOW - WEEK_MS),
            ("lamp-1", Kind.ADD_TO_CART, NOW),
            ("mug-1", Kind.CLICK, NOW),
        )
    )
    assert topics == (
        MicroTopic("Lamp", 0.5217, "lamp-1"),  # 3 / 5.75 = 0.52174
        MicroTopic("Mug", 0.2608, "mug-1"),  # 1.5 / 5.75 = 0.26087, rounded down
        MicroTopic("Candle", 0.2173, "candle-1"),  # 1.25 / 5.75 = 0.21739
    )


def test_what_has_no_topic_counts_in_the_whole() -> None:
    history = [("candle-1", Kind.VIEW, NOW), ("bare", Kind.VIEW, NOW), ("nobody named it", Kind.VIEW, NOW)]
    [[topic]] = found(profile(*history, ("mug-1", Kind.IMPRESSION, NOW)))
    assert topic == MicroTopic("Candle", 0.3333, "candle-1")


def test_only_the_strongest_are_named() -> None:
    history = [("candle-1", Kind.VIEW, NOW), ("mug-1", Kind.PURCHASE, NOW), ("lamp-1", Kind.ADD_TO_CART, NOW)]
    assert [topic.name for topic in found(profile(*history), most=2)[0]] == ["Mug", "Lamp"]
    assert found(profile(*history), most=0) == [()]


def test_equal_shares_are_ordered_by_name_whatever_came_first() -> None:
    history = [("mug-1", Kind.VIEW, NOW), ("lamp-1", Kind.VIEW, NOW), ("candle-1", Kind.VIEW, NOW)]
    for order in (list(ITEMS), list(reversed(ITEMS))):
        [topics] = found(profile(*history), order=order)
        assert [topic.name for topic in topics] == ["Candle", "Lamp", "Mug"]
        assert {topic.share for topic in topics} == {0.3333}


def test_the_medoid_is_the_item_nearest_to_the_weighted_mean() -> None:
    in_between = [("candle-2", Kind.VIEW, NOW), ("candle-3", Kind.VIEW, NOW), ("candle-1", Kind.VIEW, NOW - WEEK_MS)]
    assert found(profile(*in_between))[0][0].item_id == "candle-1"
    pulled = [("candle-2", Kind.PURCHASE, NOW), ("candle-3", Kind.VIEW, NOW), ("candle-1", Kind.VIEW, NOW)]
    assert found(profile(*pulled))[0][0].item_id == "candle-2"


def test_of_equally_near_items_the_latest_is_the_medoid_then_the_first_by_id() -> None:
    same_time = [("candle-3", Kind.VIEW, NOW), ("candle-2", Kind.VIEW, NOW)]
    for order in (list(ITEMS), list(reversed(ITEMS))):
        assert found(profile(*same_time), order=order)[0][0].item_id == "candle-2"
    half = 2.0  # the older one twice, so that both weigh the same
    assert decay_factor(WEEK_MS, SETTINGS.half_life_seconds) * half == 1.0
    older = [("candle-2", Kind.VIEW, NOW - WEEK_MS), ("candle-2", Kind.VIEW, NOW - WEEK_MS)]
    assert found(profile(*older, ("candle-3", Kind.VIEW, NOW)))[0][0].item_id == "candle-3"


def test_items_without_a_vector_can_still_stand_for_their_topic() -> None:
    items, _ = shop()
    nothing = np.zeros((len(ITEMS), 3), np.float32)
    [[topic]] = micro_topics([profile(("mug-2", Kind.VIEW, NOW))], items, nothing, SETTINGS, 5)
    assert topic == MicroTopic("Mug", 1.0, "mug-2")


def test_a_history_of_years_ago_loses_nothing() -> None:
    long_ago = NOW - 3_000 * WEEK_MS
    [topics] = found(profile(("mug-1", Kind.VIEW, long_ago - WEEK_MS), ("lamp-1", Kind.VIEW, long_ago)))
    assert [(topic.name, topic.share) for topic in topics] == [("Lamp", 0.6666), ("Mug", 0.3333)]


def test_kinds_that_weigh_nothing_make_no_topic() -> None:
    items, vectors = shop()
    weightless = InterestSettings(view_weight=0.0)
    history = profile(("mug-1", Kind.VIEW, NOW))
    assert micro_topics([history], items, vectors, weightless, 5) == [()]


def test_nobody_nothing_and_no_topics_give_nothing() -> None:
    assert found() == []
    assert found(profile()) == [()]
    bare = ItemIndex()
    bare.upsert(ItemRow("mug-1", "Mug"))
    assert micro_topics([profile(("mug-1", Kind.VIEW, NOW))], bare, np.ones((1, 3), np.float32), SETTINGS, 5) == [()]


def test_a_removed_item_has_no_topic() -> None:
    items, vectors = shop()
    items.remove("mug-1")
    assert micro_topics([profile(("mug-1", Kind.VIEW, NOW))], items, vectors, SETTINGS, 5) == [()]


@pytest.mark.parametrize("seed", range(5))
def test_neither_the_batch_nor_the_order_of_the_catalogue_matters(seed: int) -> None:
    dice = random.Random(seed)
    kinds = [Kind.VIEW, Kind.CLICK, Kind.ADD_TO_CART, Kind.PURCHASE]
    profiles = []
    for user in range(40):
        times = sorted(NOW - dice.randrange(5 * WEEK_MS) for _ in range(dice.randrange(30)))
        history = [(dice.choice([*ITEMS, "unknown"]), dice.choice(kinds), at) for at in times]
        profiles.append(profile(*history, user_id=f"u{user}"))
    together = found(*profiles)
    order = list(ITEMS)
    dice.shuffle(order)
    assert found(*profiles, order=order) == together
    assert [found(one)[0] for one in profiles] == together
    for topics, one in zip(together, profiles, strict=True):
        assert sum(topic.share for topic in topics) <= 1.0 + 1e-9
        assert [topic.share for topic in topics] == sorted((topic.share for topic in topics), reverse=True)
        assert {topic.item_id for topic in topics} <= {entry.item_id for entry in one.history}
        assert len({topic.name for topic in topics}) == len(topics)
