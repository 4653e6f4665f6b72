"""Weights from cases whose answer is known."""

import numpy as np
import pytest

from stream.ranker_training.cases import Cases, Ranks
from stream.ranker_training.fit import BEST, LEAST_CASES, STEPS, fit_weights, towards
from stream.ranker_training.training import split
from tests.unit.stream.ranker_training.stepping_shop import shop

FIXED = (1.0, 0.7, 0.5, 0.1)


def cases_decided_by(place: int, count: int = 300, seed: int = 0) -> Cases:
    lot, cases = np.random.default_rng(seed), Cases()
    for _ in range(count):
        values = lot.random((20, 4))
        cases.add(np.arange(20), values, [int(values[:, place].argmax())])
    return cases


@pytest.mark.parametrize("place", range(4))
def test_the_feature_that_decides_gets_the_weight(place: int) -> None:
    found = fit_weights(cases_decided_by(place), FIXED, 0)
    assert found is not None
    assert found[place] > 0.9 * sum(found)
    assert sum(found) == pytest.approx(sum(FIXED), abs=1e-3)


def test_a_feature_that_speaks_against_gets_none_instead_of_a_negative_weight() -> None:
    lot, cases = np.random.default_rng(0), Cases()
    for _ in range(300):
        values = lot.random((20, 4))
        cases.add(np.arange(20), values, [int((values[:, 0] - values[:, 3]).argmax())])
    found = fit_weights(cases, FIXED, 0)
    assert found is not None
    assert found[3] == 0.0
    assert min(found) >= 0.0


def test_a_feature_that_is_the_same_everywhere_gets_none() -> None:
    lot, cases = np.random.default_rng(0), Cases()
    for _ in range(100):
        values = lot.random((20, 3))
        values[:, 1] = 0.0
        cases.add(np.arange(20), values, [int(values[:, 0].argmax())])
    found = fit_weights(cases, (0.7, 0.5, 0.2), 0)
    assert found is not None
    assert found[1] == 0.0


def test_too_few_cases_teach_nothing() -> None:
    assert fit_weights(cases_decided_by(0, LEAST_CASES - 1), FIXED, 0) is None
    assert fit_weights(Cases(), FIXED, 0) is None


def test_cases_in_which_nothing_is_told_apart_teach_nothing() -> None:
    cases = Cases()
    for _ in range(100):
        cases.add(np.arange(5), np.full((5, 4), 0.5), [2])
    assert fit_weights(cases, FIXED, 0) is None


def test_it_is_among_the_best_that_weights_must_tell_apart() -> None:
    """The third feature tells what was taken from what is far behind, which is not listed whatever it weighs."""
    lot, cases = np.random.default_rng(0), Cases()
    for _ in range(300):
        values = lot.random((200, 4)) * [0.1, 1.0, 0.0, 0.1]
        values[:BEST, 0] += 1.0
        values[:BEST, 2] = 1.0
        cases.add(np.arange(200), values, [int(values[:BEST, 1].argmax())])
    found = fit_weights(cases, FIXED, 0)
    assert found is not None
    assert found[1] > 0.9 * sum(found)


def test_the_best_are_those_of_the_weights_and_a_case_that_loses_all_taken_is_lost() -> None:
    cases = Cases()
    cases.add(np.arange(3), np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]]), [1])
    cases.add(np.arange(3), np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]]), [0, 2])
    found = cases.best((1.0, 0.5), 2)
    assert [values[:, 0].tolist() for values in found.values] == [pytest.approx([0.9, 0.5])] * 2
    assert [hits.tolist() for hits in found.hits] == [[False, True], [True, False]]
    assert len(cases.best((0.5, 1.0), 1)) == 1
    assert len(cases.best((0.5, 0.5), 5)) == len(cases) == 2


def test_a_case_that_holds_nothing_taken_is_not_kept() -> None:
    cases = Cases()
    cases.add(np.arange(3), np.ones((3, 4)), [7])
    cases.add(np.arange(3), np.ones((3, 4)), [])
    assert len(cases) == 0


def test_the_lot_among_cases_falls_by_the_seed() -> None:
    cases = cases_decided_by(0, 60)
    rows, values, hits = cases.table(10, 1)
    assert len(np.unique(rows)) == 10
    assert len(rows) == len(values) == len(hits) == 200
    assert hits.sum() == 10
    assert np.array_equal(values, cases.table(10, 1)[1])
    assert not np.array_equal(values, cases.table(10, 2)[1])


def test_figures_by_hand() -> None:
    ranks = Ranks()
    ranks.add("u", [["a", "b"], ["b", "a"]], ["a"])
    ranks.add("v", [["a", "b"], ["c"]], ["c"])
    ranks.add("w", [[], ["x"]], ["c"])
    assert ranks.places == [[1, 2], [0, 1], [0, 0]]
    assert ranks.figures(0) == pytest.approx({"HR@10": 1 / 3, "NDCG@10": 1 / 3})
    second = 1 / np.log2(3)
    assert ranks.figures(1) == pytest.approx({"HR@10": 2 / 3, "NDCG@10": (second + 1) / 3})
    lead, error = ranks.lead(1, 0)
    assert lead == pytest.approx(second / 3)
    assert error == pytest.approx(np.std([second - 1, 1, 0], ddof=1) / np.sqrt(3))


def test_a_users_cases_count_as_one_in_the_error() -> None:
    apart, together, alone = Ranks(), Ranks(), Ranks()
    for number in range(40):
        better = number % 4 > 0
        lists = [["x"], ["a"]] if better else [["a"], ["x"]]
        apart.add(f"u{number}", lists, ["a"])
        together.add(f"u{number % 4}", lists, ["a"])
        alone.add("u", lists, ["a"])
    assert apart.lead(1, 0)[0] == together.lead(1, 0)[0] == alone.lead(1, 0)[0] == 0.5
    assert apart.lead(1, 0)[1] == pytest.approx(np.sqrt(0.75 * 40 / 39) / np.sqrt(40))
    assert together.lead(1, 0)[1] == pytest.approx(np.sqrt(0.75 * 4 / 3) / np.sqrt(4))
    assert alone.lead(1, 0)[1] == float("inf")


def test_steps_lead_from_the_fixed_weights_to_the_fitted_ones() -> None:
    fitted = (0.0, 0.6, 1.6)
    assert towards(FIXED[:3], fitted, 0.0) == FIXED[:3]
    assert towards(FIXED[:3], fitted, 1.0) == fitted
    between = [towards(FIXED[:3], fitted, step) for step in STEPS]
    assert between[-1] == fitted
    for place in range(3):
        weights = [FIXED[place], *(weight[place] for weight in between)]
        assert weights in (sorted(weights), sorted(weights, reverse=True))
        assert len(set(weights)) == 1 + len(STEPS)


def test_the_periods_follow_each_other_and_hold_everything_once() -> None:
    messages = shop().messages
    parts = split(messages)
    assert [message for part in parts.values() for message in part] == list(messages)
    assert [len(part) for part in parts.values()] == [600, 450, 225, 225]
    parts = split(messages, 300)
    assert [message for part in parts.values() for message in part] == list(messages)
    assert [len(part) for part in parts.values()] == [1200, 150, 75, 75]
