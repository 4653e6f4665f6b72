"""From histories to samples: what a user had done before a moment, and what came next."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.base import HistoryBatch, IntArray
from encoders.training.events import Histories
from encoders.user.network import HISTORY

MEGABATCH = 50
"""Batches that are sorted by length together, so that little is padded and order stays random."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Places (B,) of the interactions to foretell, and the histories before them."""

    places: IntArray
    history: HistoryBatch


def history_before(histories: Histories, users: IntArray, places: IntArray) -> HistoryBatch:
    """Return what each user (B,) did before a place (B,), at most the latest 50; ages from the latest of them."""
    starts = histories.starts[users]
    width = int(np.minimum(places - starts, HISTORY).max(initial=1))
    index = places[:, None] - np.arange(width, 0, -1)[None, :]
    known = index >= starts[:, None]
    index = np.where(known, index, 0)
    latest = histories.seconds[np.maximum(places - 1, 0)]
    ages = np.where(known, latest[:, None] - histories.seconds[index], 0)
    return HistoryBatch(
        rows=np.where(known, histories.items[index], -1),
        kinds=np.where(known, histories.kinds[index], 0),
        ages=ages.astype(np.float32),
    )


def without_latest(
    batch: HistoryBatch, random: np.random.Generator, share: float, longest_seconds: float
) -> HistoryBatch:
    """Return histories of which a random share lost its latest 0 to ``longest_seconds`` seconds.

    So that the last click is not over-obeyed. A history keeps its oldest position. Ages count from what is now the
    latest. Source: TransAct, arXiv:2306.00248, section 3.2.
    """
    horizon = np.where(random.random(len(batch.rows)) < share, random.random(len(batch.rows)) * longest_seconds, -1)
    known = batch.kinds > 0
    oldest = known & (np.cumsum(known, axis=1) == 1)
    kept = known & ((batch.ages > horizon[:, None]) | oldest)
    youngest = np.where(kept, batch.ages, np.inf).min(axis=1, keepdims=True)
    ages = np.where(kept, batch.ages - np.where(np.isfinite(youngest), youngest, 0), 0)
    return HistoryBatch(np.where(kept, batch.rows, -1), np.where(kept, batch.kinds, 0), ages.astype(np.float32))


def teachable(histories: Histories) -> NDArray[np.int64]:
    """Return the places of all interactions that have one before them."""
    places = np.arange(len(histories))
    return places[places > histories.starts[histories.user_of()]]


def epoch(histories: Histories, random: np.random.Generator, batch_size: int, most: int) -> Iterator[Sample]:
    """Yield batches over the teachable places in random order, at most ``most`` places, lengths alike."""
    user_of = histories.user_of()
    places = random.permutation(teachable(histories))[:most]
    batches: list[IntArray] = []
    for start in range(0, len(places), MEGABATCH * batch_size):
        part = places[start : start + MEGABATCH * batch_size]
        lengths = np.minimum(part - histories.starts[user_of[part]], HISTORY)
        part = part[np.argsort(lengths, kind="stable")]
        batches.extend(part[first : first + batch_size] for first in range(0, len(part), batch_size))
    for number in random.permutation(len(batches)):
        yield Sample(batches[number], history_before(histories, user_of[batches[number]], batches[number]))
