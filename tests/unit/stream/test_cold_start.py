"""Cold users, cold items and unknown users, on the shipped sample of a real shop, through the whole path."""

import json
import re
from collections.abc import Iterator

import pytest

from stream.demo.sample import SampleItem, load_sample
from stream.popular import Popular, decode_popular
from stream.recommendations import Recommendation
from tests.unit.stream.sample_shop import AFTER, SampleShop

# The first thing that a new user looks at; what at least so many of the 20 places should then be about; and what of.
FIRST_EVENTS = [
    ("22423", "REGENCY CAKESTAND 3 TIER", 8, "REGENCY|CAKE|TEA"),
    ("22699", "ROSES REGENCY TEACUP AND SAUCER", 8, "REGENCY|CAKE|TEA"),
    ("23245", "SET OF 3 REGENCY CAKE TINS", 8, "CAKE|BAKING|REGENCY|CASES"),
    ("21975", "PACK OF 60 DINOSAUR CAKE CASES", 6, "CAKE|BAKING|CASES"),
    ("85099B", "JUMBO BAG RED RETROSPOT", 9, "BAG|SHOPPER"),
    ("23206", "LUNCH BAG APPLE DESIGN", 10, "BAG|LUNCH"),
    ("22382", "LUNCH BAG SPACEBOY DESIGN", 10, "BAG|LUNCH|SPACEBOY"),
    ("22114", "HOT WATER BOTTLE TEA AND SYMPATHY", 8, "HOT WATER BOTTLE|HOTTIE|WARMER"),
    ("22866", "HAND WARMER SCOTTY DOG DESIGN", 12, "WARMER|HOT WATER BOTTLE|FELTCRAFT"),
    ("23284", "DOORMAT KEEP CALM AND COME IN", 6, "DOORMAT|KEEP CALM|HOT WATER BOTTLE"),
    ("23393", "HOME SWEET HOME CUSHION COVER", 10, "HOME|CUSHION|DOORMAT"),
    ("84946", "ANTIQUE SILVER T-LIGHT GLASS", 12, "LIGHT|CANDLE"),
    ("84347", "ROTATING SILVER ANGELS T-LIGHT HLDR", 12, "LIGHT|CANDLE"),
    ("85053", "FRENCH ENAMEL CANDLEHOLDER", 8, "CANDLE"),
    ("20975", "12 PENCILS SMALL TUBE RED RETROSPOT", 8, "PENCIL"),
    ("21669", "BLUE STRIPE CERAMIC DRAWER KNOB", 10, "DRAWER KNOB"),
    ("82583", "HOT BATHS METAL SIGN", 8, "SIGN"),
    ("23196", "VINTAGE LEAF MAGNETIC NOTEPAD", 5, "MAGNET|NOTEBOOK"),
    ("23271", "CHRISTMAS TABLE SILVER CANDLE SPIKE", 12, "CHRISTMAS"),
    ("22970", "LONDON BUS COFFEE MUG", 6, "LONDON|COFFEE|MUG|UNION JACK"),
]


@pytest.fixture(scope="module")
def items() -> dict[str, SampleItem]:
    return load_sample().items


@pytest.fixture(scope="module")
def visited(sample_shop: SampleShop) -> Iterator[SampleShop]:
    """The shop after twenty new users came, each with one view."""
    shop = sample_shop.fork()
    for item_id, *_ in FIRST_EVENTS:
        event = {"event_id": item_id, "kind": "view", "user_id": f"new-{item_id}", "item_id": item_id}
        value = json.dumps({**event, "occurred_at": AFTER}).encode()
        shop.send(shop.settings.topics.interactions, [(None, value)])
    shop.drain()
    yield shop
    shop.close()


def titles(record: Recommendation, items: dict[str, SampleItem]) -> list[str]:
    listed = [item.item_id for item in record.cross_sell] + [item.item_id for item in record.up_sell]
    return [items[item_id].title for item_id in listed]


def popular(shop: SampleShop, context: str | None) -> Popular:
    """The last record of the context."""
    records = [decode_popular(value) for value in shop.values(shop.settings.topics.popular)]
    return [record for record in records if record.context == context][-1]


@pytest.mark.parametrize(("item_id", "title", "least", "about"), FIRST_EVENTS)
def test_the_first_event_turns_the_lists_to_what_it_was_about(
    visited: SampleShop, items: dict[str, SampleItem], item_id: str, title: str, least: int, about: str
) -> None:
    assert items[item_id].title == title
    before = [items[item.item_id].title for item in popular(visited, None).items]
    after = titles(visited.published()[f"new-{item_id}"], items)
    turned = [title for title in after if re.search(about, title)]
    assert len(turned) >= least, after
    assert len(turned) / len(after) > len([t for t in before if re.search(about, t)]) / len(before)


NEW_TITLES = {
    "HOT WATER BOTTLE PENGUIN": "Derived > Hot Water Bottle",
    "JUMBO BAG PENGUIN DESIGN": "Derived > Bag",
    "SET OF 6 CHRISTMAS NAPKINS RUSTIC": "Derived > Christmas",
}


def lists_with(shop: SampleShop, title: str) -> dict[str, Recommendation]:
    """Everybody's lists after an item of which the title is known came, and each user looked at anything."""
    users = sorted(shop.published())
    shop.send(shop.settings.topics.catalogue, [(b"new", json.dumps({"item_id": "new", "title": title}).encode())])
    shop.drain()
    for user_id in users:
        event = {"event_id": f"next-{user_id}", "kind": "impression", "user_id": user_id, "item_id": "new"}
        shop.send(shop.settings.topics.interactions, [(None, json.dumps({**event, "occurred_at": AFTER}).encode())])
    shop.drain()
    return shop.published()


@pytest.mark.parametrize(("title", "category"), NEW_TITLES.items())
def test_a_new_item_of_which_only_the_text_is_known_reaches_the_right_users(
    sample_shop: SampleShop, title: str, category: str
) -> None:
    """Its category is derived from its title; whoever is led there gets it, though nobody ever touched it.

    Those are the users who would have had something else of its category, had no place been kept for new items.
    """
    shop, control = sample_shop.fork(), sample_shop.fork(graph={"lists": {"new_items": 0}})
    lists, without = lists_with(shop, title), lists_with(control, title)
    assert shop.pipeline.knowledge.items.category_of("new") == category
    led_there = {u for u, record in without.items() if any(item.category == category for item in record.cross_sell)}
    got = {u for u, record in lists.items() if any(item.item_id == "new" for item in record.cross_sell)}
    assert len(led_there & got) / len(led_there) > 0.9
    assert got <= led_there
    assert 10 < len(got) < len(lists) / 2
    new = next(item for item in lists[min(got)].cross_sell if item.item_id == "new")
    assert [reason.feature for reason in new.because][-1] == "NEW"
    by_score = {u for u, record in without.items() if any(item.item_id == "new" for item in record.cross_sell)}
    assert len(by_score) < len(got) / 5  # whose vectors are near the title's
    shop.close()
    control.close()


def test_an_unknown_user_gets_what_is_popular_in_the_context(sample_shop: SampleShop) -> None:
    weights = {item.item_id: item.popularity for item in popular(sample_shop, None).items}
    assert max(weights.values()) == next(iter(weights.values())) == 1.0
    assert len({item.category for item in popular(sample_shop, None).items}) >= 3
    christmas = popular(sample_shop, "Derived > Christmas").items
    assert len(christmas) == 10
    assert {item.category for item in christmas} == {"Derived > Christmas"}
    assert [i.popularity for i in christmas] == sorted((i.popularity for i in christmas), reverse=True)


def test_popular_records_are_keyed_by_context_and_published_when_they_change(sample_shop: SampleShop) -> None:
    shop = sample_shop.fork()
    topic = shop.settings.topics.popular
    # The new owner does not know what its predecessor published: everything once more, then nothing.
    published = len(shop.values(topic))
    shop.rest()
    assert len(shop.values(topic)) == published
    keys = [record.key.decode() for log in shop.pipeline.log.topics[topic] for record in log]
    assert {"shop", "category|Derived > Christmas", "category|Derived"} <= set(keys)
    shop.close()


def test_no_list_is_of_one_category(sample_shop: SampleShop) -> None:
    for record in sample_shop.published().values():
        assert len({item.category for item in record.cross_sell}) > 1
