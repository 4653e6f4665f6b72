"""The worked example of docs/graph.md."""

from datetime import UTC, datetime

import numpy as np
import pytest

from graph.model import Family, Kind, Level
from graph.ranking.measures import lift, log_likelihood_ratio, npmi
from tests.unit.graph.recompute import DAY_MS
from tests.unit.graph.scenarios import Run, interaction

CATALOGUE = {"mug": "Kitchen > Mugs", "lamp": "Home > Light", "candle": "Home > Candles"}


def at(day: int, hour: int, minute: int) -> int:
    return int(datetime(2026, 3, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


LIFE = [
    interaction("e1", Kind.VIEW, "mug", at(2, 10, 0)),
    interaction("e2", Kind.PURCHASE, "mug", at(2, 10, 5), order_id="o1"),
    interaction("e3", Kind.VIEW, "lamp", at(2, 10, 6)),
    interaction("e4", Kind.PURCHASE, "candle", at(9, 10, 5), order_id="o2"),
    interaction("e5", Kind.REFUND, "mug", at(10, 9, 0), order_id="o1"),
]
VIEWED = Level.CATEGORY, Family.VIEWED_NEXT, "Kitchen > Mugs", "Home > Light"
BOUGHT = Level.CATEGORY, Family.BOUGHT_NEXT, "Kitchen > Mugs", "Home > Candles"


def test_before_the_refund() -> None:
    run = Run().step(LIFE[:4], CATALOGUE)
    mugs = run.interests(CATALOGUE)["Kitchen > Mugs"]
    assert (mugs.updated_at, mugs.views, mugs.purchases) == (at(2, 10, 5), 1, 1)
    assert mugs.weight == pytest.approx(5.99966, abs=5e-6)
    assert mugs.rank_key == pytest.approx(2933.216, abs=5e-4)
    found = {(d.level, d.family, d.source, d.target): (d.weight, d.at) for d in run.deltas if d.level is Level.CATEGORY}
    assert found == {VIEWED: (1.0, at(2, 10, 6)), BOUGHT: (1.0, at(9, 10, 5))}


def test_after_the_refund() -> None:
    run = Run().steps([LIFE[:4], LIFE[4:]], CATALOGUE)
    found = run.interests(CATALOGUE)
    assert (found["Kitchen > Mugs"].weight, found["Kitchen > Mugs"].updated_at) == (1.0, at(2, 10, 0))
    assert (found["Home > Candles"].weight, found["Home > Candles"].updated_at) == (5.0, at(9, 10, 5))
    assert at(16, 10, 5) - at(9, 10, 5) == 7 * DAY_MS
    assert {pair for pair in run.totals() if pair[0] is Level.CATEGORY} == {VIEWED}
    assert (run.state.events, run.state.last_event_at) == (5, at(10, 9, 0))


def test_the_measures_of_an_association() -> None:
    counts = np.array([6.0]), np.array([8.0]), np.array([10.0]), 40.0
    assert counts[0] / counts[1] == 0.75
    assert lift(*counts) == pytest.approx(3.0)
    assert npmi(*counts) == pytest.approx(0.579, abs=5e-4)
    assert log_likelihood_ratio(*counts) == pytest.approx(11.88, abs=5e-3)
