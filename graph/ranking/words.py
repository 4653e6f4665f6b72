"""The words of every item, and how alike two items are by them: what vectors of meaning blur, names and brands.

TF-IDF vectors and their cosine (Salton & Buckley, Information Processing & Management 24(5), 1988), with logarithmic
term frequencies. Only the rows of the latest items are compared with the shop, so nothing is kept per pair.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from graph.model import ItemRow
from graph.ranking.codes import Codes, IntArray
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, ranges
from graph.ranking.title_words import title_words
from graph.ranking.word_counts import NO_COUNTS, Entries

COMMON_SHARE, FEW_ITEMS, MANY_ITEMS = 0.1, 20, 2000
"""A word that more than this share of the items have tells too few apart to be worth comparing; one of a few items is
never too common, one of many always: each is a pair to add up, for every user."""

MOST_WORDS = 64
"""Of one item, brand and category before the title: whoever writes the catalogue chooses how long titles are."""

_NO_PAIRS = np.empty(0, dtype=np.int64)


def words_of(row: ItemRow) -> list[str]:
    """Return the brand as a whole, each label of a category that was given, and the words of the title; without case.

    A derived category is made from the title: it says nothing more.

    >>> words_of(ItemRow("m1", title="Red mug, red!", brand="Emma", category="Kitchen > Mugs"))
    ['brand emma', 'category kitchen', 'category mugs', 'red', 'mug', 'red']
    """
    labels = (row.category or "").split(">") if not row.derived else []
    names = [("brand", row.brand or ""), *(("category", label) for label in labels)]
    words = [f"{what} {' '.join(name.casefold().split())}" for what, name in names if name.strip()]
    return (words + title_words(row.title))[:MOST_WORDS]


class ItemWords:
    """The words of the catalogue's items by row number. ``version`` grows when any item's words change.

    The same items in any order of arrival are alike to the same bit: an item's words are kept in the order of the
    alphabet, which is the order in which their products are added up.
    """

    def __init__(self) -> None:
        self.version = 0
        self._words = Codes()
        self._rows = 0
        self._counts = NO_COUNTS
        self._changed: dict[int, Entries] = {}
        self._kept: tuple[int, csr_array, csr_array, csr_array] | None = None

    def put(self, row: int, words: Sequence[str]) -> None:
        """Take an item's words in place of its former ones; none are those of an item that is gone."""
        self._rows = max(self._rows, row + 1)
        counts = sorted(Counter(words).items())
        codes = np.array([self._words.add(word) for word, _ in counts], dtype=np.int32)
        frequencies = np.array([1.0 + math.log(times) for _, times in counts])
        former = self._changed.get(row) or self._counts.of(row)
        same = len(codes) == len(former[0]) and (codes == former[0]).all() and (frequencies == former[1]).all()
        if not same:
            self._changed[row] = codes, frequencies
            self.version += 1

    def likeness(self, rows: IntArray) -> "WordLikeness":
        """Return how alike every item is to each of ``rows``, (m,); a negative row is like nothing."""
        vectors, postings, _ = self._vectors()
        known = np.flatnonzero((rows >= 0) & (rows < vectors.shape[0]))
        found = vectors[rows[known]] @ postings
        found.sort_indices()
        owners = np.repeat(known, np.diff(found.indptr))
        return WordLikeness(owners, found.indices.astype(np.int64), found.data, vectors.shape[0])

    def cosines(self, rows: IntArray, others: IntArray) -> FloatArray:
        """Return the cosine of each pair of rows, (m,); a negative row is like nothing."""
        vectors, _, by_code = self._vectors()
        known = np.flatnonzero((np.minimum(rows, others) >= 0) & (np.maximum(rows, others) < vectors.shape[0]))
        cosines = np.zeros(len(rows))
        cosines[known] = np.minimum(_products(vectors, by_code, rows[known], others[known]), 1.0)
        return cosines

    def _vectors(self) -> tuple[csr_array, csr_array, csr_array]:
        """Return (n, words) vectors of length 1 or 0, the same by word, and with each item's words by their codes."""
        if self._kept is None or self._kept[0] != self.version:
            self._counts = self._counts.mended(self._changed, self._rows)
            self._changed = {}
            vectors = self._weighed()
            postings = vectors.T.tocsr()
            self._kept = self.version, vectors, postings, postings.T.tocsr()
        return self._kept[1:]

    def _weighed(self) -> csr_array:
        """What a word tells depends on all items, so all are weighed, at about 20 ns per entry."""
        counts, sizes = self._counts, np.diff(self._counts.starts)
        items, holders = np.count_nonzero(sizes), np.bincount(counts.codes, minlength=len(self._words))
        most = max(FEW_ITEMS, min(COMMON_SHARE * items, MANY_ITEMS))
        rarities = np.where(holders <= most, np.log((1 + items) / (1 + holders)) + 1.0, 0.0)
        weights = rarities[counts.codes] * counts.frequencies
        rows = np.repeat(np.arange(len(sizes)), sizes)
        lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(sizes)))
        weights /= np.where(lengths > 0.0, lengths, 1.0)[rows]
        # Copied: what says nothing is dropped in place.
        vectors = csr_array((weights, counts.codes, counts.starts), shape=(len(sizes), len(self._words)), copy=True)
        vectors.eliminate_zeros()
        return vectors


def _products(vectors: csr_array, by_code: csr_array, rows: IntArray, others: IntArray) -> FloatArray:
    """Return (m,) the inner product of each pair of rows, added up in the order of the others' words.

    by_code: the vectors with each row's words in the order of their codes. For the few pairs of one user this takes a
    fifth of what slices of sparse matrices and their product take, for thousands nearly twice as much.
    """
    starts, lengths = vectors.indptr.astype(np.int64), np.diff(vectors.indptr)
    mine, owners = ranges(starts[rows], lengths[rows])
    theirs, pairs = ranges(starts[others], lengths[others])
    if not len(mine):
        return np.zeros(len(rows))
    width = vectors.shape[1]
    keys, wanted = owners * width + by_code.indices[mine], pairs * width + vectors.indices[theirs]
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    shared = np.flatnonzero(keys[places] == wanted)
    products = by_code.data[mine[places[shared]]] * vectors.data[theirs[shared]]
    return np.bincount(pairs[shared], weights=products, minlength=len(rows)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class WordLikeness:
    """Pairs of a place in what was asked for and an item's row, by both, with their cosines in (0, 1]."""

    owners: IntArray
    rows: IntArray
    cosines: FloatArray
    items: int

    def of(self, owners: IntArray, rows: IntArray) -> FloatArray:
        """Return the cosine of each (place, row), 0 where no word is shared."""
        if not len(self.rows):
            return np.zeros(len(rows))
        keys = self.owners * self.items + self.rows
        wanted = owners * self.items + rows
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = (keys[places] == wanted) & (rows < self.items)
        return np.where(there, np.minimum(self.cosines[places], 1.0), 0.0)

    def nearest(self, chosen: BoolArray, ranks: IntArray, most: int) -> tuple[IntArray, IntArray]:
        """Return (places, rows): of the pairs that are ``chosen`` each place's ``most`` nearest rows, ties by rank."""
        pairs = np.flatnonzero(chosen)
        starts = group_starts(self.owners[pairs])
        near = [self._nearest(part, ranks, most) for part in np.split(pairs, starts[1:])]
        kept = np.concatenate([_NO_PAIRS, *near])
        return self.owners[kept], self.rows[kept]

    def _nearest(self, pairs: IntArray, ranks: IntArray, most: int) -> IntArray:
        near = self.cosines[pairs]
        if len(pairs) > most:
            enough = np.flatnonzero(near >= np.partition(near, -most)[-most])
            pairs, near = pairs[enough], near[enough]
        return pairs[np.lexsort((ranks[self.rows[pairs]], -near))[:most]]
