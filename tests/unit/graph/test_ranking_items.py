import math

import numpy as np

from graph.model import ItemRow
from graph.ranking.items import ItemIndex


def test_an_item_keeps_its_row_through_updates_removal_and_return() -> None:
    items = ItemIndex()
    assert items.upsert(ItemRow("a", category="Mugs", price=4.0, currency="EUR", quality=0.5)) == 0
    assert items.upsert(ItemRow("b")) == 1
    assert items.upsert(ItemRow("a", category="Plates")) == 0
    assert (items.row("a"), items.item_id(1), len(items)) == (0, "b", 2)
    items.remove("a")
    items.remove("never there")
    assert (items.row("a"), items.known("a"), items.category_of("a"), bool(items.listed[0])) == (0, False, None, False)
    assert items.upsert(ItemRow("a", category="Mugs")) == 0
    assert items.known("a")
    assert items.category_of("a") == "Mugs"


def test_what_the_catalogue_never_named_is_unknown() -> None:
    items = ItemIndex()
    assert (items.row("x"), items.known("x"), items.category_of("x")) == (None, False, None)


def test_the_columns_hold_what_the_rows_said() -> None:
    items = ItemIndex()
    items.upsert(ItemRow("a", category="Mugs", price=4.5, currency="EUR", quality=0.5))
    items.upsert(ItemRow("b", category="Plates", price=2.0, currency="USD", available=False))
    items.upsert(ItemRow("c", category="Mugs"))
    assert items.category_codes.tolist() == [0, 1, 0]
    assert items.categories.names([0, 1]) == ["Mugs", "Plates"]
    assert items.currency_codes.tolist() == [0, 1, -1]
    assert items.listed.tolist() == [True, False, True]
    assert items.prices[:2].tolist() == [4.5, 2.0]
    assert math.isnan(items.prices[2])
    assert items.quality[0] == 0.5
    assert np.isnan(items.quality[1:]).all()


def test_it_grows() -> None:
    items = ItemIndex()
    for number in range(1000):
        items.upsert(ItemRow(f"i{number}", category=f"c{number % 7}", price=float(number)))
    assert items.prices.tolist() == [float(number) for number in range(1000)]
    assert items.category_codes.tolist() == [number % 7 for number in range(1000)]
    assert items.listed.all()


def test_every_change_moves_the_version() -> None:
    items = ItemIndex()
    versions = [items.version]
    items.upsert(ItemRow("a"))
    versions.append(items.version)
    items.remove("a")
    versions.append(items.version)
    assert versions == sorted(set(versions))
