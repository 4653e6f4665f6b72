"""Sequences as steps: what a user took at one time."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.interactions import BoolArray, IntArray, Log


@dataclass(frozen=True)
class Steps:
    """The steps of a log, one row each, users one after the other.

    matrix: (steps, n) float64; each item of a step counts 1 / sqrt(items in it). first: (steps,) the row of the first
    step of the same user. times: (steps,) ms.
    """

    matrix: sparse.csr_matrix
    first: IntArray
    times: IntArray

    def pairs_at(self, gap: int) -> sparse.csr_matrix:
        """Return (n, n) float64: how often the column came ``gap`` steps after the row in one sequence."""
        later = np.arange(gap, self.matrix.shape[0])
        later = later[self.first[later] <= later - gap]
        return (self.matrix[later - gap].T @ self.matrix[later]).tocsr()


def steps_of(log: Log, n_items: int) -> Steps:
    """Return the steps of a log."""
    starts = _starts(log)
    rows = rows_of(log)
    users = log.users[starts]
    new_user = np.diff(users, prepend=-1) != 0
    weights = 1 / np.sqrt(np.bincount(rows)[rows])
    return Steps(
        matrix=sparse.csr_matrix((weights, (rows, log.items)), (len(users), n_items)),
        first=np.maximum.accumulate(np.where(new_user, np.arange(len(users)), 0)),
        times=log.times[starts],
    )


def rows_of(log: Log) -> IntArray:
    """Return (m,) the row of :class:`Steps` that each interaction is in."""
    rows: IntArray = np.cumsum(_starts(log)) - 1
    return rows


def has_baskets(log: Log) -> bool:
    """Tell whether any step holds several items."""
    return not bool(_starts(log).all())


def _starts(log: Log) -> BoolArray:
    starts: BoolArray = (np.diff(log.users, prepend=-1) != 0) | (np.diff(log.steps, prepend=-1) != 0)
    return starts
