"""Calibration, caps on brands and on the head, and what lists show."""

import doctest
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from graph.model import ItemRow
from graph.ranking import exposure
from graph.ranking.diversity import Cap, Mix, Scored, choose
from graph.ranking.exposure import gini, head_items, measure_exposure
from graph.ranking.items import ItemIndex


def picked(
    categories: Sequence[int],
    scores: Sequence[int],
    length: int,
    caps: Sequence[Cap] = (),
    mix: Mix | None = None,
) -> list[int]:
    """Choose for one user without novelty or a cap on categories."""
    places = np.arange(len(categories))
    scored = Scored(1, np.zeros_like(places), places, np.array(categories), np.array(scores), places)
    vectors = np.zeros((len(categories), 2), dtype=np.float32)
    found = choose(scored, vectors, length=length, cap=None, pool=50, novelty=0.0, caps=caps, mix=mix)
    return [place for place in found[0].tolist() if place >= 0]


def test_a_cap_holds_while_others_are_left() -> None:
    brands = np.array([0, 0, 0, 1, -1])
    scores = [5, 4, 3, 2, 1]
    assert picked([0] * 5, scores, 4, [Cap(brands, 1)]) == [0, 3, 4, 1]
    assert picked([0] * 5, scores, 4, [Cap(brands, 2)]) == [0, 1, 3, 4]
    assert picked([0] * 5, scores, 4) == [0, 1, 2, 3]


def test_two_caps_hold_together() -> None:
    brands, head = np.array([0, 1, 0, 2]), np.array([0, 0, -1, -1])
    assert picked([0] * 4, [9, 8, 7, 6], 2, [Cap(brands, 1), Cap(head, 1)]) == [0, 3]


def divergence(wanted: dict[int, float], listed: Counter[int]) -> float:
    total = sum(listed.values())
    mixed = {c: 0.99 * listed[c] / total + 0.01 * p for c, p in wanted.items()}
    return sum(p * math.log(p / mixed[c]) for c, p in wanted.items() if p)


def test_full_calibration_is_the_greedy_minimum_of_the_divergence() -> None:
    wanted = {0: 0.5, 1: 0.3, 2: 0.2}
    categories = [0] * 8 + [1] * 8 + [2] * 8
    mix = Mix(np.array([wanted[c] for c in categories]), 1.0)
    listed = [categories[place] for place in picked(categories, list(range(24, 0, -1)), 8, mix=mix)]
    expected: list[int] = []
    for _ in range(8):
        expected.append(min(wanted, key=lambda c: (divergence(wanted, Counter([*expected, c])), c)))
    assert listed == expected


def test_calibration_moves_a_list_towards_the_wanted_mix_and_none_leaves_it() -> None:
    categories = [0] * 6 + [1] * 6
    scores = [*range(112, 106, -1), *range(106, 100, -1)]
    shares = np.array([0.5] * 12)
    lists = {
        weight: Counter(categories[p] for p in picked(categories, scores, 6, mix=Mix(shares, weight)))
        for weight in (0.0, 0.5)
    }
    assert lists[0.0] == {0: 6}
    assert lists[0.5] == {0: 3, 1: 3}


@pytest.fixture
def items() -> ItemIndex:
    index = ItemIndex()
    for row in (
        ItemRow("a", category="A", brand="acme"),
        ItemRow("b", category="A", brand="acme"),
        ItemRow("c", category="B", brand="zeta"),
        ItemRow("d", category="B"),
        ItemRow("gone", category="B", available=False),
    ):
        index.upsert(row)
    return index


def test_the_head_is_the_fewest_items_with_its_share(items: ItemIndex) -> None:
    weights = np.array([5.0, 3.0, 2.0, 0.0, 90.0])
    assert head_items(items, weights, 0.5).tolist() == [True, False, False, False, False]
    assert head_items(items, weights, 0.51).tolist() == [True, True, False, False, False]
    assert not head_items(items, np.zeros(5), 0.5).any()


def test_what_lists_show(items: ItemIndex) -> None:
    head = np.array([True, False, False, False, False])
    found = measure_exposure([["a", "b"], ["a", "c"], ["unheard-of"], []], items, head, 10)
    assert (found.lists, found.places, found.items) == (4, 5, 4)
    assert found.coverage == 0.75
    assert found.tail == pytest.approx(2 / 5)
    assert found.brands == {"acme": 0.75, "zeta": 0.25}
    assert found.one_category == 0.5
    assert found.gini == pytest.approx(gini(np.array([2.0, 1.0, 1.0, 0.0])))


def test_the_examples_hold() -> None:
    assert doctest.testmod(exposure).failed == 0
