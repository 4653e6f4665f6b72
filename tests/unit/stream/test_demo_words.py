import pytest

from stream.demo.words import in_words, leaf, readable, strongest
from stream.recommendations import Reason

TITLES = {"a": "Lantern", "b": "Candle"}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            Reason("BOUGHT_NEXT", 0.4, ("u", "Home > Lanterns", "Home > Candles", "b"), 312, 8.2),
            "312 shoppers went from Lanterns to Candles",
        ),
        (
            Reason("VIEWED_NEXT", 0.4, ("u", "Home > Lanterns", "Home > Candles", "b"), 1, 8.2),
            "1 shopper looked from Lanterns to Candles",
        ),
        (Reason("VIEWED_NEXT", 0.4, ("u", "a", "b"), 7), "7 shoppers moved on to it from Lantern"),
        (Reason("BOUGHT_NEXT", 0.4, ("u", "b")), "goes with what this shopper is interested in"),
        (Reason("VIEWED_NEXT", 0.4, ("u", "b")), "goes with what this shopper is interested in"),
        (Reason("ITEM_BOUGHT_NEXT", 0.4, ("u", "a", "b"), 1_234), "1,234 shoppers bought it after Lantern"),
        (Reason("ITEM_VIEWED_NEXT", 0.4, ("u", "a", "b"), 2), "2 shoppers moved on to it from Lantern"),
        (Reason("PRICE", 0.4, ("u", "a", "b")), "a step up from Lantern"),
        (Reason("PRICE", 0.4, ("u", "b")), "a step up in price"),
        (Reason("EMBEDDING", 0.4, ("u", "b")), "near to what this shopper likes"),
        (Reason("EMBEDDING", 0.4, ("u", "a", "b")), "near to Lantern"),
        (Reason("LIKENESS", 0.4, ("u", "a", "b")), "alike to Lantern"),
        (Reason("LIKENESS", 0.4, ("u", "b")), "alike to what this shopper took lately"),
        (Reason("WORDS", 0.4, ("u", "a", "b")), "called like Lantern"),
        (Reason("WORDS", 0.4, ("u", "b")), "called like what this shopper took last"),
        (Reason("BOUGHT_BEFORE", 0.4, ("u", "b")), "bought before"),
        (Reason("POPULAR", 0.4, ("u", "b")), "popular in the shop now"),
        (Reason("SOME_NEW_FEATURE", 0.4, ("u", "b")), "some new feature"),
    ],
)
def test_every_reason_is_said_in_words(reason: Reason, words: str) -> None:
    assert in_words(reason, TITLES.__getitem__) == words


def test_the_strongest_reason_is_the_one_that_adds_most() -> None:
    weak, strong = Reason("POPULAR", 0.1, ("u", "b")), Reason("EMBEDDING", 0.3, ("u", "b"))
    assert strongest((weak, strong)) is strong
    assert strongest(()) is None


def test_capitals_are_lowered_only_where_there_is_nothing_else() -> None:
    assert readable("SET OF 10 LED DOLLY LIGHTS") == "Set of 10 led dolly lights"
    assert readable("Dotcomgiftshop Gift Voucher £20.00") == "Dotcomgiftshop Gift Voucher £20.00"


def test_a_category_is_called_by_its_last_label() -> None:
    assert leaf("Derived > Candle") == "Candle"
    assert leaf(None) == "no category"
