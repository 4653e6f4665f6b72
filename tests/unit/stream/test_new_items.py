"""A new item, of which the title is known, in the lists of whom it fits: by its catalogue message alone."""

import json
from collections.abc import Iterator

import pytest

from graph.store import Unavailable
from stream.partitioning import partition_of
from stream.recommendations import Recommendation
from tests.unit.stream.sample_shop import SampleShop

PENGUIN = "HOT WATER BOTTLE PENGUIN"
CATEGORY = "Derived > Hot Water Bottle"


@pytest.fixture(scope="module")
def listed_shop(sample_shop: SampleShop) -> Iterator[SampleShop]:
    """The shop with a worker that made everybody's lists."""
    shop = sample_shop.fork()
    shop.refresh_all()
    shop.release()
    yield shop
    shop.close()


def forked(shop: SampleShop, *, listed: bool, **lists: int) -> SampleShop:
    """Return a copy with these settings of the lists, whose worker made everybody's lists, or nobody's."""
    fork = shop.fork(graph={"lists": lists})
    if listed:
        fork.remember(shop)
    return fork


def comes(shop: SampleShop, **titles: str) -> set[str]:
    """Have new items come; return who was published since."""
    published = len(shop.values(shop.settings.topics.recommendations))
    before = shop.published()
    rows = [(item_id.encode(), json.dumps({"item_id": item_id, "title": title})) for item_id, title in titles.items()]
    shop.send(shop.settings.topics.catalogue, [(key, row.encode()) for key, row in rows])
    shop.drain()
    again = {user_id for user_id, record in shop.published().items() if record.version > before[user_id].version}
    assert len(shop.values(shop.settings.topics.recommendations)) - published == len(again)  # each of them once
    return again


def holding(lists: dict[str, Recommendation], item_id: str) -> set[str]:
    return {user_id for user_id, record in lists.items() if any(item.item_id == item_id for item in record.cross_sell)}


def interested(shop: SampleShop) -> set[str]:
    """Who has an interest in the new item's category, or in one that leads there."""
    category = shop.run(shop.pipeline.store.view_category(CATEGORY))
    assert category is not None
    leading = {CATEGORY, *(edge.source for edge in category.incoming)}
    views = {user_id: shop.run(shop.pipeline.store.view_user(user_id)) for user_id in shop.published()}
    return {u for u, view in views.items() if view and any(i.category in leading for i in view.interests)}


def test_its_message_alone_brings_it_into_the_lists_of_those_it_fits(listed_shop: SampleShop) -> None:
    shop = forked(listed_shop, listed=True)
    before = shop.published()
    led_there = {u for u, record in before.items() if any(item.category == CATEGORY for item in record.cross_sell)}
    again = comes(shop, new=PENGUIN)
    after = shop.published()
    assert shop.pipeline.knowledge.items.category_of("new") == CATEGORY
    got = holding(after, "new")
    assert got == led_there
    assert len(got) > 50
    assert all(
        [reason.feature for item in after[u].cross_sell if item.item_id == "new" for reason in item.because][-1]
        == "NEW"
        for u in got
    )
    assert again <= led_there | interested(shop)
    assert all(after[u] == before[u] for u in before.keys() - again)
    assert len(again) < 0.8 * len(before)
    shop.refresh_all()
    assert holding(shop.published(), "new") == got  # nobody was missed
    shop.close()


def test_a_worker_that_made_no_lists_yet_goes_by_interests(listed_shop: SampleShop) -> None:
    shop = forked(listed_shop, listed=False)
    again = comes(shop, new=PENGUIN)
    got = holding(shop.published(), "new")
    assert again <= interested(shop)
    assert got
    shop.refresh_all()
    assert len(got) / len(holding(shop.published(), "new")) > 0.6
    shop.close()


def test_a_worker_asks_for_users_of_its_own_partitions_and_waits_for_a_store_that_is_away(
    listed_shop: SampleShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = forked(listed_shop, listed=False)
    shop.run(shop.interest.assigned(frozenset({0})))
    away, answers = [Unavailable("away")], shop.pipeline.store.interested_users

    async def interested_users(category: str, least: float, limit: int) -> list[str]:
        if away:
            raise away.pop()
        return await answers(category, least, limit)

    monkeypatch.setattr(shop.pipeline.store, "interested_users", interested_users)
    monkeypatch.setattr("stream.ledgered._RETRY_SECONDS", 0.0)
    again = comes(shop, new=PENGUIN)
    assert not away
    assert {partition_of(user_id, 2) for user_id in again} == {0}
    assert {partition_of(user_id, 2) for user_id in interested(shop)} == {0, 1}
    shop.close()


def test_at_most_so_many_users_and_those_whose_lists_keep_a_place(listed_shop: SampleShop) -> None:
    shop = forked(listed_shop, listed=True, new_item_users=20)
    again = comes(shop, new=PENGUIN)
    assert len(again) == 20
    assert holding(shop.published(), "new") == again
    shop.close()


def test_items_that_come_together_refresh_each_user_once(listed_shop: SampleShop) -> None:
    shop = forked(listed_shop, listed=True)
    again = comes(shop, new=PENGUIN, bag="JUMBO BAG PENGUIN DESIGN", napkins="SET OF 6 CHRISTMAS NAPKINS RUSTIC")
    assert all(holding(shop.published(), item_id) for item_id in ("new", "bag", "napkins"))
    shop.refresh_all()
    lists = shop.published()
    holders = holding(lists, "new") | holding(lists, "bag") | holding(lists, "napkins")
    assert len(holders - again) < 0.02 * len(holders)  # new items turn a list or two by themselves
    shop.close()


@pytest.mark.parametrize("off", [{"new_item_users": 0}, {"new_items": 0}])
def test_switched_off_nobody_is_refreshed(listed_shop: SampleShop, off: dict[str, int]) -> None:
    shop = forked(listed_shop, listed=True, **off)
    assert comes(shop, new=PENGUIN) == set()
    assert shop.pipeline.knowledge.items.category_of("new") == CATEGORY
    shop.close()


def test_a_worker_that_starts_refreshes_nobody_for_what_came_before_it(listed_shop: SampleShop) -> None:
    shop = forked(listed_shop, listed=False, new_item_users=0)
    assert comes(shop, new=PENGUIN) == set()
    other = forked(shop, listed=False, new_item_users=1000)
    assert other.pipeline.knowledge.records["new"].since
    published = len(other.values(other.settings.topics.recommendations))
    other.drain()
    assert len(other.values(other.settings.topics.recommendations)) == published
    assert comes(other, newer="HOT WATER BOTTLE WALRUS")  # what comes after it started is news
    other.close()
    shop.close()


def test_what_changes_later_is_no_news(listed_shop: SampleShop) -> None:
    shop = forked(listed_shop, listed=True)
    assert comes(shop, new=PENGUIN)
    assert comes(shop, new=f"{PENGUIN} RED") == set()
    shop.close()
