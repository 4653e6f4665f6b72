"""Items: the text that stands for one, and the matrix of all their vectors."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from encoders.base import ITEM_DIMENSIONS, FloatArray, IntArray
from encoders.deltas import ItemDeltas
from encoders.device import CPU, Device
from encoders.projection import ItemProjection, normalise

SLICE_USERS = 256
"""Users of one step of a top-k, whose candidates' vectors then stay in a CPU's cache."""

MAX_SCORES = 32_000_000
"""Scores held at once by a top-k, 128 MB: with a large catalogue the slices get smaller."""

SHORTLIST_MARGIN = 32
"""Items beyond k that are scored exactly: enough for all but a crowd of twins."""

ROUNDING = 1e-5
"""More than a float32 dot product of two unit vectors can be off: d·2^-24 = 4e-6."""

NO_ROW = -1


def item_text(title: str, brand: str | None = None, category: str | None = None) -> str:
    """Return the text that is encoded for an item: title, then brand and category path as far as known.

    Title first, because models cut at the end and weigh the beginning. A brand that the title already names is not
    said twice. Only a category that the shop gave belongs here, never a derived one: that is made from this text.

    >>> item_text("Red retrospot mug", "Emma", "Kitchen > Mugs")
    'Red retrospot mug, Emma, Kitchen, Mugs'
    """
    parts = [title]
    if brand and brand.casefold() not in title.casefold():
        parts.append(brand)
    parts.extend((category or "").split(">"))
    return ", ".join(part for part in (" ".join(part.split()) for part in parts) if part)


def text_hash(model: str, text: str) -> bytes:
    """Return 16 bytes (BLAKE2b) under which the vector that ``model`` gives ``text`` may be cached."""
    return blake2b(text.encode(), digest_size=16, key=blake2b(model.encode()).digest()).digest()


class ItemMatrix:
    """All item vectors, resident on the device, with a float32 mirror in numpy.

    Rows are numbered by the caller, from 0 and without large gaps; capacity doubles as they come. Vectors are float32
    on every device, so that the best items do not depend on the hardware. Belongs to one thread at a time.
    """

    def __init__(
        self,
        projection: ItemProjection,
        device: Device = CPU,
        capacity: int = 1024,
        deltas: ItemDeltas | None = None,
    ) -> None:
        """Make an empty matrix. ``deltas``: what was learned of items beyond their texts."""
        self.projection = projection
        self._deltas = deltas
        self._device = device
        self._rows = 0
        self._mirror: FloatArray = np.zeros((0, ITEM_DIMENSIONS), np.float32)
        self._present: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._categories: tuple[IntArray, int, FloatArray] | None = None
        self._allocate(max(capacity, 1))

    @property
    def vectors(self) -> FloatArray:
        """(n, d) float32, rows without a vector are zero. A read-only view: take it anew after rows were set."""
        view = self._mirror[: self._rows]
        view.flags.writeable = False
        return view

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) whether a row has a vector. A read-only view like :attr:`vectors`."""
        view = self._present[: self._rows]
        view.flags.writeable = False
        return view

    @property
    def resident(self) -> Tensor:
        """(capacity, d) float32 on the device; rows beyond n are zero."""
        return self._resident

    def set_rows(self, rows: IntArray, text_vectors: FloatArray, deltas: FloatArray | None = None) -> None:
        """Project text vectors (n, D), with what was learned beyond them (n, d) or None, into ``rows`` (n,)."""
        if not len(rows):
            return
        if rows.min() < 0:
            raise IndexError(f"row {rows.min()} is negative")
        self._put(rows, self.projection.project(text_vectors, deltas))

    def set_items(self, ids: Sequence[str], rows: IntArray, text_vectors: FloatArray) -> None:
        """Like :meth:`set_rows`, with what was learned of the items of these ids beyond their texts (n, D)."""
        self.set_rows(rows, text_vectors, None if self._deltas is None else self._deltas.of(ids))

    def clear_row(self, row: int) -> None:
        """Take a row's vector away. Nothing happens when it has none."""
        if row < self._rows:
            self._put(np.array([row]), np.zeros((1, ITEM_DIMENSIONS), np.float32))

    @torch.inference_mode()
    def topk(self, users: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
        """Return the ``k`` items nearest to each user, exactly: scores (B, k) float32 and rows (B, k) int64.

        Best first, ties by row. Rows without a vector never appear; where items run out, or the user's vector is
        zero, the score is -inf and the row -1.
        """
        scores = np.full((len(users), k), -np.inf, np.float32)
        rows = np.full((len(users), k), NO_ROW, np.int64)
        known = np.flatnonzero(users.any(axis=1))
        found = min(k, int(self.present.sum()))
        if not found:
            return scores, rows
        absent = torch.from_numpy(~self._present[: self._rows]).to(self._device.torch_device)
        queries = torch.from_numpy(np.ascontiguousarray(users[known])).to(self._device.torch_device)
        step = max(1, min(SLICE_USERS, MAX_SCORES // self._rows))
        for start in range(0, len(known), step):
            best, where = _exact_topk(queries[start : start + step], self._resident[: self._rows], absent, found)
            scores[known[start : start + step], :found] = best.cpu().numpy()
            rows[known[start : start + step], :found] = where.cpu().numpy()
        return scores, rows

    def category_vectors(self, category_of_row: IntArray, n_categories: int) -> FloatArray:
        """Return (n_categories, d) float32: the mean item vector of each category, at unit length.

        category_of_row: -1 for none, and rows beyond its end have none. A category without any vector is zero. It
        is read-only, and the same until a row or a category changes: most batches change none.
        """
        if self._categories is not None:
            codes, size, found = self._categories
            if size == n_categories and np.array_equal(codes, category_of_row):
                return found
        rows = min(self._rows, len(category_of_row))
        members = np.flatnonzero(self._present[:rows] & (category_of_row[:rows] >= 0))
        ones = np.ones(len(members), np.float32)
        sums = csr_array((ones, (category_of_row[members], members)), shape=(n_categories, self._rows)) @ self.vectors
        means = normalise(sums)
        means.flags.writeable = False
        self._categories = category_of_row.copy(), n_categories, means
        return means

    def _put(self, rows: IntArray, vectors: FloatArray) -> None:
        self._categories = None
        needed = int(rows.max()) + 1
        if needed > len(self._mirror):
            self._allocate(max(needed, 2 * len(self._mirror)))
        self._rows = max(self._rows, needed)
        self._mirror[rows] = vectors
        self._present[rows] = vectors.any(axis=1)
        if self._device.torch_device.type != "cpu":
            self._resident[torch.from_numpy(rows)] = torch.from_numpy(vectors).to(self._device.torch_device)

    def _allocate(self, capacity: int) -> None:
        more = capacity - len(self._mirror)
        self._mirror = np.pad(self._mirror, ((0, more), (0, 0)))
        self._present = np.pad(self._present, (0, more))
        # On the CPU both are one memory.
        self._resident = torch.from_numpy(self._mirror).to(self._device.torch_device)


def _exact_topk(queries: Tensor, vectors: Tensor, absent: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return scores (B, k) float32 and positions (B, k), best first, ties by position.

    queries: (B, d); vectors: (n, d); absent: (n,) bool, at least k are False. A matrix product rounds differently at
    different places of the matrix and for different batches, so that equal items would get unequal scores. It only
    draws the shortlist, with a margin for its error; the shortlist is then scored in float64.
    """
    rough = (queries @ vectors.T).masked_fill_(absent, -torch.inf)
    best, where = rough.topk(min(k + SHORTLIST_MARGIN, len(vectors)), dim=1)
    floor = best[:, k - 1] - ROUNDING * queries.norm(dim=1)
    scores, rows = _rescored(queries, vectors, absent, where, k)
    if best.shape[1] < len(vectors):
        # More near ties than the margin holds: all of them compete.
        for user in torch.nonzero(best[:, -1] >= floor).flatten().tolist():
            tied = torch.nonzero(rough[user] >= floor[user]).T
            scores[user], rows[user] = _rescored(queries[user : user + 1], vectors, absent, tied, k)
    return scores, rows


def _rescored(queries: Tensor, vectors: Tensor, absent: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    rows = rows.sort(dim=1).values
    exact = torch.einsum("bd,bmd->bm", queries.double(), vectors[rows].double()).float()
    scores, order = exact.masked_fill_(absent[rows], -torch.inf).sort(dim=1, descending=True, stable=True)
    return scores[:, :k], rows.gather(1, order)[:, :k]
