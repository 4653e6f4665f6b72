import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.decay import decay_factor, merge_decayed, rank_key, sum_decayed

DAY_MS = 86_400_000
WEEK_SECONDS = 7 * 86_400.0

values = st.floats(0.01, 1000.0)
times = st.integers(1_600_000_000_000, 1_600_000_000_000 + 100 * DAY_MS)
parts = st.lists(st.tuples(values, times), min_size=1, max_size=20)


def test_a_weight_halves_in_one_half_life_and_again_in_the_next() -> None:
    assert decay_factor(0, WEEK_SECONDS) == 1.0
    assert decay_factor(7 * DAY_MS, WEEK_SECONDS) == 0.5
    assert decay_factor(14 * DAY_MS, WEEK_SECONDS) == 0.25
    assert decay_factor(3.5 * DAY_MS, WEEK_SECONDS) == pytest.approx(math.sqrt(0.5), rel=1e-15)


def test_a_very_old_contribution_fades_to_nothing_without_an_error() -> None:
    assert merge_decayed(5.0, 0, 1.0, 1_700_000_000_000, 1.0) == (1.0, 1_700_000_000_000)


@given(parts, st.randoms(use_true_random=False))
def test_merging_one_by_one_in_any_order_is_the_sum(contributions: list[tuple[float, int]], dice: Random) -> None:
    expected, latest = sum_decayed(contributions, WEEK_SECONDS)
    shuffled = list(contributions)
    dice.shuffle(shuffled)
    value, at = shuffled[0]
    for other, other_at in shuffled[1:]:
        value, at = merge_decayed(value, at, other, other_at, WEEK_SECONDS)
    assert at == latest
    assert value == pytest.approx(expected, rel=1e-12)


@given(parts, st.randoms(use_true_random=False))
def test_a_sum_is_the_same_to_the_last_bit_in_any_order(contributions: list[tuple[float, int]], dice: Random) -> None:
    shuffled = list(contributions)
    dice.shuffle(shuffled)
    assert sum_decayed(shuffled, WEEK_SECONDS) == sum_decayed(contributions, WEEK_SECONDS)


def test_a_sum_of_nothing_has_no_time() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        sum_decayed([], WEEK_SECONDS)


@given(values, times, values, times, st.integers(0, 365 * DAY_MS))
def test_ratios_of_decayed_weights_do_not_change_as_time_passes(
    a: float, at: int, b: float, b_at: int, wait: int
) -> None:
    now = max(at, b_at)
    ratio_now = a * decay_factor(now - at, WEEK_SECONDS) / (b * decay_factor(now - b_at, WEEK_SECONDS))
    later = now + wait
    ratio_later = a * decay_factor(later - at, WEEK_SECONDS) / (b * decay_factor(later - b_at, WEEK_SECONDS))
    assert ratio_later == pytest.approx(ratio_now, rel=1e-9)


@given(values, times, values, times)
def test_rank_keys_order_weights_as_they_are_at_any_common_time(a: float, at: int, b: float, b_at: int) -> None:
    now = max(at, b_at)
    strength = a * decay_factor(now - at, WEEK_SECONDS), b * decay_factor(now - b_at, WEEK_SECONDS)
    difference = rank_key(a, at, WEEK_SECONDS) - rank_key(b, b_at, WEEK_SECONDS)
    assert difference == pytest.approx(math.log2(strength[0] / strength[1]), abs=1e-9)
