"""Popular items per context, newcomers, and the places kept for them."""

from typing import Any

import msgspec
import numpy as np

from graph.model import ItemRow, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.cross_candidates import CrossCandidates
from graph.ranking.items import ItemIndex
from graph.ranking.newcomers import leading_categories, newcomer_rows
from graph.ranking.places import give_places
from graph.ranking.popular import WHOLE_SHOP, popular_lists
from graph.ranking.steps import Steps
from graph.settings import AssociationSettings

DAY_MS = 86_400_000
NOW = 1_700_000_000_000


def shop() -> tuple[ItemIndex, AssociationIndex]:
    """Mugs m0 > m1 > m2 by popularity, a lamp, and two items that nobody may see."""
    items, associations = ItemIndex(), AssociationIndex(AssociationSettings())
    for row in (
        *(ItemRow(f"m{i}", category="Kitchen > Mugs") for i in range(3)),
        ItemRow("lamp", category="Home > Lamps"),
        ItemRow("sold-out", category="Home > Lamps", available=False),
        ItemRow("nameless"),
    ):
        items.upsert(row)
    steps = (Successor("m1", 2.0, 2, 2), Successor("m2", 1.0, 1, 1), Successor("sold-out", 9.0, 9, 9))
    associations.upsert(SuccessorRecord(Level.ITEM, "m0", NOW, steps))
    return items, associations


def names(size: int = 10, per_category: int = 4) -> dict[str | None, list[str]]:
    found = popular_lists(*shop(), size, per_category)
    return {context: [item.item_id for item in listed] for context, listed in found.items()}


def test_every_context_has_its_items_most_popular_first() -> None:
    assert names() == {
        WHOLE_SHOP: ["m0", "m1", "m2", "lamp"],
        "Kitchen": ["m0", "m1", "m2"],
        "Kitchen > Mugs": ["m0", "m1", "m2"],
        "Home": ["lamp"],
        "Home > Lamps": ["lamp"],
    }


def test_the_whole_shop_is_not_one_category() -> None:
    assert names(size=3, per_category=2)[WHOLE_SHOP] == ["m0", "m1", "lamp"]
    assert names(size=2)["Kitchen"] == ["m0", "m1"]


def test_popularity_is_against_the_most_popular_listed_item() -> None:
    first, second, *_ = popular_lists(*shop(), 10, 4)[WHOLE_SHOP]
    assert first.popularity == 1.0
    assert second.popularity == round(float(np.log1p(2.0) / np.log1p(12.0)), 6)


def test_an_empty_shop_has_one_empty_list() -> None:
    assert popular_lists(ItemIndex(), AssociationIndex(AssociationSettings()), 10, 4) == {WHOLE_SHOP: ()}


def test_without_categories_the_shop_still_has_a_list() -> None:
    items = ItemIndex()
    items.upsert(ItemRow("b"))
    items.upsert(ItemRow("a"))
    (listed,) = popular_lists(items, AssociationIndex(AssociationSettings()), 10, 4).values()
    assert [item.item_id for item in listed] == ["a", "b"]


def newcomers(**changes: Any) -> list[str]:
    items = ItemIndex()
    row = ItemRow("new", category="Home > Lamps")
    items.upsert(msgspec.structs.replace(row, **changes), NOW)
    items.upsert(ItemRow("newer", category="Home > Lamps"), NOW + DAY_MS)
    items.upsert(ItemRow("old", category="Home > Lamps"))
    items.upsert(ItemRow("tried", category="Home > Lamps"), NOW)
    weights = np.array([0.0, 0.0, 0.0, 5.0])
    return [items.item_id(int(row)) for row in newcomer_rows(items, weights, 30 * 86_400.0, 5.0, 10)]


def test_newcomers_came_later_and_are_untried() -> None:
    assert newcomers() == ["newer", "new"]
    assert newcomers(available=False) == ["newer"]
    assert newcomers(category=None) == ["newer"]


def leading(*targets: str, most: int = 10) -> list[str]:
    """What leads there, where lamps and glasses lead to mugs, plates to mugs and toys alike, and toys to lamps."""
    associations = AssociationIndex(AssociationSettings(min_users=1, min_log_likelihood_ratio=0.0))
    steps = {"Plates": ("Mugs", "Toys"), "Lamps": ("Mugs",), "Glasses": ("Mugs",), "Toys": ("Lamps",)}
    for source, ends in steps.items():
        weight = 6.0 if source != "Toys" else 24.0
        successors = tuple(Successor(target, weight / len(ends), 3, 3) for target in ends)
        associations.upsert(SuccessorRecord(Level.CATEGORY, source, NOW, successors))
    return leading_categories(associations, targets, most)


def test_what_leads_to_a_newcomers_category_strongest_first() -> None:
    assert leading("Mugs") == ["Glasses", "Lamps", "Plates"]
    assert leading("Mugs", most=2) == ["Glasses", "Lamps"]
    assert leading("Lamps", "Toys") == ["Toys", "Plates"]
    assert leading("Mugs", "Toys") == ["Glasses", "Lamps", "Plates"]  # each once
    assert leading("Plates") == leading("nowhere") == leading() == []


def test_a_newcomer_is_new_for_a_while() -> None:
    items = ItemIndex()
    items.upsert(ItemRow("first", category="A"), NOW)
    items.upsert(ItemRow("second", category="A"), NOW + 31 * DAY_MS)
    rows = newcomer_rows(items, np.zeros(2), 30 * 86_400.0, 5.0, 10)
    assert [items.item_id(int(row)) for row in rows] == ["second"]


def candidates(categories: list[int]) -> CrossCandidates:
    """Candidates of one user, of these categories, the first the best; rows 0, 1, and so on."""
    size = len(categories)
    none, floats, strongest = np.zeros(size, dtype=np.int64), np.zeros(size), np.array([1.0])
    steps = Steps(*(np.empty(0, dtype=np.int64),) * 5)  # type: ignore[arg-type]
    return CrossCandidates(
        none,
        np.arange(size),
        np.array(categories),
        floats,
        strongest,
        strongest,
        floats,
        floats,
        none,
        none,
        none,
        steps,
    )


def given(categories: list[int], chosen: list[int], newcomers: list[int], places: int = 1) -> list[int]:
    places_chosen, size = np.array([chosen]), len(categories)
    scores = np.arange(size, 0, -1)
    give_places(places_chosen, candidates(categories), scores, np.arange(size), np.array(newcomers), places)
    return [int(place) for place in places_chosen[0]]


def test_the_last_place_goes_to_the_best_newcomer_of_a_listed_category() -> None:
    assert given([7, 8, 9, 8, 7], [0, 1], [2, 3, 4]) == [0, 3]
    assert given([7, 8, 8, 7], [0, 1], [2, 3], places=2) == [2, 3]
    assert given([7, 8, 7], [0, 1, -1], [2]) == [0, 1, 2]


def test_a_place_is_given_only_to_who_fits_and_has_none() -> None:
    assert given([7, 8, 9], [0, 1], [2]) == [0, 1]
    assert given([-1, 8, -1], [0, 1], [2]) == [0, 1]
    assert given([7, 8, 8], [0, 1], [1, 2]) == [0, 1]
    assert given([7, 8, 8], [0, 1], []) == [0, 1]
    assert given([7, 8, 8], [0, 1], [2], places=0) == [0, 1]
