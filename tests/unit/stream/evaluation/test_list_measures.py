"""What lists are like, and slices of targets, on two lists computed by hand."""

import numpy as np
import pytest

from stream.evaluation.cases import Cases, Split, cases_from_log
from stream.evaluation.figures import Judge
from stream.evaluation.interactions import Catalogue, Knowledge
from stream.evaluation.known_counts import KnownCounts
from stream.evaluation.list_measures import ListMeter
from stream.evaluation.slices import Slicer
from tests.unit.stream.evaluation.small_shops import log_of

SHOP = Catalogue(
    item_ids=("a", "b", "c", "d"),
    titles=("red mug", "red mug", "blue lamp", ""),
    brands=("", "", "", ""),
    categories=(("Mugs",), ("Mugs",), ("Lamps",), ()),
    prices=np.array([2.0, 4.0, 8.0, np.nan]),
)
LOG = log_of([0, 0, 0, 1], [0, 2])


def asked() -> Cases:
    """Two cases: history [a, a, a], target b; history [a], target c."""
    ends = LOG.offsets[1:] - 1
    return cases_from_log(LOG, np.arange(2), ends, ends + 1)


def known(*places: int) -> Split:
    """The two cases, where these places of the log are known."""
    return Split(Knowledge(LOG.select(np.array(places)), SHOP, 0), asked())


@pytest.fixture
def meter() -> ListMeter:
    return ListMeter(SHOP, KnownCounts.of_splits([known(0, 1, 2, 4)]), asked())


def test_coverage_counts_items_and_cuts_at_k(meter: ListMeter) -> None:
    lists = np.array([[1, 2], [1, 3]])
    assert meter.measure(lists, 2).coverage == 3 / 4
    assert meter.measure(lists, 1).coverage == 1 / 4


def test_gini_is_nought_when_all_are_listed_alike(meter: ListMeter) -> None:
    assert meter.measure(np.array([[0, 1], [2, 3]]), 2).gini == pytest.approx(0)
    assert meter.measure(np.array([[0], [0]]), 1).gini == pytest.approx(3 / 4)


def test_popularity_bias_compares_with_the_histories(meter: ListMeter) -> None:
    # Item a has 4 interactions, the histories hold nothing else.
    assert meter.measure(np.array([[0, 1], [0, 1]]), 2).popularity_bias == pytest.approx(2 / 4 - 1)


def test_diversity_is_the_mean_distance_of_pairs(meter: ListMeter) -> None:
    assert meter.measure(np.array([[0, 1], [0, 2]]), 2).diversity == pytest.approx((0 + 1) / 2, abs=1e-6)


def test_category_novelty_leaves_out_items_without_category(meter: ListMeter) -> None:
    assert meter.measure(np.array([[1, 2], [2, 3]]), 2).category_novelty == pytest.approx(2 / 3)


def test_price_lift_is_geometric(meter: ListMeter) -> None:
    # Everyone has paid 2; the lists' geometric means are 4 and 4.
    assert meter.measure(np.array([[0, 2], [1, 3]]), 2).price_lift == pytest.approx(1.0)


def test_slices_tell_cold_users_and_unseen_items() -> None:
    counts = KnownCounts.of_splits([known(0, 1, 2, 4)])
    found = {part.name: part for part in Slicer(counts, asked()).slice(np.array([[1, 3], [0, 3]]), (1, 2))}
    assert found["cold users"].targets == 2
    assert found["unseen items"].hit_rate == {1: 0.5, 2: 0.5}
    assert "other users" not in found


def test_each_case_is_judged_by_what_its_own_test_knew() -> None:
    """Two windows with the same two cases; the targets b and c were taken between them."""
    lists = np.array([[1, 2], [1, 2], [1, 2], [1, 2]])
    first, second = known(0, 1, 2, 4), known(0, 1, 2, 3, 4, 5)
    found = Judge([first, second], 0).figures(lists)
    slices = {part.name: part.targets for part in found.slices}
    assert slices == {"cold users": 4, "unseen items": 2, "cold items": 2}
    # Nothing listed was known to the first window, once each to the second; the histories hold a, known four times.
    assert found.lists["popularity bias@5"] == pytest.approx(1 / 2 / 4 - 1)
