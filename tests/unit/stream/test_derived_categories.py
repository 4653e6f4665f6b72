"""Which items get a derived category: those with a title to derive it from."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.model import ItemRow
from stream.pipeline import Pipeline
from tests.unit.stream.checking_shop import refresh_all, world_of
from tests.unit.stream.derived_shop import buy, derived_shop, send


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with derived_shop(tmp_path) as pipeline:
        yield pipeline


async def row_of(shop: Pipeline, item_id: str) -> ItemRow:
    await shop.drain()
    return (await shop.store.load_items([item_id]))[item_id]


async def interests_of(shop: Pipeline, user_id: str) -> list[str]:
    view = await shop.store.view_user(user_id)
    assert view is not None
    return [interest.category for interest in view.interests]


async def test_a_title_gives_the_nearest_one(shop: Pipeline) -> None:
    assert await row_of(shop, "D1") == ItemRow("D1", "RED MUG", "Derived > Mug", derived=True)


@pytest.mark.parametrize("row", [{}, {"title": ""}, {"title": " \t\u00a0"}, {"title": None, "brand": "Emma"}], ids=str)
async def test_an_item_without_a_title_has_none_and_weighs_nowhere(shop: Pipeline, row: dict[str, Any]) -> None:
    send(shop, "new", price=5, **row)
    buy(shop, "e1", "dan", "new")
    found = await row_of(shop, "new")
    assert (found.title, found.category, found.derived) == ("", None, False)
    assert await interests_of(shop, "dan") == []


async def test_an_item_that_gets_its_title_later_moves_its_users(shop: Pipeline) -> None:
    send(shop, "new", price=5)
    buy(shop, "e1", "dan", "new")
    await shop.drain()
    send(shop, "new", price=5, title="BLUE MUG")
    assert (await row_of(shop, "new")).category == "Derived > Mug"
    await refresh_all(shop)
    assert await interests_of(shop, "dan") == ["Derived > Mug"]
    report = await world_of(shop).check()
    assert (report.found, report.undecided) == ([], {})


async def test_an_item_that_loses_its_title_loses_its_category(shop: Pipeline) -> None:
    send(shop, "D1", price=5)
    assert await row_of(shop, "D1") == ItemRow("D1", price=5.0)
