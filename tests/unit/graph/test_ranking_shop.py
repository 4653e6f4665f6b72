"""A shop that is changed row by row is to the bit the shop that is built at once."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import Family, ItemRow, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.item_weights import ItemWeights
from graph.ranking.items import ItemIndex
from graph.ranking.kept import Kept, Numbered
from graph.ranking.ranker import Ranker
from graph.ranking.shelves import weigh_items
from graph.ranking.shop import Shop, ShopView
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import ASSOCIATIONS, DAY_MS, NOW, TIGHT, ToyShop, build_shop, shops

few = settings(max_examples=80, deadline=None)
SETTINGS = ListSettings(max_head_items=3, size=3, max_per_category=2)
ITEMS = 24
CATEGORIES = [f"Shop > C{number}" for number in range(5)]
VALUES: dict[str, list[Any]] = {
    "price": [1.0, 1.05, 2.0, 0.0, -0.0, None],
    "currency": ["EUR", "USD", None],
    "category": [*CATEGORIES, None],
    "available": [True, False],
    "brand": ["Emma", "Owl", None],
    "title": ["red mug", "tin"],
    "quality": [0.5, None],
}
Change = tuple[str, int, Any]


def changes() -> st.SearchStrategy[list[tuple[Change, bool]]]:
    """What changes, of which item, to what; and whether somebody asks for the shop afterwards."""
    item = st.integers(0, ITEMS - 1)
    kinds: list[st.SearchStrategy[Change]] = [
        st.tuples(st.just(name), item, st.sampled_from(values)) for name, values in VALUES.items()
    ]
    kinds += [
        st.tuples(st.just("removal"), item, st.none()),
        st.tuples(st.just("arrival"), st.integers(ITEMS, ITEMS + 3), st.sampled_from(CATEGORIES)),
        st.tuples(st.just("record"), item, st.tuples(item, st.sampled_from([1.0, 2.0, 2.5]), st.integers(-2, 1))),
    ]
    return st.lists(st.tuples(st.one_of(kinds), st.booleans()), max_size=30)


class Changing:
    """A shop of ties: few prices, few categories, few weights."""

    def __init__(self) -> None:
        self.items, self.associations = ItemIndex(), AssociationIndex(ASSOCIATIONS)
        self.rows = {
            number: ItemRow(f"i{number * 7 % ITEMS:02}", category=CATEGORIES[number % 4], price=1.0, currency="EUR")
            for number in range(ITEMS)
        }
        for row in self.rows.values():
            self.items.upsert(row)
        for number in range(0, ITEMS, 3):
            self.apply(("record", number, (number + 1, 2.0, 0)))
        for source, target in pairwise(CATEGORIES):
            self.associations.upsert(SuccessorRecord(Level.CATEGORY, source, NOW, (), (Successor(target, 9.0, 9, 9),)))

    def apply(self, change: Change) -> None:
        kind, number, value = change
        row = self.rows.get(number) or ItemRow(f"j{number}", category=value, price=2.0, currency="EUR")
        if kind == "removal":
            self.items.remove(row.item_id)
        elif kind == "record":
            target, weight, days = value
            followed = (Successor(self.rows[target].item_id, weight, 1, 3),)
            record = SuccessorRecord(Level.ITEM, row.item_id, NOW + days * DAY_MS, followed, followed[: days > 0])
            self.associations.upsert(record)
        else:
            if kind != "arrival":
                row = msgspec.structs.replace(row, **{kind: value})
            self.rows[number] = row
            self.items.upsert(row, since=NOW if kind == "arrival" else 0)

    def view(self) -> ShopView:
        return ShopView(self.items, self.associations, SETTINGS, TIGHT)


def contents(part: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every array and number of a shop, with its name; arrays as bytes."""
    if isinstance(part, np.ndarray):
        yield name, (part.dtype, part.shape, part.tobytes())
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from contents(value, f"{name}.{key}")
    elif is_dataclass(part):
        for each in fields(part):
            yield from contents(getattr(part, each.name), f"{name}.{each.name}")
    elif isinstance(part, int | float):
        yield name, part


def assert_in_order(shop: Shop, weights: dict[str, float]) -> None:
    """The orders are what their definitions say, in the plainest way."""
    items, shelves, prices = shop.items, shop.shelves, shop.prices
    listed = [row for row in range(len(items)) if items.listed[row]]
    popular = sorted(listed, key=lambda row: (-weights[items.item_id(row)], items.item_id(row)))
    category = items.category_codes.tolist()
    assert shelves.everything.tolist() == [row for row in popular if category[row] >= 0]
    assert shelves.uncategorised.tolist() == [row for row in popular if category[row] < 0]
    assert shelves.rows.tolist() == sorted(shelves.everything.tolist(), key=category.__getitem__)
    priced = [row for row in listed if category[row] >= 0 and not np.isnan(items.prices[row])]
    keys = {row: (category[row], items.currency_codes[row], items.prices[row], items.item_id(row)) for row in priced}
    assert prices.rows.tolist() == sorted(priced, key=keys.__getitem__)


@few
@given(changes())
def test_after_any_changes_it_is_the_shop_that_is_built_at_once(steps: list[tuple[Change, bool]]) -> None:
    changing = Changing()
    view = changing.view()
    view.current()
    for change, asked in [*steps, (("title", 0, "the last"), True)]:
        changing.apply(change)
        if not asked:
            continue
        shop = view.current()
        assert dict(contents(shop)) == dict(contents(changing.view().current()))
        items = changing.items
        weights = ItemWeights(items, changing.associations).current()
        assert_in_order(shop, {items.item_id(row): weights[row] for row in range(len(items))})


@pytest.mark.parametrize(("name", "value"), [("category", "Shop > Unheard of"), ("currency", "XXX")])
def test_a_name_that_came_and_went_between_two_looks_has_its_number(name: str, value: str) -> None:
    changing = Changing()
    view = changing.view()
    view.current()
    former = getattr(changing.rows[3], name)
    for each in (value, former):
        changing.apply((name, 3, each))
    assert dict(contents(view.current())) == dict(contents(changing.view().current()))


@few
@given(shops() | shops(TIGHT), st.data())
def test_lists_of_a_shop_changed_row_by_row_are_those_of_one_read_at_once(shop: ToyShop, data: st.DataObject) -> None:
    other = build_shop(data.draw(st.integers(0, 99)), len(shop.rows), 4, 1, shop.settings)
    rows = {row.item_id: row for row in shop.rows}
    items = ItemIndex()
    ranker = Ranker(items, shop.associations(), shop.settings, shop.ranking)
    for row in shop.rows:
        items.upsert(row)
    for row in other.rows[:5]:
        shop.rank_with(ranker, items, shop.profiles)
        rows[row.item_id] = row
        items.upsert(row)
    assert shop.rank_with(ranker, items, shop.profiles) == shop.rank(rows=list(rows.values()))


def shop_before_and_after(change: Change) -> tuple[Shop, Shop]:
    changing = Changing()
    view = changing.view()
    before = view.current()
    changing.apply(change)
    return before, view.current()


@pytest.mark.parametrize("change", [("price", 3, 2.0), ("title", 3, "red"), ("brand", 3, "Owl"), ("quality", 3, 0.1)])
def test_what_moves_no_item_to_another_place_leaves_all_but_the_prices_as_it_is(change: Change) -> None:
    before, after = shop_before_and_after(change)
    assert after.shelves is before.shelves
    assert after.head is before.head
    assert after.category_steps is before.category_steps
    assert after.item_steps is before.item_steps


def test_an_item_out_of_stock_keeps_the_steps_between_categories_that_have_others() -> None:
    before, after = shop_before_and_after(("available", 3, False))
    assert after.category_steps is before.category_steps
    assert after.item_steps.source_scales is before.item_steps.source_scales
    assert after.shelves.everything.tolist() == [row for row in before.shelves.everything.tolist() if row != 3]


@few
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0]), st.sampled_from([0.0, 1.0, 2.0])), max_size=40))
def test_a_former_order_saves_time_only(weights: list[tuple[float, float]]) -> None:
    items = ItemIndex()
    for number in range(len(weights)):
        items.upsert(ItemRow(f"i{number * 13 % 41:02}"))
    former, now = (np.array([pair[place] for pair in weights], dtype=np.float64) for place in (0, 1))
    half = ItemIndex()
    for number in range(len(weights) // 2):
        half.upsert(ItemRow(items.item_id(number)))
    expected = np.lexsort((items.ids.ranks(), -now)).tolist()
    for known in (None, weigh_items(items, former), weigh_items(half, former[: len(half)])):
        assert weigh_items(items, now, known).heaviest.tolist() == expected


def test_what_is_kept_is_built_again_only_at_other_versions() -> None:
    numbers = iter(range(9))
    kept = Kept(lambda: next(numbers))
    assert [kept.at(1, 2), kept.at(1, 2), kept.at(1, 3), kept.at(1, 2)] == [0, 0, 1, 2]


def test_arrays_have_a_new_version_when_they_hold_something_else() -> None:
    numbered, array = Numbered(), np.array([1, 2])
    first = numbered.version([array])
    assert numbered.version([array.copy()]) == first
    array[0] = 7
    assert numbered.version([array]) == first + 1
    assert numbered.version([array[:1]]) == first + 2
    assert numbered.version([]) == first + 3


def test_these_shops_have_a_head_steps_and_no_newcomer_before_an_arrival() -> None:
    before, after = shop_before_and_after(("record", 3, (4, 2.5, 1)))
    assert before.newcomers.tolist() == []
    assert len(shop_before_and_after(("arrival", ITEMS, CATEGORIES[0]))[1].newcomers) == 1
    assert before.head.any()
    assert after.item_steps.source_scales[Family.BOUGHT_NEXT].any()
    assert before.category_steps.keys.tolist()
