"""When a popular list is news: an item, a place, a category, or a popularity that moved enough to tell."""

from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from graph.model import ItemRow, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.items import ItemIndex
from graph.settings import AssociationSettings, ListSettings
from stream.knowledge import Knowledge
from stream.popular import PopularLists, decode_popular

NOW = 1_700_000_000_000


class Shop:
    """Cups of one category and a lamp; each cup's weight as told."""

    def __init__(self, **weights: float) -> None:
        self.items, self.associations = ItemIndex(), AssociationIndex(AssociationSettings())
        for name in ("cup", "mug", "jug"):
            self.items.upsert(ItemRow(name, category="Cups"))
        self.items.upsert(ItemRow("lamp", category="Lamps"))
        self.weigh(**weights)
        knowledge = cast("Knowledge", SimpleNamespace(items=self.items, associations=self.associations))
        self.lists = PopularLists(knowledge, ListSettings(), "popular")

    def weigh(self, **weights: float) -> None:
        steps = tuple(Successor(name, weight, 1, 1) for name, weight in weights.items())
        self.associations.upsert(SuccessorRecord(Level.ITEM, "lamp", NOW, steps))

    def news(self) -> dict[str, list[str] | None]:
        return {
            (message.key or b"").decode(): [item.item_id for item in decode_popular(message.value).items]
            if message.value
            else None
            for message in self.lists.changed(NOW)
        }


@pytest.fixture
def shop() -> Shop:
    shop = Shop(cup=30, mug=20, jug=10)
    assert shop.news().keys() == {"shop", "category|Cups", "category|Lamps"}
    return shop


def test_nothing_new_is_nothing_to_publish(shop: Shop) -> None:
    assert shop.news() == {}
    shop.weigh(cup=30, mug=20, jug=10)
    assert shop.news() == {}


def test_a_little_more_of_one_item_is_no_news(shop: Shop) -> None:
    shop.weigh(cup=31, mug=20, jug=10)
    assert shop.news() == {}


def test_little_by_little_is_news_in_the_end(shop: Shop) -> None:
    published = []
    for weight in range(31, 40):
        shop.weigh(cup=weight, mug=20, jug=10)
        published.append(sorted(shop.news()))
    assert published[0] == []
    assert ["category|Cups", "shop"] in published


def test_a_change_of_places_is_news_however_small(shop: Shop) -> None:
    shop.weigh(cup=30, mug=30.01, jug=10)
    assert shop.news()["category|Cups"] == ["mug", "cup", "jug"]
    shop.weigh(cup=30.01, mug=30, jug=10)
    assert shop.news() == {"category|Cups": ["cup", "mug", "jug"], "shop": ["lamp", "cup", "mug", "jug"]}


def test_a_new_name_of_a_category_is_news_for_both(shop: Shop) -> None:
    for name in ("cup", "mug", "jug"):
        shop.items.upsert(ItemRow(name, category="Mugs"), NOW)
    news = shop.news()
    assert news["category|Cups"] is None
    assert news["category|Mugs"] == ["cup", "mug", "jug"]
    assert shop.news() == {}


def test_who_forgot_says_everything_once_more(shop: Shop) -> None:
    shop.lists.clear()
    assert shop.news().keys() == {"shop", "category|Cups", "category|Lamps"}


def test_a_list_says_its_context_and_when_it_was_made() -> None:
    (message, *_) = Shop(cup=1).lists.changed(NOW)
    read = msgspec.json.decode(message.value or b"")
    assert (read["context"], read["generated_at"]) == ("Cups", "2023-11-14T22:13:20.000Z")
