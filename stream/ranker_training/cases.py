"""What is recorded of a log: features of the candidates before each interaction, and which of them was taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream.evaluation.interactions import BoolArray, FloatArray, IntArray


@dataclass
class Cases:
    """Candidates of cases in which one was taken. values: (m, f) in [0, 1] and hits: (m,), one pair per case."""

    values: list[FloatArray] = field(default_factory=list)
    hits: list[BoolArray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def add(self, rows: IntArray, values: np.ndarray, targets: Sequence[int]) -> None:
        """Keep a case, if any of its candidates was taken: others say nothing."""
        hits = np.isin(rows, targets)
        if hits.any():
            self.values.append(values.astype(np.float32))
            self.hits.append(hits)

    def best(self, weights: Sequence[float], most: int) -> "Cases":
        """Return of each case the ``most`` candidates that these weights put first; without cases that lose all taken.

        Of equals the first.
        """
        found, by = Cases(), np.asarray(weights, np.float32)
        for values, hits in zip(self.values, self.hits, strict=True):
            kept = np.argsort(-(values @ by), kind="stable")[:most]
            if hits[kept].any():
                found.values.append(values[kept])
                found.hits.append(hits[kept])
        return found

    def table(self, most: int, seed: int) -> tuple[IntArray, FloatArray, BoolArray]:
        """Return (rows, values, hits) of at most ``most`` cases, drawn by lot where there are more; rows by case."""
        chosen = np.arange(len(self))
        if len(chosen) > most:
            chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
        if not len(chosen):
            return np.empty(0, np.int64), np.empty((0, 0), np.float32), np.empty(0, np.bool_)
        rows = np.repeat(np.arange(len(chosen)), [len(self.hits[case]) for case in chosen])
        return rows, np.concatenate([self.values[c] for c in chosen]), np.concatenate([self.hits[c] for c in chosen])


@dataclass
class Ranks:
    """Of each judged case the place of what was taken in each contender's list, from 1; 0 where it is not listed."""

    places: list[list[int]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places)

    def add(self, user_id: str, lists: Sequence[Sequence[str]], targets: Sequence[str]) -> None:
        """Judge one case of a user: each contender's list of item ids, and the items that were taken."""
        self.users.append(user_id)
        self.places.append([_first(items, targets) for items in lists])

    def gains(self) -> np.ndarray:
        """Return (cases, contenders) NDCG@10 of one target: 1 / log2(1 + place), 0 for none."""
        places = np.array(self.places, np.float64)
        found: np.ndarray = np.divide(1.0, np.log2(1.0 + places), out=np.zeros_like(places), where=places > 0)
        return found

    def figures(self, contender: int) -> dict[str, float]:
        """Return HR@10 and NDCG@10 of a contender, by its number."""
        hits = np.array(self.places)[:, contender] > 0
        return {"HR@10": float(hits.mean()), "NDCG@10": float(self.gains()[:, contender].mean())}

    def lead(self, one: int, other: int) -> tuple[float, float]:
        """Return by how much NDCG@10 of a contender exceeds another's on the same cases, and its standard error.

        A user's cases depend on each other, users do not: the error is that of a mean of clusters (Cameron and Miller,
        Journal of Human Resources 50(2), 2015, section II), infinite for one user.
        """
        differences = self.gains()[:, one] - self.gains()[:, other]
        mean = differences.mean()
        _, user = np.unique(self.users, return_inverse=True)
        sums = np.bincount(user, differences - mean)
        if len(sums) < 2:
            return float(mean), float("inf")
        spread = np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))
        return float(mean), float(spread / len(differences))


def _first(items: Sequence[str], targets: Sequence[str]) -> int:
    return next((place for place, item_id in enumerate(items[:10], start=1) if item_id in targets), 0)
