"""A shop's interactions as arrays, to train on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import KIND_CODES, EncoderError, FloatArray, IntArray

TEACHING_KINDS = frozenset(KIND_CODES) - {"impression"}
"""What a user did. What was merely shown, and what takes something back, is left out."""


class Event(NamedTuple):
    """One interaction: kind as in ``KIND_CODES``, at in milliseconds."""

    user_id: str
    item_id: str
    kind: str
    at: int
    event_id: str


@dataclass(frozen=True, slots=True)
class TrainingItems:
    """n items: ids, text vectors (n, D), category codes (n,), -1 for none, and prices (n,), NaN for none."""

    ids: Sequence[str]
    text_vectors: FloatArray
    categories: IntArray
    prices: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histories:
    """E interactions of U users, each user's in their order: (event time, event id), as the stream orders them.

    starts: (U + 1,), where each user's begin; items: (E,) rows of the items; kinds: (E,) codes; seconds: (E,) float64.
    """

    starts: IntArray
    items: IntArray
    kinds: IntArray
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def users(self) -> int:
        """U."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> IntArray:
        """(U,)."""
        return np.diff(self.starts)

    def user_of(self) -> IntArray:
        """Return (E,) the user of each interaction."""
        return np.repeat(np.arange(self.users), self.lengths)

    def where(self, keep: NDArray[np.bool_]) -> "Histories":
        """Return only the interactions (E,) to keep; every user stays, with what is left of them."""
        counts = np.bincount(self.user_of()[keep], minlength=self.users)
        return Histories(
            np.concatenate([[0], np.cumsum(counts)]), self.items[keep], self.kinds[keep], self.seconds[keep]
        )


def build_histories(events: Iterable[Event], row_of: Mapping[str, int]) -> Histories:
    """Return the histories of all users, in the order of their ids; items without a row are left out.

    Raises EncoderError when nothing is left.
    """
    rows = sorted(
        (event.user_id, event.at, event.event_id, row_of[event.item_id], KIND_CODES[event.kind])
        for event in events
        if event.kind in TEACHING_KINDS and event.item_id in row_of
    )
    if not rows:
        raise EncoderError("no event is of an item of the catalogue with a title; do both files belong to one shop?")
    _, counts = np.unique(np.array([row[0] for row in rows]), return_counts=True)
    return Histories(
        starts=np.concatenate([[0], np.cumsum(counts)]),
        items=np.array([row[3] for row in rows], np.int64),
        kinds=np.array([row[4] for row in rows], np.int64),
        seconds=np.array([row[1] for row in rows], np.float64) / 1000.0,
    )
