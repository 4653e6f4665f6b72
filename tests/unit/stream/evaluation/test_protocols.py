"""What each protocol asks, and that nothing of the answer is known."""

import numpy as np
import pytest

from stream.evaluation.cases import Candidates, Cases
from stream.evaluation.interactions import Log
from stream.evaluation.protocols.last_step import last_step_splits
from stream.evaluation.protocols.next_basket import default_cut, next_basket_splits, only_new_items
from stream.evaluation.protocols.prequential import DELAYS_MS, prequential_earlier, prequential_tests
from stream.evaluation.protocols.session import session_splits
from tests.unit.stream.evaluation.small_shops import DAY_MS, catalogue_of, log_of

ITEMS = catalogue_of(*"abcdefgh")


def history(cases: Cases, case: int) -> list[int]:
    found: list[int] = cases.items[cases.offsets[case] : cases.offsets[case + 1]].tolist()
    return found


def targets(cases: Cases, case: int) -> list[int]:
    found: list[int] = cases.targets[cases.target_offsets[case] : cases.target_offsets[case + 1]].tolist()
    return found


def test_leave_one_out_asks_for_the_last_item_and_knows_all_before() -> None:
    test, earlier, *more = last_step_splits(log_of([0, 1, 2], [3, 4], [5]), ITEMS)
    assert [history(test.cases, case) for case in range(2)] == [[0, 1], [3]]
    assert [targets(test.cases, case) for case in range(2)] == [[2], [4]]
    assert sorted(test.knowledge.log.items) == [0, 1, 3, 5]
    assert (history(earlier.cases, 0), targets(earlier.cases, 0)) == ([0], [1])
    assert len(earlier.cases) == 1
    assert sorted(earlier.knowledge.log.items) == [0, 3, 5]
    assert not more


def test_a_shop_without_repeats_gets_no_item_again() -> None:
    without, _, *_ = last_step_splits(log_of([0, 1, 2], [3, 4, 5]), ITEMS)
    with_, _, *_ = last_step_splits(log_of([0, 1, 0, 2], [3, 4, 3]), ITEMS)
    assert (without.candidates, with_.candidates) == (Candidates.NEW, Candidates.ALL)


def baskets() -> Log:
    """User 0 buys {0, 1}, {0, 2}, {3}; user 1 buys {4}; user 2 buys {5}, {5, 6}."""
    return Log(
        users=np.array([0, 0, 0, 0, 0, 1, 2, 2, 2]),
        items=np.array([0, 1, 0, 2, 3, 4, 5, 5, 6]),
        times=np.array([1, 1, 12, 12, 15, 2, 3, 13, 13]) * DAY_MS,
        prices=np.full(9, np.nan),
        steps=np.array([0, 0, 1, 1, 2, 0, 0, 1, 1]),
        places=np.arange(9),
        n_users=3,
    )


def test_next_basket_asks_for_the_first_basket_after_the_cut() -> None:
    test, *_ = next_basket_splits(baskets(), ITEMS, 10 * DAY_MS)
    assert test.cases.users.tolist() == [0, 2]  # user 1 does not come back
    assert [history(test.cases, case) for case in range(2)] == [[0, 1], [5]]
    assert [targets(test.cases, case) for case in range(2)] == [[0, 2], [5, 6]]
    assert test.knowledge.log.times.max() < 10 * DAY_MS
    assert [targets(only_new_items(test.cases), case) for case in range(2)] == [[2], [6]]


def test_the_default_cut_of_a_year_is_the_first_of_a_month() -> None:
    start, end = 1_291_191_960_000, 1_323_435_000_000  # 2010-12-01 08:26 to 2011-12-09 12:50 UTC
    log = log_of([0, 1])
    log = Log(**{**vars(log), "times": np.array([start, end])})
    assert default_cut(log) == 1_317_427_200_000  # 2011-10-01


def test_sessions_are_asked_at_every_position_and_teach_nothing() -> None:
    log = log_of([0, 1, 2], [2, 0, 7, 1], days=[[0, 0, 0], [9, 9, 9, 9]])
    test, *_ = session_splits(log, ITEMS, None, 1.0)
    # Nobody before clicked item 7: it is left out.
    assert [history(test.cases, case) for case in range(2)] == [[2], [2, 0]]
    assert [targets(test.cases, case) for case in range(2)] == [[0], [1]]
    assert test.cases.clusters[0] == test.cases.clusters[1]
    assert test.knowledge.log.items.tolist() == [0, 1, 2]


def test_session_marks_decide_over_days() -> None:
    log = log_of([0, 1, 2], [2, 0, 1], days=[[9, 9, 9], [0, 0, 0]])
    test, *_ = session_splits(log, ITEMS, np.array([False, True]), 1.0)
    assert history(test.cases, 0) == [2]


def test_prequential_knows_what_was_before_and_late_lists_know_less() -> None:
    days = [list(range(100)), [97, 99]]
    log = log_of([number % 8 for number in range(100)], [6, 7], days=days)
    tests = list(prequential_tests(log, ITEMS, 1000, 0))
    assert sum(len(test.split.cases) for test in tests) == 20 + 1  # a user's first interaction is no test
    for test in tests:
        cases = test.split.cases
        for case in range(len(cases)):
            cut = cases.offsets[case], cases.offsets[case + 1]
            assert cases.times[cut[0] : cut[1]].max() <= cases.at[case]
            (target,) = targets(cases, case)
            if cases.users[case] == 0:
                assert target == (history(cases, case)[-1] + 1) % 8
        assert test.split.knowledge.log.times.max() < cases.at.max() + DAY_MS
        late = {delay: np.diff(found.offsets) for delay, found in test.late.items()}
        assert (late["1 hour late"] == late["at once"]).all()  # the steps are a day apart
        assert (late["1 day late"] == late["at once"]).all()  # what happened exactly one day ago is known
        for found in test.late.values():
            assert found.targets.tolist() == cases.targets.tolist()
    assert set(tests[0].late) == set(DELAYS_MS)


def test_a_late_list_does_not_know_the_latest_interactions() -> None:
    log = log_of([number % 8 for number in range(100)])
    log = Log(**{**vars(log), "times": np.arange(100) * (DAY_MS // 2)})
    test = next(iter(prequential_tests(log, ITEMS, 1000, 0)))
    known = {delay: np.diff(found.offsets) for delay, found in test.late.items()}
    assert (known["at once"] - known["1 day late"] == 1).all()
    assert (known["at once"] - known["1 hour late"] == 0).all()


def test_earlier_windows_end_before_the_first_test() -> None:
    log = log_of([number % 8 for number in range(100)])
    first = next(iter(prequential_tests(log, ITEMS, 1000, 0))).split
    for split in prequential_earlier(log, ITEMS, 1000, 0):
        assert split.cases.at.max() < first.knowledge.now
        assert split.knowledge.now < first.knowledge.now


@pytest.mark.parametrize("make", [last_step_splits, lambda log, items: session_splits(log, items, None, 1.0)])
def test_no_target_is_counted(make: object) -> None:
    log = log_of([0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], days=[[0] * 4, [5] * 4, [9] * 4])
    test = next(iter(make(log, ITEMS)))  # type: ignore[operator]
    assert len(test.knowledge.log) + len(test.cases.targets) <= len(log)
