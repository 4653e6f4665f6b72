"""A text encoder without weights: hashed words and character n-grams under a fixed random projection.

Spelling, not meaning: "mug" is near "mugs" and "tea mug", and no nearer to "cup" than to "lantern". It stands in for
the language model in tests, in air-gapped trials and wherever a start within milliseconds counts for more.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from encoders.base import ITEM_DIMENSIONS, FloatArray, IntArray

NGRAM_LENGTHS = (3, 4)
"""Of words between boundary marks; the whole word is one feature more."""

CACHED_WORDS = 65_536
VERSION = 1
"""Part of the model's name; grows with any change of the features, because cached vectors then no longer compare."""


class HashingTextEncoder:
    """Sum of one random sign vector per feature, bit for bit the same in every process and on every machine.

    The bits of a feature's keyed BLAKE2b digest *are* its row of the projection: a Rademacher matrix that is never
    stored (Achlioptas, J. Comput. Syst. Sci. 66, 2003). D equals the item dimensions, 64: more would only be projected
    down again, and no projection fitted for a language model can be applied by mistake.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._word_sum = lru_cache(CACHED_WORDS)(self._uncached_word_sum)

    @property
    def model(self) -> str:
        """``hashing/`` with version and seed."""
        return f"hashing/{VERSION}-{self._seed}"

    @property
    def dimensions(self) -> int:
        """64."""
        return ITEM_DIMENSIONS

    @property
    def unknown_share(self) -> float:
        """0: every text is made of letters."""
        return 0.0

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return (len(texts), 64) float32, each row of unit length."""
        if not texts:
            return np.zeros((0, ITEM_DIMENSIONS), np.float32)
        sums = np.stack([self._text_sum(text) for text in texts])
        # Signs can cancel out (the sums are integers); such a text, however odd, still gets a unit vector.
        sums[~sums.any(axis=1), 0] = 1
        unit: FloatArray = (sums / np.sqrt(np.square(sums).sum(axis=1, keepdims=True))).astype(np.float32)
        return unit

    def _text_sum(self, text: str) -> IntArray:
        words = normal_words(text) or [""]
        total: IntArray = np.sum([self._word_sum(word) for word in words], axis=0, dtype=np.int64)
        return total

    def _uncached_word_sum(self, word: str) -> IntArray:
        features = [f"={word}", *ngrams(word)]
        key = b"interestream:%d:%d" % (VERSION, self._seed)
        digests = b"".join(blake2b(f.encode(), digest_size=ITEM_DIMENSIONS // 8, key=key).digest() for f in features)
        bits = np.unpackbits(np.frombuffer(digests, np.uint8)).reshape(-1, ITEM_DIMENSIONS)
        signs: IntArray = 2 * bits.sum(axis=0, dtype=np.int64) - len(bits)
        return signs


def normal_words(text: str) -> list[str]:
    """Return the words of a text, compatibility-normalised and without case.

    >>> normal_words("Set/6  TEA-Cups")
    ['set', '6', 'tea', 'cups']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter if letter.isalnum() else " " for letter in folded).split()


def ngrams(word: str) -> Iterator[str]:
    """Yield the character n-grams of a word between boundary marks.

    >>> list(ngrams("mug"))
    ['<mu', 'mug', 'ug>', '<mug', 'mug>']
    """
    marked = f"<{word}>"
    for length in NGRAM_LENGTHS:
        for start in range(len(marked) - length + 1):
            yield marked[start : start + length]
