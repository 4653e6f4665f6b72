"""What the words of a title are, in languages that put no blanks between words as well.

There they are overlapping pairs of characters, as in Lucene's CJKAnalyzer: in retrieval about as good as words of a
dictionary (Nie & Ren, Information Processing & Management 35(4), 1999, of Chinese; Lee & Ahn, SIGIR 1996, of Korean),
without one to keep, and no name is too new for it.
"""

import re
from itertools import pairwise
from unicodedata import normalize

from graph.ranking.marks import MARKS, composed

_HAN = "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_KANA = (
    "\u3031-\u3035\u303c\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    "\U0001aff0-\U0001b16f"
)
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uffa0-\uffdc"
_MYANMAR = (
    "\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e"
    "\ua9e0-\ua9e4\ua9e6-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a\uaa7e\uaa7f"
)
_MYANMAR_MARKS = (
    "\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f"
    "\u109a-\u109d\ua9e5\uaa7b-\uaa7d"
)
_SCRIPTS = (
    (_HAN + _KANA, "\u3099\u309a"),
    (_HANGUL, ""),
    ("\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46", "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"),  # Thai
    ("\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf", "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"),  # Lao
    ("\u1780-\u17b3\u17d7\u17dc", "\u17b4-\u17d3\u17dd"),  # Khmer
    (_MYANMAR, _MYANMAR_MARKS),
)
"""Letters and marks of each, as ranges of a pattern. Digits are not among them: a number stays whole. Korean does have
blanks, but particles and further nouns stick to a word, and writers differ in where they put them."""

_STACKING = "\u1039\u17d2"
"""Marks that put the next letter below the one before."""

_LETTERS, _MARKS = ("".join(part) for part in zip(*_SCRIPTS, strict=True))
_UNSPACED = re.compile(f"[{_LETTERS}{_MARKS}]")
_CHARACTER = re.compile(f"[{_LETTERS}](?:[{_STACKING}][{_LETTERS}]|[{_MARKS}])*")
_WORD = re.compile(r"[^\W_]+")
_MARKED_WORD = re.compile(rf"[^\W_]+(?:[{MARKS}]+[^\W_]*)*")
_OTHER = rf"[^\W_{_LETTERS}{_MARKS}]"
_RUN_OR_WORD = re.compile(
    "|".join([*(f"[{letters}{marks}]+" for letters, marks in _SCRIPTS), f"{_OTHER}+(?:[{MARKS}]+{_OTHER}*)*"])
)


def title_words(title: str) -> list[str]:
    """Return the words of a title without case; signs and blanks separate, marks belong to the letter before them.

    Letters with marks are composed where there is one character for both (NFC).
    Of Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese: every two characters that stand side by side; a lone
    one is itself. A character is a letter with its marks, in compatibility composition (NFKC).

    >>> title_words("Tea-mug, RED")
    ['tea', 'mug', 'red']
    >>> title_words("USB充電コード 3m")
    ['usb', '充電', '電コ', 'コー', 'ード', '3m']
    >>> title_words("हिन्दी चाय")
    ['हिन्दी', 'चाय']
    """
    folded = title.casefold()
    if folded.isascii():
        return _WORD.findall(folded)
    folded = composed(folded)
    if not _UNSPACED.search(folded):
        return _MARKED_WORD.findall(folded)
    words: list[str] = []
    for part in _RUN_OR_WORD.findall(folded):
        words += _pairs(part) if _UNSPACED.match(part) else [part]
    return words


def _pairs(run: str) -> list[str]:
    characters = _CHARACTER.findall(normalize("NFKC", run))
    return ["".join(pair) for pair in pairwise(characters)] or characters
