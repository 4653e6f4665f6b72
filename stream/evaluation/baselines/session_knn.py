"""Neighbour sequences: whose past looks like this history, and what did they take around there?"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import DoubleArray, FloatArray, IntArray, Knowledge

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class NeighbourRule:
    """How neighbours are chosen and what they say.

    history_weight: (age in steps, length of the history) to weight. item_weight: (distance in steps in the neighbour
    from the newest common item, age of that item in the history) to weight. recency_ms: a neighbour's weight falls as
    exp(-time since its end / recency_ms). by_length: divide by the root of the neighbour's length. idf: weigh items by
    log(sequences / sequences with it). newest: for each item, only so many sequences are looked at, the latest ones.
    """

    history_weight: Callable[[DoubleArray, int], DoubleArray]
    item_weight: Callable[[DoubleArray, DoubleArray], DoubleArray]
    neighbours: int
    newest: int
    recency_ms: float | None = None
    by_length: bool = True
    idf: bool = False


def v_sknn() -> NeighbourRule:
    """Vector multiplication session-based kNN: linear weights by position in the history (Ludewig & Jannach, 2018)."""
    return NeighbourRule(
        history_weight=lambda age, length: (length - age) / length,
        item_weight=lambda _, age: 1 / (age + 1),
        neighbours=500,
        newest=1000,
        by_length=False,
        idf=True,
    )


def stan(recency_ms: float | None = 5 * _DAY_MS) -> NeighbourRule:
    """Sequence and time aware neighbourhood: exponential weights of position, recency and distance.

    Garg et al., SIGIR 2019, equations 1 to 4.
    """
    return NeighbourRule(
        history_weight=lambda age, _: np.exp(-age / 1.2),
        item_weight=lambda distance, _: np.exp(-np.abs(distance) / 2),
        neighbours=500,
        newest=2500,
        recency_ms=recency_ms,
    )


@dataclass(frozen=True)
class Sequences:
    """Every user's items, each where it was last: sorted by user, and again by item with the latest user first."""

    users: IntArray
    items: IntArray
    steps: IntArray
    offsets: IntArray
    ends: IntArray
    by_item: IntArray
    item_offsets: IntArray

    @classmethod
    def of(cls, knowledge: Knowledge) -> Self:
        """Index the log."""
        log = knowledge.log
        pair = log.users * knowledge.n_items + log.items
        _, last = np.unique(pair[::-1], return_index=True)
        kept = np.sort(len(log) - 1 - last)
        users, items, steps = log.users[kept], log.items[kept], log.steps[kept]
        ends = np.full(log.n_users, np.iinfo(np.int64).min)
        np.maximum.at(ends, log.users, log.times)
        by_item = np.lexsort((-ends[users], items))
        return cls(
            users, items, steps,
            np.searchsorted(users, np.arange(log.n_users + 1)),
            ends,
            by_item,
            np.searchsorted(items[by_item], np.arange(knowledge.n_items + 1)),
        )  # fmt: skip

    @cached_property
    def idf(self) -> DoubleArray:
        """(n,) log(sequences / sequences with the item)."""
        with_it = np.maximum(np.diff(self.item_offsets), 1)
        return np.log(np.count_nonzero(np.diff(self.offsets)) / with_it)


@dataclass(frozen=True)
class SequenceNeighbours:
    """A user's own sequence is never its neighbour."""

    rule: NeighbourRule
    sequences: Sequences
    n_items: int

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32."""
        scores = np.zeros((len(cases), self.n_items), np.float32)
        for row in range(len(cases)):
            start, end = cases.offsets[row], cases.offsets[row + 1]
            latest = np.arange(start, end)[cases.latest[start:end]][::-1]
            self._score_one(
                scores[row], cases.items[latest], cases.ages[latest], int(cases.at[row]), int(cases.users[row])
            )
        return scores

    def _score_one(self, scores: FloatArray, items: IntArray, ages: IntArray, at: int, user: int) -> None:
        rule, sequences = self.rule, self.sequences
        starts = sequences.item_offsets[items]
        lengths = np.minimum(sequences.item_offsets[items + 1] - starts, rule.newest)
        if not lengths.sum():
            return
        places = sequences.by_item[_ranges(starts, lengths)]
        which = np.repeat(np.arange(len(items)), lengths)
        weights = rule.history_weight(ages.astype(np.float64), int(ages.max()) + 1)
        if rule.idf:
            weights = weights * sequences.idf[items]
        # The history comes newest first, so a neighbour's first appearance is its newest common item.
        neighbours, first, inverse = np.unique(sequences.users[places], return_index=True, return_inverse=True)
        likeness = np.bincount(inverse, weights[which])
        if rule.recency_ms is not None:
            likeness = likeness * np.exp(-np.maximum(at - sequences.ends[neighbours], 0) / rule.recency_ms)
        if rule.by_length:
            likeness = likeness / np.sqrt(sequences.offsets[neighbours + 1] - sequences.offsets[neighbours])
        likeness[neighbours == user] = 0
        if len(neighbours) > rule.neighbours:
            kept = np.argpartition(-likeness, rule.neighbours)[: rule.neighbours]
            neighbours, first, likeness = neighbours[kept], first[kept], likeness[kept]
        sizes = sequences.offsets[neighbours + 1] - sequences.offsets[neighbours]
        theirs = _ranges(sequences.offsets[neighbours], sizes)
        distance = sequences.steps[theirs] - np.repeat(sequences.steps[places[first]], sizes)
        said = np.repeat(likeness, sizes) * rule.item_weight(
            distance.astype(np.float64), np.repeat(ages[which[first]], sizes).astype(np.float64)
        )
        scores += np.bincount(sequences.items[theirs], said, self.n_items)


def fit(knowledge: Knowledge, rule: NeighbourRule) -> SequenceNeighbours:
    """Index the sequences."""
    return SequenceNeighbours(rule, Sequences.of(knowledge), knowledge.n_items)


def _ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
