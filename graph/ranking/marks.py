"""Marks, the characters that sit on a letter and belong to it: accents, vowel signs, points of Hebrew and Arabic."""

import re
from collections.abc import Iterable
from unicodedata import category, is_normalized, normalize

_BLOCKS = (
    range(0x0300, 0x1400),
    range(0x1700, 0x1E00),
    range(0x2000, 0x2100),
    range(0x2C00, 0x3100),
    range(0xA600, 0xAC00),
    range(0xFB00, 0xFF00),
    range(0x10100, 0x10400),
    range(0x10A00, 0x12000),
    range(0x16100, 0x17000),
    range(0x1BC00, 0x1BD00),
    range(0x1CF00, 0x1D300),
    range(0x1DA00, 0x1DB00),
    range(0x1E000, 0x1EA00),
)
"""Where marks are, and other characters: looking through all of Unicode takes a tenth of a second."""

_KINDS = "Mn", "Mc"

_SELECTORS = "\u034f\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""Marks that nobody sees: they choose one of a character's forms, or hold marks apart."""

_JOINERS = "\u200c\u200d"


def _as_ranges(codes: Iterable[int]) -> str:
    ranges: list[tuple[int, int]] = []
    for code in codes:
        start = ranges.pop()[0] if ranges and ranges[-1][1] == code - 1 else code
        ranges.append((start, code))
    return "".join(f"{chr(start)}-{chr(stop)}" for start, stop in ranges)


_SELECTOR = re.compile(f"[{_SELECTORS}]")
_UNSEEN = re.compile(f"[{_SELECTORS}{_JOINERS}]")

MARKS = _as_ranges(
    code
    for block in _BLOCKS
    for code in block
    if category(character := chr(code)) in _KINDS and not _SELECTOR.match(character)
)
"""All of categories Mn and Mc but selectors of forms, as ranges of a pattern."""


def composed(text: str) -> str:
    """Return a text in canonical composition (NFC), without what only chooses the form of a letter with marks.

    Selectors do that, and joiners beside a mark, which some write and others do not; elsewhere joiners stay.

    >>> composed("cafe\u0301") == "caf\u00e9"
    True
    """
    seen = _UNSEEN.sub(_unless_unseen, text) if _UNSEEN.search(text) else text
    return seen if is_normalized("NFC", seen) else normalize("NFC", seen)


def _unless_unseen(found: re.Match[str]) -> str:
    beside = found.string[max(found.start() - 1, 0) : found.end() + 1]
    return "" if any(category(character) in _KINDS for character in beside) else found[0]
