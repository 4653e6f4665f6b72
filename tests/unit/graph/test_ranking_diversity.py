from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.ranking.diversity import Scored, choose

# A busy machine is no fault of the code.
unhurried = settings(deadline=None)

Candidate = tuple[int, int, int, int]
"""User, category, score, direction (axis of the item's vector, -1 for the zero vector). Row and rank: its place."""

AXES = 3
candidates = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(-1, 2), st.sampled_from([0, 500_000, 1_000_000]), st.integers(-1, AXES - 1)
    ),
    max_size=25,
)


def chosen(found: list[Candidate], *, length: int, cap: int | None, novelty: float, pool: int = 50) -> list[list[int]]:
    columns = [np.array([candidate[column] for candidate in found], dtype=np.int64) for column in range(4)]
    users, categories, scores, directions = columns
    places = np.arange(len(found))
    vectors = np.vstack([np.eye(AXES), np.zeros(AXES)]).astype(np.float32)[directions]
    scored = Scored(3, users, places, categories, scores, places)
    result = choose(scored, vectors, length=length, cap=cap, pool=pool, novelty=novelty)
    return [[place for place in row if place >= 0] for row in result.tolist()]


def one_by_one(found: list[Candidate], user: int, length: int, cap: int | None, novelty: float) -> list[int]:
    left = [place for place, candidate in enumerate(found) if candidate[0] == user]
    best = max((found[place][2] for place in left), default=0)
    picked: list[int] = []

    def value(place: int) -> float:
        near = any(found[place][3] == found[other][3] >= 0 for other in picked)
        return (1 - novelty) * (found[place][2] / best if best else 0.0) - novelty * near

    while left and len(picked) < length:
        counts = Counter(found[place][1] for place in picked)
        within = [place for place in left if cap is None or counts[found[place][1]] < cap]
        pick = min(within or left, key=lambda place: (-value(place), -found[place][2], place))
        picked.append(pick)
        left.remove(pick)
    return picked


@unhurried
@given(candidates, st.sampled_from([1, 2, 5]), st.sampled_from([1, 2, None]), st.sampled_from([0.0, 0.25, 1.0]))
def test_it_is_greedy_marginal_relevance(found: list[Candidate], length: int, cap: int | None, novelty: float) -> None:
    expected = [one_by_one(found, user, length, cap, novelty) for user in range(3)]
    assert chosen(found, length=length, cap=cap, novelty=novelty) == expected


def test_equals_are_ordered_by_rank() -> None:
    found = [(0, 0, 7, -1)] * 5
    assert chosen(found, length=3, cap=None, novelty=0.3)[0] == [0, 1, 2]


def test_the_pool_keeps_room_for_other_categories() -> None:
    """A hundred better items of one category do not crowd the others out of a pool of ten."""
    found = [(0, 0, 1_000_000 - place, -1) for place in range(100)] + [(0, 1, 5, -1), (0, 2, 4, -1)]
    picked = chosen(found, length=4, cap=2, novelty=0.3, pool=10)[0]
    assert picked == [0, 1, 100, 101]


@pytest.mark.parametrize("novelty", [0.0, 0.9])
def test_the_best_comes_first(novelty: float) -> None:
    found = [(1, 0, 3, 0), (1, 0, 9, 0), (1, 1, 5, 0)]
    assert chosen(found, length=3, cap=None, novelty=novelty)[1][0] == 1


def test_novelty_prefers_what_is_unlike_the_chosen() -> None:
    found = [(0, 0, 100, 0), (0, 0, 99, 0), (0, 0, 80, 1)]
    assert chosen(found, length=2, cap=None, novelty=0.0)[0] == [0, 1]
    assert chosen(found, length=2, cap=None, novelty=0.3)[0] == [0, 2]
