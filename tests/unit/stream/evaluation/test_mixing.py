"""The share of the blend: what an unseen test trusts, and the trees where it cannot tell."""

import numpy as np
import pytest

from stream.evaluation.ranker.mixing import choose_share, mixed

CASES, CANDIDATES = 400, 30


def share(trust_in_trees: float, trust_in_blend: float, cases: int = CASES) -> float:
    """Choose between two scores, each of which knows the hits (one in each case) by so much, beside noise."""
    random = np.random.default_rng(5)
    rows = np.repeat(np.arange(cases), CANDIDATES)
    hits = np.tile(np.arange(CANDIDATES) == 0, cases)
    odds, blend = (
        (trust * hits + random.normal(size=len(hits))).astype(np.float32) for trust in (trust_in_trees, trust_in_blend)
    )
    # Every candidate's place is by lot, so that the order they come in tells nothing.
    order = np.lexsort((random.random(len(rows)), rows))
    clusters = np.arange(cases)
    return choose_share(odds[order], blend[order], rows, hits[order], np.ones(cases, np.int64), clusters)


def test_the_better_score_is_trusted() -> None:
    assert share(0.0, 3.0) >= 0.7
    assert share(3.0, 0.0) == 0.0


def test_two_that_err_apart_are_mixed() -> None:
    assert 0.2 <= share(2.0, 2.0) <= 0.7


def test_where_neither_knows_anything_the_trees_stand() -> None:
    assert [share(0.0, 0.0, cases) for cases in (3, 50)] == [0.0, 0.0]


def test_cases_of_one_cluster_are_one_witness() -> None:
    """Of forty cases the trees are wrong in eight, the blend in none."""
    rows, wrong = np.repeat(np.arange(40), 2), np.arange(40) < 8
    hits, blend = np.tile([True, False], 40), np.tile([1.0, 0.0], 40)
    odds = np.where(wrong[rows], 1.0 - blend, blend)
    targets = np.ones(40, np.int64)
    assert choose_share(odds, blend, rows, hits, targets, np.arange(40)) == 0.5
    assert choose_share(odds, blend, rows, hits, targets, np.where(wrong, 0, np.arange(40))) == 0.0


@pytest.mark.parametrize(("part", "expected"), [(0.0, 1.0), (1.0, 3.0), (0.5, 2.0)])
def test_mixed_scores(part: float, expected: float) -> None:
    assert mixed(np.array([1.0], np.float32), np.array([3.0], np.float32), part) == expected
