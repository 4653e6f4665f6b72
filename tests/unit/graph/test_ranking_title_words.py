import re
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np
import pytest

from graph.model import ItemRow
from graph.ranking.items import ItemIndex
from graph.ranking.title_words import title_words
from tests.unit.titles_without_blanks import SHOPS_AND_PAIRS

LETTERS = {  # one of each script without blanks, by how the names of its letters begin
    "CJK UNIFIED IDEOGRAPH": "字",
    "CJK COMPATIBILITY IDEOGRAPH": "字",
    "IDEOGRAPHIC": "字",
    "HIRAGANA": "か",
    "KATAKANA": "カ",
    "HALFWIDTH KATAKANA": "カ",
    "HANGUL": "각",
    "HALFWIDTH HANGUL": "각",
    "THAI": "ก",
    "LAO": "ກ",
    "KHMER": "ក",
    "MYANMAR": "က",
}
STACKING = "\u1039\u17d2"
NAMED_OTHERWISE = "HENTAIGANA", "HANGZHOU", "VERTICAL", "MASU", "COMBINING KATAKANA"
TONE_MARKS = "\u302a\u302b\u302c\u302d\u302e\u302f"
SELECTORS = re.compile("COMBINING GRAPHEME JOINER|MONGOLIAN FREE VARIATION SELECTOR|VARIATION SELECTOR")
EVERY_CHARACTER = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(character) not in ("Cn", "Cs")
]


def former_words(title: str) -> list[str]:
    """Every run of letters and digits."""
    return re.findall(r"[^\W_]+", title.casefold())


def script_letter(character: str) -> str | None:
    """Return a letter of the same script, if that is one without blanks."""
    name = unicodedata.name(character, "")
    if unicodedata.category(character)[0] not in "LM" or character in TONE_MARKS:
        return None
    return next((letter for start, letter in LETTERS.items() if name.startswith(start)), None)


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("USB充電ケーブル", ["usb", "充電", "電ケ", "ケー", "ーブ", "ブル"]),
        ("3人用テント（2024年）", ["3", "人用", "用テ", "テン", "ント", "2024", "年"]),
        ("傘 L", ["傘", "l"]),
        ("ﾏｸﾞｶｯﾌﾟ", ["マグ", "グカ", "カッ", "ップ"]),
        ("カ\u3099ム", ["ガム"]),
        ("머그컵 빨강", ["머그", "그컵", "빨강"]),
        ("한국abc", ["한국", "abc"]),
        ("แก้วน้ำ ๒๕๐ มล", ["แก้", "ก้ว", "วน้ํ", "น้ํา", "๒๕๐", "มล"]),
        ("ຈອກກາເຟ", ["ຈອ", "ອກ", "ກກ", "ກາ", "າເ", "ເຟ"]),
        ("កាហ្វេ", ["កាហ្វេ"]),
        ("ကော်ဖီခွက်", ["ကော်ဖီ", "ဖီခွ", "ခွက်"]),
        ("ผ้า\u200bไหม", ["ผ้า", "ไห", "หม"]),
        ("茶ชา", ["茶", "ชา"]),
        ("\u0e48", []),
    ],
)
def test_words_without_blanks_are_pairs_of_characters(title: str, words: list[str]) -> None:
    assert title_words(title) == words


def of_other_scripts() -> list[str]:
    """Return every other assigned character, digits of those scripts too."""
    own = re.compile("|".join([*LETTERS, *NAMED_OTHERWISE]))
    return [
        character
        for character in EVERY_CHARACTER
        if not (
            (unicodedata.category(character)[0] in "LM" or unicodedata.category(character) == "Nl")
            and own.match(unicodedata.name(character, ""))
        )
    ]


def is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Mc")


def among_letters(characters: Sequence[str]) -> str:
    """Return a text that has each between letters and by itself."""
    return " ".join(f"a{character}B {character} {character}{character}7_" for character in characters)


def test_titles_without_marks_in_other_scripts_have_the_words_that_they_had() -> None:
    characters = [c for c in of_other_scripts() if not any(map(is_mark, c.casefold()))]
    text_ = among_letters([c for c in characters if unicodedata.is_normalized("NFC", c.casefold())])
    assert title_words(text_) == former_words(text_)
    assert title_words(f"茶 {text_} 茶") == ["茶", *former_words(text_), "茶"]
    twofold = among_letters([c for c in characters if not unicodedata.is_normalized("NFC", c.casefold())])
    assert title_words(twofold) == [unicodedata.normalize("NFC", word) for word in former_words(twofold)]


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("हिन्दी चाय, 350 मिली", ["हिन्दी", "चाय", "350", "मिली"]),
        ("தேநீர் கோப்பை", ["தேநீர்", "கோப்பை"]),
        ("চায়ের কাপ", [unicodedata.normalize("NFC", "চায়ের"), "কাপ"]),
        ("ශ්\u200dරී ලංකා", ["ශ්රී", "ලංකා"]),
        ("র\u200d্যাম", ["র্যাম"]),
        ("قَهْوَة، كُوب", ["قَهْوَة", "كُوب"]),
        ("סֵפֶר־יֶלֶד", ["סֵפֶר", "יֶלֶד"]),
        ("cafe\u0301 AU LAIT", ["caf\u00e9", "au", "lait"]),
        ("İstanbul", ["i\u0307stanbul"]),
        ("\u0301tea_\u0301mug \u0301 -\u0301", ["tea", "mug"]),
        ("1\ufe0f\u20e3 ❤\ufe0f tea\ufe0fmug", ["1", "teamug"]),
        ("葛\U000e0100城 茶", ["葛城", "茶"]),
        ("می\u200cخواهم", ["می", "خواهم"]),
        ("茶 हिन्दी café", ["茶", "हिन्दी", "café"]),
    ],
)
def test_a_letter_with_marks_stays_in_its_word(title: str, words: list[str]) -> None:
    assert title_words(title) == words


def test_no_mark_of_any_script_cuts_a_word() -> None:
    own = re.compile("|".join([*LETTERS, *NAMED_OTHERWISE]))
    marks = [c for c in EVERY_CHARACTER if is_mark(c) and not own.match(unicodedata.name(c))]
    assert len(marks) > 2000
    for mark in marks:
        kept = "" if SELECTORS.match(unicodedata.name(mark)) else mark
        word = unicodedata.normalize("NFC", f"ab{kept}cd".casefold())
        assert title_words(f"ab{mark}cd {mark} x") == [word, *title_words(kept), "x"], f"U+{ord(mark):04X}"
        assert title_words(f"茶 ab{mark}cd") == ["茶", word]


def test_letters_composed_and_decomposed_are_the_same_words() -> None:
    different = [
        f"U+{ord(character):04X}"
        for character in EVERY_CHARACTER
        if not unicodedata.is_normalized("NFD", character)
        and title_words(f"a {character}b") != title_words(unicodedata.normalize("NFD", f"a {character}b"))
    ]
    assert different == []


def test_every_letter_and_mark_of_these_scripts_is_a_character_or_part_of_one() -> None:
    wrong = []
    for character in map(chr, range(sys.maxunicode + 1)):
        letter = script_letter(character)
        if letter is None or character in STACKING:
            continue
        words = title_words(f"{letter}{character}{letter}{letter}")
        if words[-1] != letter * 2 or letter in words:
            wrong.append(f"U+{ord(character):04X}")
    assert wrong == []


@pytest.mark.parametrize(("titles", "pairs"), SHOPS_AND_PAIRS)
def test_similar_titles_are_nearest_by_words(titles: tuple[str, ...], pairs: tuple[tuple[int, int], ...]) -> None:
    items = ItemIndex()
    for number, title in enumerate(titles):
        items.upsert(ItemRow(f"i{number}", title=title))
    ranks = np.arange(len(titles))
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            found = items.words.likeness(np.array([one]))
            assert found.nearest(found.rows != one, ranks, 1)[1].tolist() == [other]
