"""A shop's past as arrays: what happened, in order, and what the items are."""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Catalogue:
    """n items; an item's code is its place here.

    Codes follow a hash of the ids, so that neither the order of ids nor that of the file can leak into a list through
    a tie: in some data sets ids grow with time. ``categories``: labels from the top, empty when unknown. ``prices``:
    NaN when unknown.
    """

    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    brands: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    prices: DoubleArray

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def codes(self) -> dict[str, int]:
        """Item id to code."""
        return {item_id: code for code, item_id in enumerate(self.item_ids)}

    @cached_property
    def has_text(self) -> bool:
        """Tell whether any item says what it is."""
        return any(self.titles) or any(self.brands) or any(self.categories)

    @cached_property
    def leaf_categories(self) -> IntArray:
        """(n,) code of the full category path, -1 when unknown."""
        return codes_of([" > ".join(path) for path in self.categories])

    @cached_property
    def top_categories(self) -> IntArray:
        """(n,) code of the label at the first level that tells the shop's items apart, -1 when unknown.

        A shop that sells one kind of thing often repeats its name as everyone's first label.
        """
        deepest = max((len(path) for path in self.categories), default=0)
        for level in range(deepest):
            labels = {path[level] for path in self.categories if len(path) > level}
            if len(labels) > 1:
                return codes_of([path[level] if len(path) > level else "" for path in self.categories])
        return codes_of([path[0] if path else "" for path in self.categories])

    @cached_property
    def brand_codes(self) -> IntArray:
        """(n,) code of the brand, -1 when unknown."""
        return codes_of(["" if brand.casefold() in _NO_BRAND else brand for brand in self.brands])


_NO_BRAND = {"", "unknown", "none", "n/a", "generic", "unbranded"}


def codes_of(labels: list[str]) -> IntArray:
    """Return a code per label, -1 for the empty one."""
    known = {label: code for code, label in enumerate(sorted({label for label in labels if label}))}
    return np.array([known.get(label, -1) for label in labels], np.int64)


def hash_order(item_ids: set[str]) -> list[str]:
    """Return the ids in an order that says nothing about them."""
    return sorted(item_ids, key=lambda item_id: blake2b(item_id.encode(), digest_size=16).digest())


@dataclass(frozen=True)
class Log:
    """m interactions, sorted by user and, within a user, by time; ties keep the file's order.

    users, items: (m,) codes. times: (m,) int64 ms. prices: (m,) float64, NaN when unknown. steps: (m,) int64, the place
    of the interaction in its user's sequence; what is bought together shares a step. places: (m,) of each interaction
    in the raw events.
    """

    users: IntArray
    items: IntArray
    times: IntArray
    prices: DoubleArray
    steps: IntArray
    places: IntArray
    n_users: int

    def __len__(self) -> int:
        return len(self.users)

    def select(self, chosen: BoolArray | IntArray) -> Self:
        """Return some of the interactions, in their order."""
        return replace(
            self,
            users=self.users[chosen],
            items=self.items[chosen],
            times=self.times[chosen],
            prices=self.prices[chosen],
            steps=self.steps[chosen],
            places=self.places[chosen],
        )

    @cached_property
    def offsets(self) -> IntArray:
        """(n_users + 1,) where each user's sequence begins, and the end of the last."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)


@dataclass(frozen=True)
class Knowledge:
    """All that a list may be made from: interactions up to a cut, and the catalogue. ``now``: the cut, ms."""

    log: Log
    catalogue: Catalogue
    now: int

    @property
    def n_items(self) -> int:
        """Every item of the catalogue is a candidate."""
        return len(self.catalogue)

    @cached_property
    def counts(self) -> DoubleArray:
        """(n,) interactions with each item."""
        return np.bincount(self.log.items, minlength=self.n_items).astype(np.float64)

    @cached_property
    def tie_ranks(self) -> IntArray:
        """(n,) rank of each item among equals: the more popular first, then by code."""
        ranks = np.empty(self.n_items, np.int64)
        ranks[np.argsort(-self.counts, kind="stable")] = np.arange(self.n_items)
        return ranks

    @cached_property
    def repeat_share(self) -> float:
        """Share (0-1) of the interactions, after a user's first step, with an item of an earlier step of that user."""
        log = self.log
        pair = log.users * self.n_items + log.items
        order = np.lexsort((log.steps, pair))
        first_step = np.empty(len(log), np.int64)
        starts = np.flatnonzero(np.r_[True, np.diff(pair[order]) != 0]) if len(log) else np.empty(0, np.int64)
        lengths = np.diff(np.r_[starts, len(log)])
        first_step[order] = np.repeat(log.steps[order][starts], lengths)
        later = log.steps > _first_steps(log)
        return float(np.mean(log.steps[later] > first_step[later])) if later.any() else 0.0

    @cached_property
    def user_items(self) -> sparse.csr_matrix:
        """(n_users, n) float32: 1 where a user has interacted with an item."""
        log = self.log
        ones = np.ones(len(log), np.float32)
        matrix = sparse.csr_matrix((ones, (log.users, log.items)), (log.n_users, self.n_items))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix


def _first_steps(log: Log) -> IntArray:
    starts = log.offsets[:-1][np.diff(log.offsets) > 0]
    return np.repeat(log.steps[starts], np.diff(np.r_[starts, len(log)]))
