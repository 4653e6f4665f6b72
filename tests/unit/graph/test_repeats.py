"""Repeat purchases: how strongly what was bought before will be bought again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.repeats import repeat_strengths
from graph.reversals import Action

DAY = 86_400_000
AWAY = 30 * DAY


def bought(*days_and_items: tuple[int, str]) -> list[Action]:
    return [Action(day * DAY, f"e{place}", item) for place, (day, item) in enumerate(days_and_items)]


def strengths(*days_and_items: tuple[int, str], now: int = 200, half: float = 5.0) -> dict[str, float]:
    return repeat_strengths(bought(*days_and_items), now * DAY, AWAY, half)


def test_whoever_never_bought_again_is_told_nothing() -> None:
    assert strengths((0, "tea"), (40, "mug"), (80, "pot")) == {}
    assert strengths() == {}


def test_it_is_the_users_habit_times_how_often_the_item_was_bought() -> None:
    found = strengths((0, "tea"), (40, "tea"), (80, "tea"), (81, "mug"))
    assert found == pytest.approx({"tea": 2 / 7 * 3 / 5, "mug": 2 / 7 * 1 / 3})


def test_what_was_bought_lately_is_not_away_yet() -> None:
    found = strengths((0, "tea"), (40, "tea"), (100, "mug"), (180, "tea"))
    assert found.keys() == {"mug"}
    assert strengths((0, "tea"), (40, "tea"), now=69) == {}
    assert strengths((0, "tea"), (40, "tea"), now=70).keys() == {"tea"}


def test_the_same_again_within_the_time_is_no_repeat_and_at_one_moment_no_second_purchase() -> None:
    assert strengths((0, "tea"), (1, "tea"), (29, "tea")) == {}
    once = strengths((0, "tea"), (40, "tea"), (40, "mug"))
    twice = strengths((0, "tea"), (0, "tea"), (40, "tea"), (40, "mug"), (40, "tea"))
    assert once == twice
    assert once


LIVES = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["tea", "mug", "pot"])), max_size=20).map(sorted)


@given(LIVES, st.integers(0, 400), st.floats(0.1, 20))
def test_strengths_lie_between_0_and_1_and_name_only_what_is_away(
    life: list[tuple[int, str]], now: int, half: float
) -> None:
    latest = {item: day for day, item in life}
    for item, strength in strengths(*life, now=now, half=half).items():
        assert 0 < strength < 1
        assert now - latest[item] >= 30


@given(LIVES, st.integers(0, 400))
def test_without_one_item_no_other_is_stronger(life: list[tuple[int, str]], now: int) -> None:
    """What a reason names of the past may be taken away: nothing may rise by it."""
    every = strengths(*life, now=now)
    for gone in ("tea", "mug", "pot"):
        left = strengths(*[(day, item) for day, item in life if item != gone], now=now)
        assert all(strength <= every[item] for item, strength in left.items())
