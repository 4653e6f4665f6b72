"""Next basket: at a cut in time, the first basket of each known user after it is the target.

Everything before the cut is known and nothing after it: what a shop could have done that day. (Li et al., A Next Basket
Recommendation Reality Check, TOIS 2023, on why repeated and new items must be told apart.)
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from stream.evaluation.cases import Cases, Split, cases_from_log
from stream.evaluation.interactions import BoolArray, Catalogue, IntArray, Knowledge, Log

TEST_SHARE = 0.2
"""Share of the time span after the default cut."""

EARLIER_CUTS = 4
_DAY_MS = 86_400_000
_MONTHS_OF_WHICH_A_CUT_IS_THE_FIRST = 150 * _DAY_MS


def default_cut(log: Log) -> int:
    """Return the start of the month (of the day, in less than five months) nearest to four fifths of the span, UTC ms.

    A cut within a month would test on its rest alone.
    """
    first, last = int(log.times.min()), int(log.times.max())
    wanted = last - TEST_SHARE * (last - first)
    if last - first < _MONTHS_OF_WHICH_A_CUT_IS_THE_FIRST:
        return round(wanted / _DAY_MS) * _DAY_MS
    day = datetime.fromtimestamp(wanted / 1000, UTC)
    this = datetime(day.year, day.month, 1, tzinfo=UTC)
    following = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    nearest = min((this, following), key=lambda month: abs(month.timestamp() * 1000 - wanted))
    return round(nearest.timestamp() * 1000)


def next_basket_splits(log: Log, catalogue: Catalogue, cut: int) -> Iterator[Split]:
    """Yield the test at ``cut`` (ms), then tests at earlier cuts on what was known before the cut.

    Each earlier cut leaves as much time for a next basket as an eighth of the past, or two eighths, and so on.
    """
    yield _split(log, catalogue, cut)
    past = log.select(log.times < cut)
    if len(past):
        span = cut - int(past.times.min())
        for number in range(1, EARLIER_CUTS + 1):
            yield _split(past, catalogue, round(cut - span * number * TEST_SHARE / 2))


def only_new_items(cases: Cases) -> Cases:
    """Return the cases with the targets that their history does not hold; those without any are left out."""
    width = int(max(cases.items.max(initial=0), cases.targets.max(initial=0))) + 1
    new = ~np.isin(cases.target_rows * width + cases.targets, cases.rows * width + cases.items)
    kept = cases.with_targets(new)
    return kept.select(np.flatnonzero(np.diff(kept.target_offsets)))


def _split(log: Log, catalogue: Catalogue, cut: int) -> Split:
    before = log.times < cut
    knowledge = Knowledge(log.select(before), catalogue, cut)
    middles = log.offsets[:-1] + np.bincount(log.users[before], minlength=log.n_users)
    users = np.flatnonzero((middles > log.offsets[:-1]) & (middles < log.offsets[1:]))
    cases = cases_from_log(log, users, middles[users], _step_ends(log, middles[users]), at=cut)
    return Split(knowledge, cases)


def _step_ends(log: Log, places: IntArray) -> IntArray:
    starts_step: BoolArray = np.r_[(np.diff(log.users) != 0) | (np.diff(log.steps) != 0), True]
    ends = np.flatnonzero(starts_step) + 1
    found: IntArray = ends[np.searchsorted(ends, places, side="right")]
    return found
