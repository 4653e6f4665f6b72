"""Items that change, lose or get their category while users wait for their next refresh: never called wrong."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard, save_centroids
from encoders.hashing import HashingTextEncoder
from stream.checking.report import Report
from stream.pipeline import Pipeline
from tests.unit.stream.checking_shop import NOW, World, change_user, refresh_all, running, shop_settings, world_of

CHANGED = "users whose items changed their category since their last refresh"
ASSOCIATIONS = "associations of categories that users' items changed to or from"
BOUGHT = [("dan", "D2"), ("dan", "D3"), ("eva", "D2"), ("eva", "D4"), ("fay", "D4"), ("gus", "D1"), ("gus", "D5")]
TITLES = {"D1": "RED MUG", "D2": "RED CERAMIC MUG", "D3": "BIRTHDAY CARD", "D4": "GARDEN SIGN", "D5": "SMALL CARD"}


@pytest.fixture(scope="module")
def categories_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = HashingTextEncoder()
    path = tmp_path_factory.mktemp("categories") / "categories.safetensors"
    card = CentroidsCard(
        format=DerivedCategories.format,
        text_model=encoder.model,
        text_dimensions=encoder.dimensions,
        names=["Sign", "Card", "Mug"],
    )
    save_centroids(path, encoder.encode(["sign", "card", "mug"]), card)
    return path


@pytest.fixture
async def shop(categories_file: Path) -> AsyncIterator[Pipeline]:
    """A shop that names no categories, with a few users."""
    settings = shop_settings(encoder={"text": "hashing", "categories_file": categories_file})
    async with running(settings) as pipeline:
        for item_id, title in TITLES.items():
            send(pipeline, item_id, title=title)
        await pipeline.drain()
        for n, bought in enumerate(BOUGHT):
            buy(pipeline, f"e{n}", *bought)
        await refresh_all(pipeline)
        yield pipeline


def send(pipeline: Pipeline, item_id: str, **row: Any) -> None:
    value = json.dumps({"item_id": item_id, **row}).encode()
    pipeline.log.append(pipeline.settings.topics.catalogue, item_id.encode(), value)


def remove(pipeline: Pipeline, item_id: str) -> None:
    pipeline.log.append(pipeline.settings.topics.catalogue, item_id.encode(), None)


def buy(pipeline: Pipeline, event_id: str, user_id: str, item_id: str) -> None:
    event = {"event_id": event_id, "kind": "purchase", "user_id": user_id, "item_id": item_id, "occurred_at": NOW}
    pipeline.log.append(pipeline.settings.topics.interactions, user_id.encode(), json.dumps(event).encode())


async def checked(pipeline: Pipeline) -> Report:
    await pipeline.drain()
    return await world_of(pipeline).check()


async def test_a_shop_without_categories_has_no_differences(shop: Pipeline) -> None:
    report = await checked(shop)
    assert (report.found, report.undecided, report.at_rest) == ([], {}, True)


async def test_a_derived_category_that_changed_is_behind_until_the_users_are_refreshed(shop: Pipeline) -> None:
    send(shop, "D2", title="CHRISTMAS CARD")
    report = await checked(shop)
    assert (report.found, report.undecided) == ([], {CHANGED: 2, ASSOCIATIONS: 6})
    await refresh_all(shop)
    report = await checked(shop)
    assert (report.found, report.undecided) == ([], {})


async def test_a_category_that_lost_its_last_item_stays_derived(shop: Pipeline) -> None:
    send(shop, "D4", title="TIN MUG")
    report = await checked(shop)
    assert (report.found, report.undecided) == ([], {CHANGED: 2, ASSOCIATIONS: 2})


async def test_an_item_that_was_removed_is_behind_too(shop: Pipeline) -> None:
    remove(shop, "D2")
    report = await checked(shop)
    assert (report.found, report.undecided) == ([], {CHANGED: 2, ASSOCIATIONS: 4})
    await refresh_all(shop)
    report = await checked(shop)
    assert (report.found, report.undecided) == ([], {})


async def test_a_category_that_the_shop_names_is_behind_like_a_derived_one(shop: Pipeline) -> None:
    send(shop, "D2", title="RED CERAMIC MUG", category="Kitchen > Mugs")
    report = await checked(shop)
    assert report.found == []
    assert report.undecided[CHANGED] == 2


async def test_users_whose_items_stayed_are_still_compared(shop: Pipeline) -> None:
    send(shop, "D2", title="CHRISTMAS CARD")
    await shop.drain()
    world = world_of(shop)
    (user,) = (user for user in world.store._users.values() if user.user_id == "fay")
    (interest,) = user.interests
    change_user(world.store, "fay", interests=(msgspec.structs.replace(interest, category="Derived > Mug"),))
    report = await world.check()
    assert {difference.where for difference in report.found} == {
        "user fay: interest in Derived > Mug",
        "user fay: interest in Derived > Sign",
    }


async def test_a_weight_that_no_placing_gives_is_still_found(shop: Pipeline) -> None:
    send(shop, "D2", title="CHRISTMAS CARD")
    await shop.drain()
    world = world_of(shop)
    for user in list(world.store._users.values()):
        first, *rest = user.interests
        change_user(world.store, user.user_id, interests=(msgspec.structs.replace(first, weight=7.5), *rest))
    report = await world.check()
    assert {difference.where.split(":")[0] for difference in report.found} >= {"user dan", "user eva"}


async def test_what_compaction_took_of_the_items_topic_may_have_been_another_category(shop: Pipeline) -> None:
    send(shop, "D2", title="CHRISTMAS CARD")
    await shop.drain()
    world: World = world_of(shop)
    for records in world.log.topics[world.settings.topics.items]:
        last = {record.key: record for record in records}
        records[:] = [record for record in records if last[record.key] is record]
    report = await world.check()
    assert (report.found, report.undecided) == ([], {CHANGED: 2, ASSOCIATIONS: 6})
