"""From events to samples: order, parts, targets; each checked against the plain definition."""

import numpy as np
import pytest

from encoders.base import KIND_CODES, EncoderError, HistoryBatch
from encoders.training.events import Event, Histories, TrainingItems, build_histories
from encoders.training.parts import Cases, HoldOut, divide, repeats
from encoders.training.samples import epoch, history_before, teachable, without_latest
from encoders.training.tasks import HORIZON, CheaperItems, find_targets
from encoders.user.network import HISTORY
from tests.unit.encoders.toy_shop import toy_histories, toy_items

VIEW, PURCHASE = KIND_CODES["view"], KIND_CODES["purchase"]
ROWS = {"a": 0, "b": 1, "c": 2, "d": 3}


def histories(*users: str, kind: int = VIEW, gap: float = 60.0) -> Histories:
    """Return one user per word; letters are items, a capital one is bought."""
    items = [ROWS[letter.lower()] for word in users for letter in word]
    kinds = [PURCHASE if letter.isupper() else kind for word in users for letter in word]
    seconds = [gap * step for word in users for step in range(len(word))]
    starts = np.cumsum([0, *(len(word) for word in users)])
    return Histories(starts, np.array(items), np.array(kinds), np.array(seconds))


def shop(categories: list[int], prices: list[float]) -> TrainingItems:
    ids = [str(number) for number in range(len(categories))]
    return TrainingItems(ids, np.zeros((len(ids), 4), np.float32), np.array(categories), np.array(prices))


def test_events_become_histories_in_the_streams_order() -> None:
    events = [
        Event("v", "b", "view", 5_000, "3"),
        Event("u", "c", "purchase", 2_000, "2"),
        Event("u", "a", "click", 2_000, "1"),
        Event("u", "b", "view", 1_000, "9"),
        Event("u", "b", "impression", 1_500, "8"),
        Event("u", "b", "refund", 1_600, "7"),
        Event("u", "unheard of", "view", 1_700, "6"),
    ]
    found = build_histories(events, ROWS)
    assert found.starts.tolist() == [0, 3, 4]
    assert found.items.tolist() == [1, 0, 2, 1]
    assert found.kinds.tolist() == [VIEW, KIND_CODES["click"], PURCHASE, VIEW]
    assert found.seconds.tolist() == [1, 2, 2, 5]


def test_events_of_another_shop_are_refused() -> None:
    with pytest.raises(EncoderError, match="do both files belong to one shop"):
        build_histories([Event("u", "x", "view", 1, "1")], ROWS)


def test_a_part_of_the_histories_keeps_every_user() -> None:
    found = histories("abc", "dd").where(np.array([True, False, True, False, False]))
    assert found.starts.tolist() == [0, 2, 2]
    assert found.items.tolist() == [0, 2]


def test_leave_one_out_holds_out_the_last_two_of_those_who_have_three() -> None:
    past = histories("abcd", "ab", "cda")
    parts = divide(past, HoldOut.LAST)
    assert parts.before_validation.items.tolist() == [0, 1, 0, 1, 2]
    assert parts.before_test.items.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert past.items[parts.validation.places].tolist() == [2, 3]
    assert past.items[parts.test.places].tolist() == [3, 0]
    assert parts.test.users.tolist() == [0, 2]


def test_periods_follow_each_other() -> None:
    past = toy_histories()
    parts = divide(past, HoldOut.PERIOD)
    last_of_training = parts.before_validation.seconds.max()
    assert past.seconds[parts.validation.places].min() > last_of_training
    assert past.seconds[parts.test.places].min() > past.seconds[parts.validation.places].max()
    assert len(parts.before_validation) == pytest.approx(0.8 * len(past), abs=5)
    assert len(parts.before_test) == pytest.approx(0.9 * len(past), abs=5)
    user_of = past.user_of()
    for cases in (parts.validation, parts.test):
        assert len(np.unique(cases.places)) == len(cases.places) > len(np.unique(cases.users))
        np.testing.assert_array_equal(user_of[cases.places], cases.users)
        assert (cases.places > past.starts[cases.users]).all()


def test_a_period_is_foretold_one_by_one_but_for_each_users_very_first() -> None:
    past = toy_histories()
    parts = divide(past, HoldOut.PERIOD)
    late = np.flatnonzero(past.seconds > parts.before_test.seconds.max())
    np.testing.assert_array_equal(parts.test.places, np.setdiff1d(late, past.starts))


def test_too_little_cannot_be_divided() -> None:
    with pytest.raises(EncoderError, match="cannot be divided by last"):
        divide(histories("ab", "c"), HoldOut.LAST)


def test_a_sample_of_cases_is_the_same_for_a_seed() -> None:
    cases = Cases(np.arange(100), np.arange(100))
    assert cases.sample(10, 3).users.tolist() == cases.sample(10, 3).users.tolist()
    assert len(cases.sample(10, 3).users) == 10
    assert cases.sample(100, 3) is cases


def test_a_shop_repeats_when_users_come_back_to_items() -> None:
    assert repeats(histories("aab", "cdd"))
    assert not repeats(histories("abcd", "abdc"))


def test_a_history_is_what_came_before() -> None:
    past = histories("abcd", "dC")
    found = history_before(past, np.array([0, 1, 0]), np.array([3, 5, 0]))
    assert found.rows.tolist() == [[0, 1, 2], [-1, -1, 3], [-1, -1, -1]]
    assert found.kinds.tolist() == [[VIEW] * 3, [0, 0, VIEW], [0, 0, 0]]
    assert found.ages.tolist() == [[120, 60, 0], [0, 0, 0], [0, 0, 0]]


def test_long_histories_are_cut() -> None:
    past = histories("abcd" * 30)
    assert history_before(past, np.array([0]), np.array([100])).rows.shape == (1, HISTORY)


def test_an_epoch_meets_every_place_once() -> None:
    past = toy_histories()
    wanted = np.setdiff1d(np.arange(len(past)), past.starts)
    np.testing.assert_array_equal(teachable(past), wanted)
    met = [sample.places for sample in epoch(past, np.random.default_rng(1), 64, 10**9)]
    np.testing.assert_array_equal(np.sort(np.concatenate(met)), wanted)
    assert max(map(len, met)) <= 64
    assert sum(len(sample.places) for sample in epoch(past, np.random.default_rng(1), 64, 100)) == 100


def test_the_latest_positions_are_masked_in_a_share_of_the_histories() -> None:
    users = 4000
    ages = np.tile(np.array([9000.0, 1800.0, 0.0], np.float32), (users, 1))
    batch = HistoryBatch(np.tile([0, 1, 2], (users, 1)), np.full((users, 3), VIEW), ages)
    masked = without_latest(batch, np.random.default_rng(0), share=0.5, longest_seconds=3600)
    left = (masked.kinds > 0).sum(axis=1)
    # Half lose the newest; half of those, for whom the dice show more than 1,800 s, the one before it too.
    assert np.mean(left == 3) == pytest.approx(0.5, abs=0.03)
    assert np.mean(left == 1) == pytest.approx(0.25, abs=0.03)
    assert (masked.kinds[:, 0] > 0).all()
    youngest = np.where(masked.kinds > 0, masked.ages, np.inf).min(axis=1)
    np.testing.assert_array_equal(youngest, np.zeros(users))
    assert masked.ages[left == 2][0].tolist() == [7200, 0, 0]


def test_a_history_of_one_is_never_masked() -> None:
    batch = HistoryBatch(np.array([[-1, 3]]), np.array([[0, VIEW]]), np.zeros((1, 2), np.float32))
    masked = without_latest(batch, np.random.default_rng(0), share=1.0, longest_seconds=3600)
    assert masked.rows.tolist() == [[-1, 3]]


def test_targets_lie_ahead() -> None:
    items = shop([0, 0, 1, 0], [1.0, 2.0, 9.0, 1.04])
    past = histories("adbCb", "ab")
    found = find_targets(past, items)
    # The anchor of a place is the one before it: a, d, b, C; then a.
    assert found.cross_sell.tolist() == [-1, 2, 2, 2, 1, -1, -1]
    assert found.up_sell.tolist() == [-1, 1, 1, -1, -1, -1, 1]
    assert found.bought.tolist() == [False, False, False, True, False, False, False]
    assert found.learns_purchase


def test_targets_beyond_the_horizon_are_none() -> None:
    items = shop([0, 0, 1, 0], [1.0] * 4)
    assert find_targets(histories("a" * (HORIZON + 1) + "c"), items).cross_sell[1] == -1
    assert find_targets(histories("a" * HORIZON + "c"), items).cross_sell[1] == 2


def test_a_purchase_ahead_counts_for_the_view() -> None:
    assert find_targets(histories("abA"), shop([0] * 4, [1.0] * 4)).bought.tolist() == [True, False, True]


def test_nothing_is_learned_of_purchases_where_all_are() -> None:
    assert not find_targets(histories("ABCD"), shop([0] * 4, [1.0] * 4)).learns_purchase


def test_cheaper_items_are_of_the_category_and_cost_no_more() -> None:
    items = toy_items()
    cheaper = CheaperItems(items)
    anchors = np.repeat(np.arange(len(items.ids)), 50)
    drawn = cheaper.draw(anchors, np.random.default_rng(0))
    np.testing.assert_array_equal(items.categories[drawn], items.categories[anchors])
    assert (items.prices[drawn] <= items.prices[anchors]).all()
    assert len(np.unique(drawn[anchors == 9])) == 10


def test_without_a_price_nothing_is_cheaper() -> None:
    assert CheaperItems(shop([0, 0], [np.nan, 1.0])).draw(np.array([0, 1]), np.random.default_rng(0)).tolist() == [
        -1,
        1,
    ]
    assert CheaperItems(shop([0], [np.nan])).draw(np.array([0]), np.random.default_rng(0)).tolist() == [-1]
