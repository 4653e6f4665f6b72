"""Sessions: at every position of a test session, the clicks so far are the history, the next click is the target.

As in Ludewig & Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018: test sessions lose the items
that training does not know, and are left out when fewer than two clicks remain. Test sessions teach nothing.
"""

from collections.abc import Iterator

import numpy as np

from stream.evaluation.cases import Split, cases_from_log
from stream.evaluation.interactions import BoolArray, Catalogue, IntArray, Knowledge, Log

EARLIER_CUTS = 2
MOST_OF_THE_PAST = 0.25
"""An earlier test takes no more than this share of the time that is left to learn from."""

_DAY_MS = 86_400_000


def session_splits(
    log: Log, catalogue: Catalogue, test_sessions: BoolArray | None, test_days: float
) -> Iterator[Split]:
    """Yield the test, then tests of the same length on the days before it.

    test_sessions: (n_users,) marks the sessions to test on; None: those that end in the last ``test_days``.
    """
    ends = _session_ends(log)
    if test_sessions is None:
        test_sessions = ends > ends.max() - test_days * _DAY_MS
    split = _split(log, catalogue, test_sessions)
    yield split
    window = _window(log, test_sessions)
    for _ in range(EARLIER_CUTS):
        log = split.knowledge.log
        if not len(log):
            return
        ends = _session_ends(log)
        span = int(log.times.max()) - int(log.times.min())
        split = _split(log, catalogue, ends > ends.max() - min(window, MOST_OF_THE_PAST * span))
        yield split


def _split(log: Log, catalogue: Catalogue, test_sessions: BoolArray) -> Split:
    tested = test_sessions[log.users]
    past = log.select(~tested)
    knowledge = Knowledge(past, catalogue, int(past.times.max(initial=0)))
    known = log.select(tested & (knowledge.counts > 0)[log.items])
    places = np.flatnonzero(np.r_[False, np.diff(known.users) == 0])
    cases = cases_from_log(known, known.users[places], places, places + 1)
    return Split(knowledge, cases)


def _session_ends(log: Log) -> IntArray:
    ends = np.full(log.n_users, -1, np.int64)
    np.maximum.at(ends, log.users, log.times)
    return ends


def _window(log: Log, test_sessions: BoolArray) -> float:
    times = log.times[test_sessions[log.users]]
    return float(times.max() - times.min()) if len(times) else float(_DAY_MS)
