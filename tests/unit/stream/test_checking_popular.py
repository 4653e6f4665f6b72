"""The popular lists: equal to what the topics give, and each alteration named."""

from collections.abc import Callable

import msgspec
import pytest

from stream.checking.popular import Shelf, popular_differences
from stream.checking.topics import Record
from stream.popular import Popular, PopularItem, decode_popular
from tests.unit.stream.checking_shop import NOW, World, changed, make_world_now, shop_settings

POPULARITY = {"a": 1.0, "b": 0.5, "c": 0.499999, "tied": 0.499999, "other": 0.4}
SHELF = (PopularItem("a", "Toys", 1.0), PopularItem("b", "Toys", 0.5), PopularItem("c", "Toys", 0.499999))


@pytest.fixture(scope="module")
def whole() -> World:
    return make_world_now(shop_settings())


@pytest.fixture
def world(whole: World) -> World:
    return whole.copy()


def alter_last(world: World, key: bytes, change: Callable[[bytes], bytes | None]) -> None:
    """Follow the last record of a key by another one."""
    logs = world.log.topics[world.settings.topics.popular]
    (last,) = [log for log in logs if any(record.key == key for record in log)]
    record = [record for record in last if record.key == key][-1]
    last.append(changed(record, offset=len(last), value=change(record.value)))


async def test_at_rest_every_popular_list_is_what_the_shop_gives(world: World) -> None:
    report = await world.check(lists=True)
    assert report.ok, report.found
    keys = {record.key for record in world.records(world.settings.topics.popular)}
    assert b"shop" in keys
    assert len(keys) > 3


async def test_a_list_in_another_order_is_named(world: World) -> None:
    def swap(value: bytes) -> bytes:
        read = decode_popular(value)
        return msgspec.json.encode(msgspec.structs.replace(read, items=read.items[::-1]))

    alter_last(world, b"shop", swap)
    (found,) = (await world.check(lists=True)).found
    assert found.invariant == "I2"
    assert found.where.startswith("popular list shop: shop.popular.v1/")
    assert found.what == "is not what items and associations give"


async def test_a_list_that_was_taken_back_is_named(world: World) -> None:
    alter_last(world, b"shop", lambda _: None)
    (found,) = (await world.check(lists=True)).found
    assert (found.where, found.what) == ("popular list shop", "is not published")


async def test_without_lists_nothing_is_ranked(world: World) -> None:
    alter_last(world, b"shop", lambda _: None)
    assert (await world.check()).ok


def differences(items: Shelf, *, key: str = "category|Toys", value: bytes | None = None) -> list[str]:
    if value is None:
        value = msgspec.json.encode(Popular("Toys", "2026-01-01T00:00:00.000Z", tuple(items)))
    record = Record("popular", 0, 7, NOW, key.encode(), value, ())
    return [what for _, what, _, _ in popular_differences({key: SHELF}, POPULARITY, {key: record})]


def test_near_ties_may_change_places_and_nothing_else_may() -> None:
    a, b, c = SHELF
    assert differences(SHELF) == []
    assert differences((a, c, b)) == []
    assert differences((a, b, PopularItem("tied", "Toys", 0.499999))) == []
    wrong = ["is not what items and associations give"]
    assert differences((b, a, c)) == wrong
    assert differences((a, b)) == wrong
    assert differences((a, b, PopularItem("other", "Toys", 0.4))) == wrong
    assert differences((a, b, PopularItem("other", "Toys", 0.499999))) == wrong
    assert differences((a, b, PopularItem("unheard of", "Toys", 0.499999))) == wrong
    assert differences((a, b, PopularItem("c", "Games", 0.499999))) == wrong


def test_a_popularity_may_be_as_old_as_what_is_not_published_anew() -> None:
    a, b, _ = SHELF
    assert differences((a, b, PopularItem("c", "Toys", 0.4901))) == []
    assert differences((a, b, PopularItem("tied", "Toys", 0.5099))) == []
    assert differences((a, b, PopularItem("c", "Toys", 0.4899))) == ["is not what items and associations give"]


def test_what_is_no_list_and_what_is_of_another_context_is_named() -> None:
    (what,) = differences(SHELF, value=b"{}")
    assert what.startswith("is no popular list: ")
    assert differences(SHELF, key="category|Games")[0] == "its key is not its context"


def test_a_category_that_has_no_list_any_more_must_not_keep_its_last() -> None:
    value = msgspec.json.encode(Popular("Toys", "2026-01-01T00:00:00.000Z", SHELF))
    record = Record("popular", 0, 7, NOW, b"category|Toys", value, ())
    assert len(list(popular_differences({}, POPULARITY, {"category|Toys": record}))) == 1
    assert not list(popular_differences({}, POPULARITY, {"category|Toys": record._replace(value=None)}))
