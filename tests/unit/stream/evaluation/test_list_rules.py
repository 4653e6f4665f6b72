"""The definitions of cross-sell and up-sell, each broken once."""

from typing import Any

import msgspec
import pytest

from graph.settings import ListSettings
from stream.evaluation.list_rules import broken_rules
from stream.recommendations import CrossSellItem, NextVisit, Position, Reason, Recommendation, UpSellItem

CATEGORIES = {"lantern": "Home > Lanterns", "candle": "Home > Candles", "big candle": "Home > Candles"}
DAY_MS = 86_400_000


def cross_sell(
    item_id: str = "candle", path: tuple[str, ...] = ("u", "Home > Lanterns", "Home > Candles", "candle")
) -> Any:
    return CrossSellItem(item_id, CATEGORIES[item_id], 0.5, (Reason("BOUGHT_NEXT", 0.5, path),))


def up_sell(price: float = 9.0, anchor: str = "candle") -> Any:
    return UpSellItem("big candle", "Home > Candles", 0.5, price, anchor, 5.0, ())


def published(*cross: CrossSellItem, up: tuple[UpSellItem, ...] = ()) -> Recommendation:
    return Recommendation("u", 1, "", "", Position("t", 0, 0), "m", "r", cross, up)


def broken(lists: Recommendation, bought: dict[str, int] | None = None) -> list[str]:
    return list(broken_rules(lists, CATEGORIES.get, bought or {}, ListSettings(), 100 * DAY_MS))


def test_good_lists_break_nothing() -> None:
    assert broken(published(cross_sell(), up=(up_sell(),)), {"candle": 60 * DAY_MS}) == []


@pytest.mark.parametrize("price", [5.25, 12.5])
def test_both_ends_of_the_price_band_are_within(price: float) -> None:
    assert broken(published(up=(up_sell(price=price),))) == []


def test_a_transition_from_an_item_of_another_category_is_good() -> None:
    assert broken(published(cross_sell(path=("u", "lantern", "candle")))) == []


@pytest.mark.parametrize(
    ("lists", "bought", "told"),
    [
        (published(cross_sell(path=("u", "Home > Candles", "Home > Candles", "candle"))), {}, "its own path"),
        (published(cross_sell(path=("u", "big candle", "candle"))), {}, "its own path"),
        (published(up=(up_sell(price=5.0),)), {}, "not dearer"),
        (published(up=(up_sell(price=5.2),)), {}, "price band"),  # 1.05 times the anchor's 5 is the least,
        (published(up=(up_sell(price=12.6),)), {}, "price band"),  # 2.5 times it the most
        (published(up=(up_sell(anchor="lantern"),)), {}, "another category"),
        (published(cross_sell()), {"candle": 71 * DAY_MS}, "bought not long ago"),
        (published(up=(up_sell(),)), {"big candle": 100 * DAY_MS}, "bought not long ago"),
        (published(cross_sell(), cross_sell()), {}, "twice"),
        (published(*([cross_sell()] * 11)), {}, "11 items"),
    ],
)
def test_each_rule_is_noticed(lists: Recommendation, bought: dict[str, int], told: str) -> None:
    assert any(told in sentence for sentence in broken(lists, bought))
    later = msgspec.structs.replace(published(), next_visit=NextVisit(lists.cross_sell, lists.up_sell, "r"))
    assert any(told in sentence for sentence in broken(later, bought))
