"""Items that change, lose or get their category while users wait for their next refresh: never called wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from stream.checking.report import Report
from stream.pipeline import Pipeline
from tests.unit.stream.checking_shop import World, change_user, refresh_all, world_of
from tests.unit.stream.derived_shop import buy, derived_shop, remove, send

CHANGED = "users whose items changed their category since their last refresh"
ASSOCIATIONS = "associations of categories that users' items changed to or from"
BOUGHT = [("dan", "D2"), ("dan", "D3"), ("eva", "D2"), ("eva", "D4"), ("fay", "D4"), ("gus", "D1"), ("gus", "D5")]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with derived_shop(tmp_path) as pipeline:
        for n, bought in enumerate(BOUGHT):
            buy(pipeline, f"e{n}", *bought)
        await refresh_all(pipeline)
        yield pipeline


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


async def test_an_item_that_lost_its_title_is_behind_too(shop: Pipeline) -> None:
    send(shop, "D2", price=5)
    report = await checked(shop)
    assert (report.found, report.undecided) == ([], {CHANGED: 2, ASSOCIATIONS: 4})


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
