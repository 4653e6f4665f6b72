import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.ranking.codes import ABSENT, Alignment, Codes
from graph.ranking.ragged import (
    bisect,
    first_of_largest,
    group_starts,
    is_among,
    place_in_group,
    ranges,
    sort_order,
    stable_order,
)
from graph.ranking.sums import OrderFreeSums, order_free_sum

# A busy machine is no fault of the code.
unhurried = settings(deadline=None)

SMALL = st.integers(0, 5)


def test_a_name_keeps_its_code_and_ranks_follow_the_names() -> None:
    codes = Codes()
    assert [codes.add(name) for name in ("pear", "apple", "pear", "fig")] == [0, 1, 0, 2]
    assert codes.ranks().tolist() == [2, 0, 1]
    codes.add("banana")
    assert codes.ranks().tolist() == [3, 0, 2, 1]
    assert codes.get("quince") == ABSENT
    assert codes.get_all(["fig", "quince"]).tolist() == [2, ABSENT]
    assert codes.names([2, 0]) == ["fig", "pear"]


@unhurried
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef")), max_size=20))
def test_an_alignment_follows_both_tables(additions: list[tuple[bool, str]]) -> None:
    source, target = Codes(), Codes()
    alignment = Alignment(source, target)
    for to_source, name in additions:
        (source if to_source else target).add(name)
        assert alignment.codes().tolist() == [target.get(source[code]) for code in range(len(source))]


@unhurried
@given(st.lists(st.tuples(SMALL, SMALL)))
def test_ranges(rows: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    lengths = np.array([length for _, length in rows], dtype=np.int64)
    indices, owners = ranges(starts, lengths)
    assert indices.tolist() == [start + step for start, length in rows for step in range(length)]
    assert owners.tolist() == [owner for owner, (_, length) in enumerate(rows) for _ in range(length)]


@unhurried
@given(st.sets(st.tuples(SMALL, SMALL, SMALL), max_size=30), st.sampled_from([1, 2**40]))
def test_sort_order_packed_and_not(tuples: set[tuple[int, int, int]], scale: int) -> None:
    rows = list(tuples)
    keys = [np.array([row[column] * scale for row in rows], dtype=np.int64) for column in range(3)]
    assert [rows[place] for place in sort_order(keys).tolist()] == sorted(rows)


@unhurried
@given(st.lists(SMALL))
def test_groups(values: list[int]) -> None:
    keys = np.array(sorted(values), dtype=np.int64)
    starts = group_starts(keys)
    assert starts.tolist() == [place for place in range(len(keys)) if place == 0 or keys[place] != keys[place - 1]]
    places = place_in_group(starts, len(keys)).tolist()
    assert places == [place - sorted(values).index(key) for place, key in enumerate(keys.tolist())]


@unhurried
@given(st.lists(st.tuples(SMALL, SMALL)))
def test_first_of_largest(pairs: list[tuple[int, int]]) -> None:
    pairs.sort(key=lambda pair: pair[0])
    owners = np.array([owner for owner, _ in pairs], dtype=np.int64)
    values = np.array([value for _, value in pairs], dtype=np.float64)
    expected = []
    for owner in sorted({owner for owner, _ in pairs}):
        largest = max(value for other, value in pairs if other == owner)
        expected.append(pairs.index((owner, largest)))
    assert first_of_largest(values, owners).tolist() == expected


@unhurried
@given(st.lists(SMALL), st.sets(SMALL))
def test_is_among(keys: list[int], members: set[int]) -> None:
    found = is_among(np.array(keys, dtype=np.int64), np.array(sorted(members), dtype=np.int64))
    assert found.tolist() == [key in members for key in keys]


@unhurried
@given(st.lists(st.lists(SMALL, max_size=6), max_size=5), SMALL, st.booleans())
def test_bisect(rows: list[list[int]], needle: int, right: bool) -> None:
    values = np.array([value for row in rows for value in sorted(row)], dtype=np.float64)
    stops = np.cumsum([len(row) for row in rows], dtype=np.int64)
    starts = stops - np.array([len(row) for row in rows], dtype=np.int64)
    found = bisect(values, starts, stops, np.full(len(rows), float(needle)), right=right)
    below = [sum(value <= needle if right else value < needle for value in row) for row in rows]
    assert (found - starts).tolist() == below


@unhurried
@given(st.lists(SMALL, max_size=30), st.sampled_from([1, 13107, 2**40]))
def test_stable_order_of_narrow_and_wide_keys(keys: list[int], scale: int) -> None:
    scaled = [key * scale for key in keys]
    assert stable_order(np.array(scaled, dtype=np.int64)).tolist() == sorted(range(len(keys)), key=scaled.__getitem__)


TERMS = st.lists(st.tuples(st.integers(0, 3), st.floats(1e-9, 1e6)), max_size=60)


@unhurried
@given(TERMS, st.integers(0, 1000))
def test_sums_are_the_same_in_any_order_and_after_terms_came_and_went(
    terms: list[tuple[int, float]], seed: int
) -> None:
    def added(order: list[tuple[int, float]], extra: list[tuple[int, float]]) -> list[float]:
        sums = OrderFreeSums()
        for group in (extra, order):
            sums.add(np.array([value for _, value in group]), np.array([bin_ for bin_, _ in group], dtype=np.int64))
        if extra:
            sums.add(np.array([value for _, value in extra]), np.array([bin_ for bin_, _ in extra]), -1.0)
        return [float(total) for total in sums.totals(4)]

    shuffled = list(terms)
    Random(seed).shuffle(shuffled)
    expected = added(terms, [])
    assert added(shuffled, []) == expected
    assert added(shuffled, [(1, 0.3), (2, 1e5)]) == expected
    for bin_, total in enumerate(expected):
        assert total == pytest.approx(math.fsum(value for other, value in terms if other == bin_), rel=1e-9)


@unhurried
@given(TERMS)
def test_a_single_sum_is_that_of_a_bin(terms: list[tuple[int, float]]) -> None:
    values = np.array([value for _, value in terms])
    sums = OrderFreeSums()
    sums.add(values, np.zeros(len(values), dtype=np.int64))
    assert order_free_sum(values) == sums.totals(1)[0]


def test_sums_are_as_good_as_any() -> None:
    values = np.random.default_rng(3).gamma(1.0, 2.0, 5000)
    assert order_free_sum(values) == pytest.approx(math.fsum(values), rel=1e-15)


@pytest.mark.parametrize("function", [np.exp2, np.log, np.log1p, lambda values: values**-0.25])
def test_a_value_does_not_depend_on_its_place_in_the_array(function: np.ufunc) -> None:
    """Lists are the same in any micro-batch only if elementwise functions treat every element alike."""
    values = np.random.default_rng(5).random(101) + 0.5
    whole = function(values)
    for place in range(len(values)):
        assert function(values[place : place + 1].copy())[0] == whole[place]
        assert function(values[place:].copy())[0] == whole[place]
