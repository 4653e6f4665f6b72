"""Prequential: every interaction is a test before it is learned from (Gama, Sebastião & Rodrigues, KDD 2009).

The last fifth of the time is cut into windows. In each, lists are made right after each of a user's interactions, from
that user's history so far and from counts that are one window old at most; its interactions are then learned, one by
one, by the counter that a stream would use. Recipe, blend and trees are fitted once, on windows before the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.evaluation.cases import Cases, Split, cases_from_log, usual_candidates
from stream.evaluation.interactions import Catalogue, IntArray, Knowledge, Log
from stream.evaluation.pairs import PairCounter

TEST_SHARE = 0.2
WINDOWS = 5
EARLIER_WINDOWS = 2
AT_ONCE = "at once"
DELAYS_MS = {AT_ONCE: 0, "1 minute late": 60_000, "1 hour late": 3_600_000, "1 day late": 86_400_000}
"""How old a list may be when it is used: what the user did since is not in it."""


@dataclass(frozen=True)
class Windows:
    """edges: WINDOWS + 1 times of the test windows, ms; the windows before have the same length."""

    edges: tuple[int, ...]

    @classmethod
    def of(cls, log: Log) -> "Windows":
        """Cut the last fifth of a log's time."""
        first, last = int(log.times.min()), int(log.times.max()) + 1
        start = last - TEST_SHARE * (last - first)
        return cls(tuple(round(start + (last - start) * number / WINDOWS) for number in range(WINDOWS + 1)))

    @property
    def length(self) -> int:
        """Length of a window, ms."""
        return self.edges[1] - self.edges[0]


@dataclass(frozen=True)
class WindowTest:
    """split: the lists made at once. late: delay to the same cases, less what the lists did not know yet."""

    split: Split
    late: dict[str, Cases]


def prequential_tests(log: Log, catalogue: Catalogue, most_cases: int, seed: int) -> Iterator[WindowTest]:
    """Yield one test per window, with counts learned one interaction at a time.

    most_cases: in all; each window gets its part, chosen at random (the same for every delay).
    """
    windows = Windows.of(log)
    counter = PairCounter(len(catalogue))
    in_time = np.argsort(log.times, kind="stable")
    learned = 0
    for start, end in zip(windows.edges[:-1], windows.edges[1:], strict=True):
        until = int(np.searchsorted(log.times[in_time], start))
        for place in in_time[learned:until].tolist():
            counter.learn(int(log.users[place]), int(log.items[place]))
        learned = until
        places = _places(log, start, end, _Sample(most_cases // WINDOWS, seed))
        if not len(places):
            continue
        knowledge = Knowledge(log.select(log.times < start), catalogue, start)
        late = {name: _cases(log, places, delay) for name, delay in DELAYS_MS.items()}
        split = Split(knowledge, late[AT_ONCE], usual_candidates(knowledge), counter.counts())
        yield WindowTest(split, late)


def prequential_earlier(log: Log, catalogue: Catalogue, most_cases: int, seed: int) -> Iterator[Split]:
    """Yield the windows before the first test window, the nearest first."""
    windows = Windows.of(log)
    sample = _Sample(most_cases // EARLIER_WINDOWS, seed)
    for number in range(EARLIER_WINDOWS):
        end = windows.edges[0] - number * windows.length
        start = end - windows.length
        knowledge = Knowledge(log.select(log.times < start), catalogue, start)
        places = _places(log, start, end, sample)
        if len(places) and len(knowledge.log):
            yield Split(knowledge, _cases(log, places, 0), usual_candidates(knowledge))


@dataclass(frozen=True)
class _Sample:
    most: int
    seed: int

    def of(self, places: IntArray) -> IntArray:
        if len(places) <= self.most:
            return places
        return np.sort(np.random.default_rng(self.seed).choice(places, self.most, replace=False))


def _places(log: Log, start: int, end: int, sample: _Sample) -> IntArray:
    """Return some of the interactions between two times that are not their user's first."""
    firsts = log.offsets[:-1][log.users]
    return sample.of(np.flatnonzero((log.times >= start) & (log.times < end) & (np.arange(len(log)) > firsts)))


def _cases(log: Log, places: IntArray, delay_ms: int) -> Cases:
    ends = places if delay_ms == 0 else _known_then(log, places, delay_ms)
    return cases_from_log(log, log.users[places], ends, places + 1, target_starts=places)


def _known_then(log: Log, places: IntArray, delay_ms: int) -> IntArray:
    """Return where, for each interaction, its user's history ended ``delay_ms`` before it."""
    # Users' times in one ascending sequence: each user's are shifted beyond the last of the user before.
    origin = int(log.times.min())
    width = int(log.times.max()) - origin + delay_ms + 1
    keys = log.users * width + (log.times - origin)
    wanted = log.users[places] * width + np.maximum(log.times[places] - origin - delay_ms, -1)
    found = np.searchsorted(keys, wanted, side="right")
    return np.maximum(found, log.offsets[:-1][log.users[places]])
