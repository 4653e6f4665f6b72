"""How often and how regularly: histories and their items, told by hand."""

import numpy as np
import pytest

from stream.evaluation.cases import Cases, cases_from_log
from stream.evaluation.ranker.habits import NEVER, NOT_YET, Habits
from tests.unit.stream.evaluation.small_shops import log_of

DAY = 86_400_000
A, B, C, D = range(4)


def asked(*baskets: list[int], days: list[int], at: int) -> Cases:
    """One case: baskets at the given days, asked ``at`` a day, after an empty history of someone else."""
    items = [item for basket in baskets for item in basket]
    steps = np.repeat(np.arange(len(baskets)), [len(basket) for basket in baskets])
    nobody = np.zeros(0, np.int64)
    return Cases(
        users=np.array([-1, 0]),
        offsets=np.array([0, 0, len(items)]),
        items=np.array(items),
        ages=len(baskets) - 1 - steps,
        times=np.array(days)[steps] * DAY,
        places=np.arange(len(items)),
        at=np.array([at, at]) * DAY,
        target_offsets=np.zeros(3, np.int64),
        targets=nobody,
        clusters=np.arange(2),
    )


def test_a_rhythm_is_told_by_hand() -> None:
    cases = asked([A, B], [A], [A, C, D], days=[0, 10, 20], at=25)
    found = Habits(cases, 4).of_histories()
    days = {name: float(np.expm1(values[1])) for name, values in found.items() if name != "history: repeated steps"}
    assert days == pytest.approx(
        {
            "history: steps": 3,
            "history: items per step": 2,
            "history: log days since": 5,
            "history: log days between": 10,
            "history: due": 0.5,
        }
    )
    assert found["history: repeated steps"].tolist() == [0, 1]  # A, twice; of two steps that could


def test_items_come_back_as_told_by_hand() -> None:
    cases = asked([A, B], [C], [A, C], [D], days=[0, 10, 20, 30], at=50)
    found = Habits(cases, 5).of_items(np.array([1, 1, 1, 1, 1, 0]), np.array([A, B, C, D, 4, A]))
    assert found["own: steps since"].tolist() == [1, 3, 1, 0, NEVER, NEVER]
    assert np.expm1(found["own: log days since"][:4]) == pytest.approx([30, 50, 30, 20])
    assert found["own: log days since"][4:].tolist() == [NOT_YET] * 2
    assert found["own: times"].tolist() == [2, 1, 2, 1, 0, 0]
    assert found["own: share of steps"].tolist() == [0.5, 0.25, 0.5, 0.25, 0, 0]
    assert found["own: share since first"] == pytest.approx([2 / 4, 1 / 4, 2 / 3, 1, 0, 0])
    between = found["own: log days between"]
    assert np.expm1(between[[0, 2]]) == pytest.approx([20, 10])
    assert between[[1, 3, 4, 5]].tolist() == [NOT_YET] * 4
    assert np.expm1(found["own: due"][[0, 2]]) == pytest.approx([30 / 20, 30 / 10])


def test_an_item_twice_in_a_basket_was_taken_once() -> None:
    cases = asked([A, A], [B], days=[0, 1], at=2)
    assert Habits(cases, 4).of_items(np.array([1]), np.array([A]))["own: times"].tolist() == [1]


def test_no_history_at_all_is_no_error() -> None:
    log = log_of([A, B])
    cases = cases_from_log(log, np.array([0]), log.offsets[:1], log.offsets[:1] + 1)
    found = Habits(cases, 4)
    assert all(np.isfinite(values).all() for values in found.of_histories().values())
    assert found.of_items(np.array([0]), np.array([A]))["own: times"].tolist() == [0]


def test_a_block_says_what_its_cases_say_alone() -> None:
    log = log_of([A, B, A, C, A], [C, C, D], [B, A, B])
    cases = cases_from_log(log, np.arange(3), log.offsets[1:] - 1, log.offsets[1:])
    rows, items = np.repeat(np.arange(3), 4), np.tile(np.arange(4), 3)
    whole = Habits(cases, 4)
    for number in range(3):
        alone = Habits(cases.select(np.array([number])), 4)
        for name, values in alone.of_histories().items():
            assert values[0] == whole.of_histories()[name][number], name
        for name, values in alone.of_items(np.zeros(4, np.int64), np.arange(4)).items():
            assert (values == whole.of_items(rows, items)[name][number * 4 : number * 4 + 4]).all(), name
