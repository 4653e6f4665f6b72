"""What every recommender under test has: scores of all items for a block of cases, and how lists are cut from them."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from stream.evaluation.cases import Cases, Split
from stream.evaluation.interactions import FloatArray, IntArray

LIST_LENGTH = 20
_BLOCK_SCORES = 2**22
"""Scores of a block: with some twenty ingredients, well below a gigabyte."""


class Scorer(Protocol):
    """A fitted recommender. It sees histories and times, never targets."""

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32, higher is better; 0 where it has nothing to say."""


def block_size(n_items: int) -> int:
    """Return how many cases to score at once."""
    return max(1, min(512, _BLOCK_SCORES // max(n_items, 1)))


def rank_all(scorer: Scorer, split: Split, length: int = LIST_LENGTH) -> IntArray:
    """Return (B, length) codes, best first: the highest of all items' scores, -1 where candidates run out."""
    return np.concatenate([lists for _, lists in rank_blocks(scorer, split, length)])


def rank_blocks(scorer: Scorer, split: Split, length: int = LIST_LENGTH) -> Iterator[tuple[Cases, IntArray]]:
    """Yield blocks of the cases with their lists."""
    for block in split.cases.blocks(block_size(split.knowledge.n_items)):
        scores = scorer.score(block)
        scores[split.candidates.banned(block, split.knowledge.catalogue)] = -np.inf
        yield block, top_items(scores, split.knowledge.tie_ranks, length)


def top_items(scores: FloatArray, tie_ranks: IntArray, length: int) -> IntArray:
    """Return (B, length) codes of the highest scores, best first; -1 for -inf and beyond n.

    Equal scores are told apart by ``tie_ranks`` (n,), lower first, so a list is a function of the scores.
    """
    length = min(length, scores.shape[1])
    # A float's bits, read as an integer, keep its order; the rank below them makes every key distinct.
    bits = (scores + np.float32(0)).view(np.int32)
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    keys = (ordered.astype(np.int64) << 32) - tie_ranks
    best = np.argpartition(keys, -length, axis=1)[:, -length:] if length < keys.shape[1] else _all_columns(keys)
    order = np.argsort(-np.take_along_axis(keys, best, 1), axis=1)
    top = np.take_along_axis(best, order, 1)
    return np.where(np.isneginf(np.take_along_axis(scores, top, 1)), -1, top)


def _all_columns(keys: IntArray) -> IntArray:
    return np.broadcast_to(np.arange(keys.shape[1]), keys.shape)
