import math
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import ItemRow
from graph.ranking.items import ItemIndex
from graph.ranking.lists import Reason
from graph.ranking.settings import RankingSettings
from graph.ranking.words import COMMON_SHARE, FEW_ITEMS, MANY_ITEMS, MOST_WORDS, ItemWords, words_of
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import ToyShop
from tests.unit.graph.test_ranking_toy_shop import toy_shop, user

ONLY_WORDS = ListSettings(
    category_feature=0.0,
    transition_feature=0.0,
    up_sell_transition_feature=0.0,
    embedding_feature=0.0,
    likeness_feature=0.0,
    words_feature=0.5,
    popularity_feature=0.0,
    diversity=0.0,
)


def catalogue(*titles: str) -> ItemWords:
    items = ItemIndex()
    for number, title in enumerate(titles):
        items.upsert(ItemRow(f"i{number}", title=title))
    return items.words


def alike(words: ItemWords, one: int, other: int) -> float:
    found = float(words.likeness(np.array([one])).of(np.array([0]), np.array([other]))[0])
    (of_the_pair,) = words.cosines(np.array([one]), np.array([other]))
    assert of_the_pair == pytest.approx(found, abs=1e-12)
    return found


def test_words_are_those_of_title_brand_and_the_category_that_was_given() -> None:
    row = ItemRow("i", title="Tea-Mug, RED", category="Kitchen > Mugs", brand="Emma  Bridgewater")
    assert words_of(row) == ["brand emma bridgewater", "category kitchen", "category mugs", "tea", "mug", "red"]
    assert words_of(ItemRow("i", title="mug", category="Kitchen > Mugs", derived=True)) == ["mug"]
    assert words_of(ItemRow("i")) == []
    assert len(words_of(ItemRow("i", title="a " * 1000))) == MOST_WORDS


def test_a_long_title_leaves_room_for_brand_and_category() -> None:
    title = "".join(chr(0x4E00 + number) for number in range(200))
    words = words_of(ItemRow("i", title=title, category="Kitchen > Mugs", brand="Emma"))
    assert words[:4] == ["brand emma", "category kitchen", "category mugs", title[:2]]
    assert len(words) == MOST_WORDS


def test_it_is_the_cosine_of_tf_idf_vectors() -> None:
    words = catalogue("red mug", "red card", "tin tin mug", "")
    red, mug, card = (math.log(4 / (1 + holders)) + 1 for holders in (2, 2, 1))
    tin = (math.log(4 / 2) + 1) * (1 + math.log(2))
    length = math.hypot(red, mug)
    assert alike(words, 0, 1) == pytest.approx(red * red / length / math.hypot(red, card))
    assert alike(words, 0, 2) == pytest.approx(mug * mug / length / math.hypot(mug, tin))
    assert alike(words, 0, 0) == pytest.approx(1.0)
    assert alike(words, 1, 2) == alike(words, 0, 3) == alike(words, 3, 3) == 0.0


def test_nothing_is_like_an_item_that_is_not_there() -> None:
    words = catalogue("red mug", "red card")
    found = words.likeness(np.array([-1, 7, 1]))
    assert found.of(np.array([0, 1, 2]), np.array([0, 0, 0])).tolist()[:2] == [0.0, 0.0]
    assert found.of(np.array([2, 2]), np.array([0, 7]))[1] == 0.0
    assert words.cosines(np.array([-1, 1, 7, 1]), np.array([0, -1, 0, 7])).tolist() == [0.0] * 4
    assert ItemWords().likeness(np.array([0])).of(np.array([0]), np.array([0])).tolist() == [0.0]


def test_a_word_that_nearly_every_item_has_says_nothing() -> None:
    titles = [f"gift w{number}" for number in range(FEW_ITEMS + 1)]
    assert alike(catalogue(*titles), 0, 1) == 0.0
    assert alike(catalogue(*titles[1:]), 0, 1) > 0.0


def test_what_changes_or_goes_is_counted_anew() -> None:
    items = ItemIndex()
    for name, title in (("a", "red mug"), ("b", "red card"), ("c", "tin")):
        items.upsert(ItemRow(name, title=title))
    before = alike(items.words, 0, 1)
    version = items.words.version
    items.upsert(ItemRow("a", title="Mug, red", price=3.0))
    assert items.words.version == version, "a price, or another order of words, is no news"
    items.upsert(ItemRow("c", title="red tin"))
    assert 0.0 < alike(items.words, 0, 1) < before, "the more items have a word, the less it says"
    items.remove("b")
    assert alike(items.words, 0, 1) == 0.0


titles = st.lists(st.text("abc ", max_size=6), min_size=2, max_size=8)


@settings(max_examples=100, deadline=None)
@given(titles, st.randoms(use_true_random=False))
def test_the_order_of_arrival_leaves_no_trace(texts: list[str], random: Random) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = catalogue(*[texts[number] for number in order])
    for one in range(len(texts)):
        for other in range(len(texts)):
            expected = alike(catalogue(*texts), one, other)
            assert alike(shuffled, order.index(one), order.index(other)) == expected


def plain_cosine(items: list[list[str]], one: int, other: int) -> float:
    """The formula of docs/lists.md, in the plainest way."""
    among = sum(1 for words in items if words)
    vectors = []
    for words in (items[one], items[other]):
        vector = {}
        for word in set(words):
            holders = sum(word in others for others in items)
            if holders <= max(FEW_ITEMS, min(COMMON_SHARE * among, MANY_ITEMS)):
                rarity = 1.0 + math.log((1 + among) / (1 + holders))
                vector[word] = (1.0 + math.log(words.count(word))) * rarity
        vectors.append(vector)
    lengths = [math.hypot(*vector.values()) for vector in vectors]
    product = sum(weight * vectors[1].get(word, 0.0) for word, weight in vectors[0].items())
    return product / lengths[0] / lengths[1] if product else 0.0


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[int, list[str], bool]]:
    """Rows, their new words (none for an item that goes), and whether somebody asks afterwards."""
    words = st.lists(st.sampled_from([*"abcdefgh", "common"]), max_size=5)
    return draw(st.lists(st.tuples(st.integers(0, 30), words, st.booleans()), max_size=80))


@settings(max_examples=60, deadline=None)
@given(changes(), st.sampled_from([0, 40]))
def test_what_changed_little_by_little_is_to_the_bit_what_is_counted_at_once(
    steps: list[tuple[int, list[str], bool]], crowd: int
) -> None:
    words, now = ItemWords(), {}
    for row in range(31, 31 + crowd):
        now[row] = ["common", "of", f"w{row}"]
        words.put(row, now[row])
    for row, new, asked in steps:
        now[row] = new
        words.put(row, new)
        if asked:
            words.likeness(np.array([row]))
    every = [now.get(row, []) for row in range(31 + crowd)]
    at_once = ItemWords()
    for row, new in enumerate(every):
        at_once.put(row, new)
    rows = np.arange(len(every))
    found, expected = words.likeness(rows), at_once.likeness(rows)
    assert (found.owners.tolist(), found.rows.tolist()) == (expected.owners.tolist(), expected.rows.tolist())
    assert found.cosines.tolist() == expected.cosines.tolist()
    assert (found.cosines > 0.0).all()
    for one, other in ((0, 1), (2, 2), (30, 3), (31, 4)):
        if max(one, other) < len(every):
            (cosine,) = found.of(np.array([one]), np.array([other]))
            assert cosine == pytest.approx(plain_cosine(every, one, other), abs=1e-9)


def test_the_nearest_are_those_with_the_largest_cosines_and_equals_by_rank() -> None:
    words = catalogue("red mug", "red card", "red tin", "red mug small", "lamp")
    found = words.likeness(np.array([0, -1, 4]))
    every = np.ones(len(found.rows), dtype=np.bool_)
    owners, rows = found.nearest(every, np.array([0, 2, 1, 3, 4]), 3)
    assert list(zip(owners.tolist(), rows.tolist(), strict=True)) == [(0, 0), (0, 3), (0, 2), (2, 4)]
    assert found.nearest(np.zeros(len(found.rows), dtype=np.bool_), np.arange(5), 3)[0].tolist() == []


def shop_of(*viewed: str, titles: dict[str, str], settings: ListSettings = ONLY_WORDS) -> ToyShop:
    """Ann viewed some items, the last of them lately; items have these titles, no category among their words."""
    shop = toy_shop(user("ann", *viewed, mugs=1.0), settings=settings)
    shop.rows = [msgspec.structs.replace(row, title=titles.get(row.item_id, ""), derived=True) for row in shop.rows]
    return shop


def words_reason(shop: ToyShop, item_id: str) -> Reason | None:
    entries = [entry for entry in shop.rank()[0].cross_sell if entry.item_id == item_id]
    reasons = [reason for entry in entries for reason in entry.because if reason.feature == "WORDS"]
    return reasons[0] if reasons else None


def test_the_item_of_another_category_that_shares_words_with_the_latest_one_comes_first() -> None:
    titles = {"mug-1": "owl mug", "mug-2": "frog mug", "card-2": "owl mug", "card-1": "frog mug"}
    shop = shop_of("mug-2", "mug-1", titles=titles)
    first = shop.rank()[0].cross_sell[0]
    assert first.item_id == "card-2"
    assert first.because == (Reason("WORDS", 0.5, ("ann", "mug-1", "card-2")),)


def test_items_of_the_latest_ones_category_are_unlike_it() -> None:
    shop = shop_of("mug-1", titles={"mug-1": "owl", "mug-2": "owl"})
    assert words_reason(shop, "mug-2") is None


def test_the_latest_item_is_not_named_where_the_one_before_shares_as_much() -> None:
    titles = {"mug-1": "owl", "mug-2": "owl", "card-2": "owl"}
    reason = words_reason(shop_of("mug-2", "mug-1", titles=titles), "card-2")
    assert reason is not None
    assert reason.path == ("ann", "card-2")
    alone = words_reason(shop_of("mug-1", titles=titles), "card-2")
    assert alone is not None
    assert alone.path == ("ann", "mug-1", "card-2")


def test_without_weight_it_is_no_reason() -> None:
    shop = shop_of("mug-1", titles={"mug-1": "owl", "card-2": "owl"})
    shop.settings = ONLY_WORDS.model_copy(update={"words_feature": 0.0, "popularity_feature": 1.0})
    assert words_reason(shop, "card-2") is None


def test_what_shares_words_is_offered_though_nothing_else_leads_there() -> None:
    """Of the shortlist of popular items there is only one, and no vector is near."""
    titles = {"mug-1": "owl", "card-2": "owl"}
    shop = shop_of("mug-1", titles=titles, settings=ONLY_WORDS.model_copy(update={"size": 1}))
    shop.ranking = RankingSettings(popular_items=1)
    shop.records = []
    assert [entry.item_id for entry in shop.rank()[0].cross_sell] == ["card-2"]
