import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.evaluation.bootstrap import Bootstrap
from stream.evaluation.figures import area_under_curve
from stream.evaluation.metrics import CUTOFFS, Outcome

# list, targets, and at 5: hit, NDCG, MRR, precision, recall, share of all targets, F1
BY_HAND: list[tuple[list[int], list[int], tuple[float, ...]]] = [
    ([7, 3, 9, 4, 1], [7], (1, 1, 1, 0.2, 1, 1, 2 * 0.2 / 1.2)),
    ([7, 3, 9, 4, 1], [9], (1, 0.5, 1 / 3, 0.2, 1, 1, 2 * 0.2 / 1.2)),
    ([7, 3, 9, 4, 1], [8], (0, 0, 0, 0, 0, 0, 0)),
    ([7, 3, 9, 4, 1], [3, 4, 8], (1, 0.498_189, 0.5, 0.4, 2 / 3, 2 / 3, 0.5)),
    ([7, 3, -1, -1, -1], [3, -1], (1, 0.386_853, 0.5, 0.2, 0.5, 0.5, 2 * 0.2 * 0.5 / 0.7)),
    ([7, 7, 3, -1, -1], [7], (1, 1, 1, 0.2, 1, 1, 2 * 0.2 / 1.2)),
    ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7], (1, 1, 1, 1, 1, 5 / 7, 2 * (5 / 7) / (12 / 7))),
]
NAMES = ("HR@5", "NDCG@5", "MRR@5", "Precision@5", "Recall@5", "RecallOfAll@5", "F1@5")


def outcome(lists: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Outcome:
    offsets = np.cumsum([0, *map(len, targets)])
    return Outcome.of(np.array(lists), np.array([item for part in targets for item in part]), offsets)


@pytest.mark.parametrize(("listed", "targets", "expected"), BY_HAND)
def test_metrics_by_hand(listed: list[int], targets: list[int], expected: tuple[float, ...]) -> None:
    found = outcome([listed], [targets]).measure()
    assert [float(found[name][0]) for name in NAMES] == pytest.approx(expected, abs=1e-6)


def test_a_shorter_list_than_the_cutoff_is_a_list_that_ends() -> None:
    found = outcome([[4, 2, 1]], [[2]]).measure()
    assert float(found["NDCG@20"][0]) == pytest.approx(1 / math.log2(3))
    assert float(found["Precision@20"][0]) == pytest.approx(1 / 20)


@given(
    st.lists(
        st.tuples(st.permutations(range(25)), st.sets(st.integers(0, 30), min_size=1, max_size=8)),
        min_size=1,
        max_size=6,
    )
)
def test_metrics_equal_a_plain_computation(pairs: list[tuple[list[int], set[int]]]) -> None:
    lists = [order[:20] for order, _ in pairs]
    found = outcome(lists, [sorted(targets) for _, targets in pairs]).measure()
    for row, (listed, (_, targets)) in enumerate(zip(lists, pairs, strict=True)):
        for k in CUTOFFS:
            ranks = [rank for rank, item in enumerate(listed[:k], 1) if item in targets]
            ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1))
            precision, recall = len(ranks) / k, len(ranks) / len(targets)
            plain = {
                "HR": float(bool(ranks)),
                "MRR": 1 / ranks[0] if ranks else 0.0,
                "NDCG": sum(1 / math.log2(rank + 1) for rank in ranks) / ideal,
                "Precision": precision,
                "Recall": len(ranks) / min(k, len(targets)),
                "RecallOfAll": recall,
                "F1": 2 * precision * recall / (precision + recall) if ranks else 0.0,
            }
            for name, value in plain.items():
                assert float(found[f"{name}@{k}"][row]) == pytest.approx(value)


def test_area_under_curve_counts_equals_half() -> None:
    scores, hits = np.array([0.9, 0.5, 0.5, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    assert area_under_curve(scores, hits) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert area_under_curve(scores, np.zeros(4)) is None


def test_interval_is_that_of_a_mean_and_clusters_widen_it() -> None:
    values = np.random.default_rng(3).random(900)
    alone = Bootstrap(np.arange(900), 0).interval(values)
    error = values.std() / math.sqrt(len(values))
    assert alone.value == pytest.approx(values.mean())
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    repeated = np.repeat(values[:90], 10)
    together = Bootstrap(np.repeat(np.arange(90), 10), 0).interval(repeated)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
