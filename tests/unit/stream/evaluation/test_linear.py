"""The linear blend where little is told."""

import numpy as np

from stream.evaluation.ranker.linear import fit_linear

VALUES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], np.float32)
ROWS = np.array([0, 0, 1, 1])


def test_where_nothing_was_taken_every_candidate_is_worth_the_same() -> None:
    blend = fit_linear(ROWS, VALUES, np.zeros(4, np.bool_))
    assert blend.score(VALUES).tolist() == [0.0] * 4


def test_what_was_taken_teaches() -> None:
    scores = fit_linear(ROWS, VALUES, np.array([True, False, True, False])).score(VALUES)
    assert scores[0] > scores[1]
    assert scores[2] > scores[3]
