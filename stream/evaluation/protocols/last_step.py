"""Leave-one-out, and its form for baskets: a user's last step is the target, everything before it is known.

As in Kang & McAuley, SASRec, ICDM 2018, section IV-A, but ranked among all items and never among samples (Krichene &
Rendle, KDD 2020). It lets other users' later steps teach: that is how the published tables are made. Kept for
comparison with them; a shop that wants to know what to expect uses the prequential protocol.
"""

from collections.abc import Iterator

import numpy as np

from stream.evaluation.cases import Split, cases_from_log, usual_candidates
from stream.evaluation.interactions import Catalogue, IntArray, Knowledge, Log


def last_step_splits(log: Log, catalogue: Catalogue) -> Iterator[Split]:
    """Yield the test, then the same test one step earlier, and so on, as long as users have a step before it."""
    ends = log.offsets[1:].copy()
    while True:
        starts = _last_step_starts(log, ends)
        users = np.flatnonzero(starts < ends)
        if not len(users):
            return
        cases = cases_from_log(log, users, starts[users], ends[users])
        known = np.zeros(len(log), np.bool_)
        known[_until(log, starts)] = True
        past = log.select(known)
        knowledge = Knowledge(past, catalogue, int(past.times.max()))
        yield Split(knowledge, cases, usual_candidates(knowledge))
        ends = starts


def _last_step_starts(log: Log, ends: IntArray) -> IntArray:
    """Return where each user's last step before ``ends`` begins.

    Who has a single step left keeps it (``ends``): without a target, it may still teach.
    """
    starts_step = np.r_[True, (np.diff(log.users) != 0) | (np.diff(log.steps) != 0)]
    begins = np.maximum.accumulate(np.where(starts_step, np.arange(len(log)), 0))
    starts = begins[np.maximum(ends - 1, 0)]
    found: IntArray = np.where(starts > log.offsets[:-1], starts, ends)
    return found


def _until(log: Log, ends: IntArray) -> IntArray:
    lengths = ends - log.offsets[:-1]
    offsets: IntArray = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    places: IntArray = np.arange(offsets[-1]) + np.repeat(log.offsets[:-1] - offsets[:-1], lengths)
    return places
