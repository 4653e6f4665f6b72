"""Lists are functions of scores; equals are ordered by popularity, then by what says nothing about an item."""

import numpy as np

from stream.evaluation.interactions import hash_order
from stream.evaluation.scoring import top_items


def test_equal_scores_are_ordered_by_their_tie_ranks() -> None:
    scores = np.array([[1, 2, 1, 2, 0]], np.float32)
    assert top_items(scores, np.array([0, 1, 2, 3, 4]), 4).tolist() == [[1, 3, 0, 2]]
    assert top_items(scores, np.array([4, 3, 2, 1, 0]), 4).tolist() == [[3, 1, 2, 0]]


def test_negative_scores_keep_their_order_and_banned_items_leave_gaps() -> None:
    scores = np.array([[-2, -1, -np.inf, 0.5]], np.float32)
    assert top_items(scores, np.arange(4), 4).tolist() == [[3, 1, 0, -1]]


def test_the_order_of_codes_has_nothing_to_do_with_the_order_of_ids() -> None:
    ids = {f"{number:05}" for number in range(2000)}
    ordered = hash_order(ids)
    assert sorted(ordered) == sorted(ids)
    places = np.argsort(np.argsort(ordered))
    assert abs(np.corrcoef(places, np.arange(2000))[0, 1]) < 0.1
    assert hash_order(set(reversed(sorted(ids)))) == ordered
