"""Scores between users and what they may want.

One diagonal matrix and one bias per task: score = σ(b + Σ w·u∘v). With u∘w as the query, each task stays one search
for the greatest inner product over the same item matrix.
"""

from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from encoders.base import ITEM_DIMENSIONS, FloatArray
from encoders.card import Card, check_shapes, read_weights, write_weights
from encoders.projection import normalise

FORMAT = "interestream.heads/1"


class Task(StrEnum):
    """What a head was trained to tell."""

    NEXT = "next"
    """The next item, whichever: what the plain inner product tells, without a head."""
    CROSS_SELL = "cross_sell"
    """The next item of another category than the latest one."""
    UP_SELL = "up_sell"
    """A dearer item of the latest one's category, rather than a cheaper one."""
    PURCHASE = "purchase"
    """Whether the next item will be bought."""


class HeadsCard(Card, kw_only=True):
    """The tasks, in the order of the rows."""

    tasks: list[Task] = msgspec.field(default_factory=list)
    dimensions: int = ITEM_DIMENSIONS


class Heads:
    """The heads of a trained model. A task without a head scores as the plain inner product."""

    def __init__(self, tasks: list[Task], weights: FloatArray, biases: FloatArray, revision: str = "") -> None:
        """Take T tasks with their weights (T, d) and biases (T,)."""
        self._row = {task: row for row, task in enumerate(tasks)}
        self.weights, self.biases, self.revision = weights, biases, revision

    @property
    def tasks(self) -> list[Task]:
        """The tasks that have a head."""
        return list(self._row)

    @classmethod
    def plain(cls) -> Self:
        """Return no heads: what an untrained encoder has."""
        return cls([], np.zeros((0, ITEM_DIMENSIONS), np.float32), np.zeros(0, np.float32))

    def __contains__(self, task: Task) -> bool:
        return task in self._row

    def queries(self, task: Task, users: FloatArray) -> FloatArray:
        """Return (B, d) float32: users (B, d) as queries over the item matrix, at unit length for a top-k."""
        row = self._row.get(task)
        return users if row is None else normalise(users * self.weights[row])

    def probabilities(self, task: Task, users: FloatArray, items: FloatArray) -> FloatArray:
        """Return (B,) float32 in 0..1 for pairs of users (B, d) and items (B, d); 0.5 without a head or a vector."""
        row = self._row.get(task)
        if row is None:
            return np.full(len(users), 0.5, np.float32)
        logits = np.einsum("bd,bd,d->b", users, items, self.weights[row]) + self.biases[row]
        known = users.any(axis=1) & items.any(axis=1)
        found: FloatArray = np.where(known, 1 / (1 + np.exp(-np.clip(logits, -60, 60))), 0.5).astype(np.float32)
        return found

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load heads. Raises EncoderError when they are damaged."""
        tensors, card = read_weights(path, HeadsCard, FORMAT)
        tasks = len(card.tasks)
        check_shapes(path, tensors, {"weights": (tasks, ITEM_DIMENSIONS), "biases": (tasks,)})
        return cls(card.tasks, tensors["weights"], tensors["biases"], card.revision)


def save_heads(path: Path, heads: Heads, card: HeadsCard) -> str:
    """Write heads and their card, as :meth:`Heads.load` reads them; return their revision."""
    card = msgspec.structs.replace(card, tasks=heads.tasks)
    return write_weights(path, {"weights": heads.weights, "biases": heads.biases}, card)


def interest_scores(users: FloatArray, categories: FloatArray) -> FloatArray:
    """Return (B, C) float32 cosines of users (B, d) and categories (C, d); 0 where either is the zero vector."""
    scores: FloatArray = normalise(users) @ normalise(categories).T
    return scores
