"""Is a faster number type good enough? Measured on real titles against float32, before anything is encoded with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.base import KIND_CODES, FloatArray, HistoryBatch, IntArray, TextEncoder
from encoders.items import ItemMatrix
from encoders.projection import ItemProjection
from encoders.user.decay import DecayUserEncoder

PROBE_TITLES = Path(__file__).parent / "data" / "probe-titles.txt"
"""512 titles of Online Retail (see data/minilm-projection.json for source and licence), one a line."""

MIN_COSINE = 0.999
MIN_OVERLAP = 0.98
LIST = 10
USERS = 500
VIEWS = 3


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near two encoders are: the least cosine over the titles, and the mean share of equal items in lists of 10."""

    cosine: float
    overlap: float

    @property
    def passes(self) -> bool:
        """Tell whether both limits are kept."""
        return self.cosine >= MIN_COSINE and self.overlap >= MIN_OVERLAP

    def __str__(self) -> str:
        return (
            f"cosine {self.cosine:.5f} (at least {MIN_COSINE}), "
            f"equal items in lists of {LIST} {self.overlap:.4f} (at least {MIN_OVERLAP})"
        )


def compare(reference: FloatArray, vectors: FloatArray, projection: ItemProjection) -> Fidelity:
    """Compare text vectors (n, D) of the same texts, and the lists that users get by them.

    Lists are the nearest items of 500 made-up users with three views each, through projection, user encoder and top-k.
    """
    cosine = float(np.einsum("nd,nd->n", reference, vectors).min())
    rows = np.random.default_rng(0).integers(0, len(reference), (USERS, VIEWS))
    lists = [_lists(each, rows, projection) for each in (reference, vectors)]
    overlap = np.mean([len(set(a) & set(b)) / LIST for a, b in zip(*(each.tolist() for each in lists), strict=True)])
    return Fidelity(cosine, float(overlap))


def measure(reference: TextEncoder, candidate: TextEncoder, projection: ItemProjection) -> Fidelity:
    """Compare two text encoders on the probe titles."""
    titles = PROBE_TITLES.read_text(encoding="utf-8").splitlines()
    return compare(reference.encode(titles), candidate.encode(titles), projection)


def _lists(vectors: FloatArray, rows: IntArray, projection: ItemProjection) -> IntArray:
    matrix = ItemMatrix(projection, capacity=len(vectors))
    matrix.set_rows(np.arange(len(vectors)), vectors)
    kinds = np.full(rows.shape, KIND_CODES["view"], np.int64)
    ages = np.tile(np.arange(VIEWS, 0, -1, dtype=np.float32) * 60, (len(rows), 1))
    _, nearest = matrix.topk(DecayUserEncoder(matrix).encode(HistoryBatch(rows, kinds, ages)), LIST)
    return nearest
