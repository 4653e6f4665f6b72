"""What is asked of a recommender: a history, and what came next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from scipy import sparse

from stream.evaluation.interactions import BoolArray, Catalogue, DoubleArray, IntArray, Knowledge, Log
from stream.evaluation.pairs import PairCounts


@dataclass(frozen=True)
class Cases:
    """B cases, ragged: case b's history is ``items[offsets[b]:offsets[b + 1]]``, oldest first.

    users: (B,) codes, whose log may hold more than the history only in what a protocol withholds; -1 when unknown.
    ages: steps between an item of the history and the list, 0 for the last step. times: of the history, ms. places: of
    the history in the raw events, -1 for what no event says.
    targets: codes, ragged by ``target_offsets``, -1 for an item no candidate stands for. clusters: (B,) cases of one
    cluster depend on each other (one session's positions) and are resampled together.
    """

    users: IntArray
    offsets: IntArray
    items: IntArray
    ages: IntArray
    times: IntArray
    places: IntArray
    at: IntArray
    target_offsets: IntArray
    targets: IntArray
    clusters: IntArray

    def __len__(self) -> int:
        return len(self.users)

    def select(self, chosen: IntArray) -> Self:
        """Return some of the cases, in the order of their numbers in ``chosen``."""
        places, offsets = ragged_places(self.offsets, chosen)
        target_places, target_offsets = ragged_places(self.target_offsets, chosen)
        return replace(
            self,
            users=self.users[chosen],
            offsets=offsets,
            items=self.items[places],
            ages=self.ages[places],
            times=self.times[places],
            places=self.places[places],
            at=self.at[chosen],
            target_offsets=target_offsets,
            targets=self.targets[target_places],
            clusters=self.clusters[chosen],
        )

    def with_history(self, kept: BoolArray) -> Self:
        """Return the cases with some of their histories' interactions; ``kept``: one per interaction."""
        return replace(
            self,
            offsets=_offsets_among(self.offsets, kept),
            items=self.items[kept],
            ages=self.ages[kept],
            times=self.times[kept],
            places=self.places[kept],
        )

    def with_targets(self, kept: BoolArray) -> Self:
        """Return the cases with some of their targets; ``kept``: one per target."""
        return replace(self, targets=self.targets[kept], target_offsets=_offsets_among(self.target_offsets, kept))

    def blocks(self, size: int) -> Iterator[Self]:
        """Yield the cases in blocks of at most ``size``."""
        for start in range(0, len(self), size):
            yield self.select(np.arange(start, min(start + size, len(self))))

    def sample(self, limit: int | None, seed: int) -> Self:
        """Return at most ``limit`` whole clusters' cases, chosen at random, in their order."""
        clusters = np.unique(self.clusters)
        if limit is None or len(self) <= limit:
            return self
        shuffled = np.random.default_rng(seed).permutation(clusters)
        sizes = np.bincount(np.searchsorted(clusters, self.clusters))[np.searchsorted(clusters, shuffled)]
        chosen = shuffled[: max(1, int(np.searchsorted(np.cumsum(sizes), limit, side="right")))]
        return self.select(np.flatnonzero(np.isin(self.clusters, chosen)))

    @cached_property
    def rows(self) -> IntArray:
        """The case of each item of the histories."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @cached_property
    def target_rows(self) -> IntArray:
        """The case of each target."""
        return np.repeat(np.arange(len(self)), np.diff(self.target_offsets))

    def history_matrix(self, n_items: int, weights: DoubleArray) -> sparse.csr_matrix:
        """Return (B, n) float32 with the sum of the weights of each item in each history.

        weights: one per item of the histories.
        """
        keep = weights != 0
        matrix = sparse.csr_matrix(
            (weights[keep].astype(np.float32), (self.rows[keep], self.items[keep])), (len(self), n_items)
        )
        matrix.sum_duplicates()
        return matrix

    def decayed(self, decay: float, length: int) -> DoubleArray:
        """Return decay^age per item of the histories, 0 beyond ``length`` steps."""
        return np.where(self.ages < length, np.power(decay, np.minimum(self.ages, length)), 0.0)

    @cached_property
    def latest(self) -> BoolArray:
        """Mark, per case, the last appearance of each item in the history."""
        pair = self.rows * (int(self.items.max(initial=0)) + 1) + self.items
        _, last = np.unique(pair[::-1], return_index=True)
        marks = np.zeros(len(self.items), np.bool_)
        marks[len(self.items) - 1 - last] = True
        return marks


class Candidates(StrEnum):
    """Which items a list may hold."""

    ALL = "all items"
    NEW = "new items"  # none of the history
    OTHER_CATEGORIES = "other top categories"  # none of the history's top categories, and only items that have one

    def banned(self, cases: Cases, catalogue: Catalogue) -> BoolArray:
        """Return (B, n): True where an item may not be listed."""
        banned = np.zeros((len(cases), len(catalogue)), np.bool_)
        if self is not Candidates.ALL:
            banned[cases.rows, cases.items] = True
        if self is Candidates.OTHER_CATEGORIES:
            tops = catalogue.top_categories
            held = np.zeros((len(cases), int(tops.max(initial=-1)) + 2), np.bool_)
            held[:, -1] = True  # where -1, no category, ends up
            held[cases.rows, tops[cases.items]] = True
            banned |= held[:, tops]
        return banned


class Listable(Protocol):
    """What may be listed of a catalogue, such as :class:`Candidates`."""

    def banned(self, cases: Cases, catalogue: Catalogue) -> BoolArray:
        """Return (B, n): True where an item may not be listed."""


MASK_BELOW_REPEAT_SHARE = 0.01
"""A shop in whose past nobody takes an item again gets no item again."""


def usual_candidates(knowledge: Knowledge) -> Candidates:
    """Return what a list of this shop may hold when nothing else is asked for."""
    return Candidates.ALL if knowledge.repeat_share >= MASK_BELOW_REPEAT_SHARE else Candidates.NEW


@dataclass(frozen=True)
class Split:
    """What is known, what is asked of it, and what may be answered.

    counts: what a stream has counted of the knowledge, if one did.
    """

    knowledge: Knowledge
    cases: Cases
    candidates: Candidates = Candidates.ALL
    counts: PairCounts | None = None


def joined(parts: Sequence[Cases]) -> Cases:
    """Return several sets of cases as one."""

    def shifted(offsets: Sequence[IntArray]) -> IntArray:
        lengths = np.concatenate([np.diff(part) for part in offsets])
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])

    return Cases(
        users=np.concatenate([part.users for part in parts]),
        offsets=shifted([part.offsets for part in parts]),
        items=np.concatenate([part.items for part in parts]),
        ages=np.concatenate([part.ages for part in parts]),
        times=np.concatenate([part.times for part in parts]),
        places=np.concatenate([part.places for part in parts]),
        at=np.concatenate([part.at for part in parts]),
        target_offsets=shifted([part.target_offsets for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        clusters=np.concatenate([part.clusters for part in parts]),
    )


def _offsets_among(offsets: IntArray, kept: BoolArray) -> IntArray:
    """Return where each row begins once only the elements that are ``kept`` are left."""
    before: IntArray = np.r_[0, np.cumsum(kept)].astype(np.int64)
    return before[offsets]


def ragged_places(offsets: IntArray, chosen: IntArray) -> tuple[IntArray, IntArray]:
    """Return the places of the chosen rows' elements, and the offsets among them."""
    lengths = offsets[chosen + 1] - offsets[chosen]
    new_offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    places = np.arange(new_offsets[-1]) + np.repeat(offsets[chosen] - new_offsets[:-1], lengths)
    return places, new_offsets


def cases_from_log(
    log: Log,
    users: IntArray,
    history_ends: IntArray,
    target_ends: IntArray,
    *,
    target_starts: IntArray | None = None,
    at: int | None = None,
) -> Cases:
    """Return one case per entry of ``users``.

    Its history is the log from the user's start to ``history_ends`` (places in the log), its targets are what follows
    (from ``target_starts``, if given) up to ``target_ends``; each item is a target once. at: when the lists are made,
    ms; None: right after the last interaction of each history.
    """
    starts = log.offsets[users]
    history, offsets = _spans(starts, history_ends)
    targets, target_offsets = _spans(history_ends if target_starts is None else target_starts, target_ends)
    rows = np.repeat(np.arange(len(users)), np.diff(target_offsets))
    pair = rows * (int(log.items.max(initial=0)) + 1) + log.items[targets]
    _, first = np.unique(pair, return_index=True)
    first.sort()
    # Of someone else where a history is empty, and then read by nothing.
    newest = log.steps[history_ends - 1] if len(log) else np.zeros(len(users), np.int64)
    return Cases(
        users=users,
        offsets=offsets,
        items=log.items[history],
        ages=np.repeat(newest, np.diff(offsets)) - log.steps[history],
        times=log.times[history],
        places=log.places[history],
        at=log.times[history_ends - 1] if at is None else np.full(len(users), at, np.int64),
        target_offsets=np.r_[0, np.cumsum(np.bincount(rows[first], minlength=len(users)))].astype(np.int64),
        targets=log.items[targets[first]],
        clusters=users,
    )


def _spans(starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    lengths = ends - starts
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths), offsets
