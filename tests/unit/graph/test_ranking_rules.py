"""What must hold of every list, in any shop."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import Family, ItemRow, Level
from graph.ranking.features import closeness
from graph.ranking.items import ItemIndex
from graph.ranking.lists import CrossSell, Reason, UpSell
from graph.ranking.profile import UserProfile
from graph.ranking.ranker import Ranker
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import (
    ASSOCIATIONS,
    TIGHT,
    ToyShop,
    build_shop,
    shops,
)

# A ranking takes some ms, more on a busy machine: no deadline, and fewer examples where one ranks many times.
some = settings(deadline=None, max_examples=60)
few = settings(deadline=None, max_examples=30)

STEPS = {"BOUGHT_NEXT", "VIEWED_NEXT", "ITEM_BOUGHT_NEXT", "ITEM_VIEWED_NEXT"}


def owned_recently(profile: UserProfile, settings: ListSettings) -> set[str]:
    horizon = profile.now - 1000 * settings.owned_seconds
    return {item for item, bought_at in profile.owned.items() if bought_at >= horizon}


def category_for(shop: ToyShop, profile: UserProfile, item_id: str) -> str | None:
    rows = {row.item_id: row for row in shop.rows}
    category = rows[item_id].category if item_id in rows else None
    return category or profile.hints.get(item_id)


def home(shop: ToyShop, profile: UserProfile) -> set[str | None]:
    strongest = {interest.category for interest in profile.interests[: shop.ranking.home_interests]}
    latest = category_for(shop, profile, profile.history[-1].item_id) if profile.history else None
    return strongest | {latest} - {None}


@some
@given(shops())
def test_lists_hold_distinct_listed_items_that_are_not_owned(shop: ToyShop) -> None:
    for profile, lists in zip(shop.profiles, shop.rank(), strict=True):
        assert lists.user_id == profile.user_id
        forbidden = owned_recently(profile, shop.settings)
        for entries in (lists.cross_sell, lists.up_sell):
            ids = [entry.item_id for entry in entries]
            assert len(set(ids)) == len(ids) <= shop.settings.size
            assert set(ids) <= shop.listed.keys() - forbidden
            assert [entry.category for entry in entries] == [shop.listed[item].category for item in ids]


@some
@given(shops())
def test_a_score_is_the_sum_of_its_published_contributions(shop: ToyShop) -> None:
    for lists in shop.rank():
        entries: list[CrossSell | UpSell] = [*lists.cross_sell, *lists.up_sell]
        for entry in entries:
            assert entry.because
            assert entry.score == pytest.approx(sum(reason.contribution for reason in entry.because), abs=1e-9)
            for number in (entry.score, *(reason.contribution for reason in entry.because)):
                assert number == round(number, 6) >= 0
            assert all(reason.path[0] == lists.user_id for reason in entry.because)
            assert all(reason.path[-1] == entry.item_id for reason in entry.because)
            features = [reason.feature for reason in entry.because]
            assert len(set(features)) == len(features)


@some
@given(shops())
def test_a_cross_sell_items_category_is_not_among_those_earlier_in_its_path(shop: ToyShop) -> None:
    for profile, lists in zip(shop.profiles, shop.rank(), strict=True):
        for entry in lists.cross_sell:
            for reason in entry.because:
                if reason.feature in {"BOUGHT_NEXT", "VIEWED_NEXT"} and len(reason.path) > 2:
                    _, source, target, _ = reason.path
                    assert target == entry.category != source
                    assert source in {interest.category for interest in profile.interests}
                elif len(reason.path) > 2:
                    assert reason.feature in {"ITEM_BOUGHT_NEXT", "ITEM_VIEWED_NEXT", "LIKENESS", "WORDS"}
                    _, source, _ = reason.path
                    assert source in {item.item_id for item in profile.history}
                    assert category_for(shop, profile, source) not in {None, entry.category}
                else:
                    unnamed = {"BOUGHT_NEXT", "VIEWED_NEXT", "LIKENESS", "WORDS"}
                    assert reason.feature in unnamed | {"EMBEDDING", "POPULAR", "NEW"}


def reached(entry: CrossSell) -> bool:
    return any(reason.feature in STEPS for reason in entry.because)


@some
@given(shops())
def test_what_nothing_leads_to_is_of_another_category_unless_nothing_else_is_left(shop: ToyShop) -> None:
    for profile, lists in zip(shop.profiles, shop.rank(), strict=True):
        at_home = home(shop, profile)
        left = shop.listed.keys() - owned_recently(profile, shop.settings)
        away = {item for item in left if shop.listed[item].category not in {None, *at_home}}
        found = lists.cross_sell
        if away or any(reached(entry) for entry in found):
            assert all(reached(entry) or entry.category not in {None, *at_home} for entry in found)
            assert len(found) >= min(len(away), shop.settings.size)
        elif any(shop.listed[item].category is not None for item in left):
            assert found
            assert all(entry.category is not None for entry in found)
        else:
            assert len(found) == min(len(left), shop.settings.size)


@some
@given(shops())
def test_numbers_of_a_reason_are_those_of_its_edge(shop: ToyShop) -> None:
    associations = shop.associations()

    def check(reason: Reason, level: Level, source: str, target: str) -> None:
        edge = associations.statistics(level, Family(reason.feature.removeprefix("ITEM_")), source, target)
        assert edge is not None
        assert reason.users == edge.users
        if level is Level.CATEGORY:
            assert edge.users >= ASSOCIATIONS.min_users
            assert edge.log_likelihood_ratio >= ASSOCIATIONS.min_log_likelihood_ratio
            assert reason.lift == pytest.approx(edge.lift, rel=1e-12)
        else:
            assert reason.lift is None

    for lists in shop.rank():
        for entry in lists.cross_sell:
            for reason in entry.because:
                if reason.feature in {"BOUGHT_NEXT", "VIEWED_NEXT"}:
                    if len(reason.path) == 2:
                        assert (reason.users, reason.lift) == (None, None)
                        continue
                    check(reason, Level.CATEGORY, reason.path[1], reason.path[2])
                elif reason.feature in STEPS:
                    check(reason, Level.ITEM, reason.path[1], reason.path[2])
        for up in lists.up_sell:
            for reason in up.because:
                if reason.feature == "VIEWED_NEXT":
                    check(reason, Level.ITEM, reason.path[1], reason.path[2])


@some
@given(shops())
def test_no_category_exceeds_its_cap_while_others_are_left(shop: ToyShop) -> None:
    for profile, lists in zip(shop.profiles, shop.rank(), strict=True):
        counts = Counter(entry.category for entry in lists.cross_sell)
        over = [category for category, count in counts.items() if count > shop.settings.max_per_category]
        if not over or not any(
            reached(entry) or entry.category not in home(shop, profile) for entry in lists.cross_sell
        ):
            continue
        chosen = {entry.item_id for entry in lists.cross_sell}
        others = {
            row.category
            for item, row in shop.listed.items()
            if item not in chosen
            and item not in owned_recently(profile, shop.settings)
            and row.category not in {None, *home(shop, profile)}
        }
        for category in others:
            assert counts[category] >= shop.settings.max_per_category


@some
@given(shops())
def test_up_sell_is_dearer_within_the_band_and_no_worse(shop: ToyShop) -> None:
    rules = shop.settings
    rows = {row.item_id: row for row in shop.rows}
    for profile, lists in zip(shop.profiles, shop.rank(), strict=True):
        latest = list(dict.fromkeys(item.item_id for item in reversed(profile.history)))[: rules.anchors]
        for entry in lists.up_sell:
            row, anchor = rows[entry.item_id], rows.get(entry.anchor_item_id, ItemRow("none"))
            assert entry.anchor_item_id in latest
            assert entry.item_id != entry.anchor_item_id
            assert row.category == category_for(shop, profile, entry.anchor_item_id)
            price, currency = anchor.price, anchor.currency
            if price is None:
                named = [item for item in profile.history if item.item_id == entry.anchor_item_id and item.price]
                price, currency = named[-1].price, named[-1].currency
            assert price is not None
            assert (entry.price, entry.anchor_price) == (row.price, price)
            assert row.currency == currency
            assert price < entry.price
            assert price * rules.up_sell_min_ratio <= entry.price <= price * rules.up_sell_max_ratio
            assert row.quality is None or anchor.quality is None or row.quality >= anchor.quality


@some
@given(shops())
def test_up_sell_is_empty_only_when_nothing_fits(shop: ToyShop) -> None:
    """With catalogue prices and categories only, so that the expectation is simple."""
    rules, rows = shop.settings, {row.item_id: row for row in shop.rows}
    for profile, lists in zip(shop.profiles, shop.rank(), strict=True):
        latest = list(dict.fromkeys(item.item_id for item in reversed(profile.history)))[: rules.anchors]
        fitting = {
            row.item_id
            for anchor in (rows[item] for item in latest if item in rows)
            for row in shop.listed.values()
            if anchor.price and anchor.category and row.price
            if (row.category, row.currency) == (anchor.category, anchor.currency)
            if anchor.price * rules.up_sell_min_ratio <= row.price <= anchor.price * rules.up_sell_max_ratio
            if row.quality is None or anchor.quality is None or row.quality >= anchor.quality
        } - owned_recently(profile, rules)
        assert len(lists.up_sell) >= min(len(fitting), rules.size)


@few
@given(shops() | shops(TIGHT))
def test_lists_do_not_depend_on_the_micro_batch(shop: ToyShop) -> None:
    together = shop.rank()
    assert [shop.rank([profile])[0] for profile in shop.profiles] == together
    assert shop.rank(list(reversed(shop.profiles))) == together[::-1]
    assert shop.rank([*shop.profiles] * 3) == together * 3


def test_lists_do_not_depend_on_how_many_are_ranked() -> None:
    """More users than are worked on at a time, and a shop with vectors and ties of every kind."""
    shop = build_shop(11, items=60, categories=6, users=300, settings=ListSettings())
    together = shop.rank()
    for start in (0, 37, 255, 299):
        assert shop.rank(shop.profiles[start : start + 9]) == together[start : start + 9]
    assert len({lists.cross_sell for lists in together}) > 50


def test_closeness_of_a_pair_does_not_depend_on_the_others() -> None:
    random = np.random.default_rng(2)
    embeddings = random.standard_normal((40, 64), dtype=np.float32) * np.float32(0.125)
    vectors = random.standard_normal((90, 64), dtype=np.float32) * np.float32(0.125)
    users, rows = random.integers(0, 40, 9000), random.integers(0, 90, 9000)
    together = closeness(embeddings, vectors, users, rows)
    assert together == pytest.approx(np.clip((embeddings @ vectors.T)[users, rows], 0, 1), abs=1e-6)
    for place in (0, 1, 4095, 4096, 8999):
        user, row = users[place], rows[place]
        alone = closeness(embeddings[user : user + 1], vectors[row : row + 1], np.zeros(1, int), np.zeros(1, int))
        assert alone[0] == together[place]


@few
@given(shops() | shops(TIGHT), st.integers(0, 1000))
def test_lists_do_not_depend_on_the_order_in_which_a_replica_read(shop: ToyShop, seed: int) -> None:
    random = Random(seed)
    rows, records = list(shop.rows), list(shop.records)
    random.shuffle(rows)
    random.shuffle(records)
    assert shop.rank(rows=rows, records=records) == shop.rank()


@few
@given(shops(TIGHT), shops(TIGHT))
def test_a_replica_that_changed_ranks_like_a_new_one(before: ToyShop, after: ToyShop) -> None:
    """Everything kept between calls follows what it was made of."""
    items, associations = ItemIndex(), before.associations()
    ranker = Ranker(items, associations, after.settings, after.ranking)
    for row in before.rows:
        items.upsert(row)
    before.rank_with(ranker, items, before.profiles)
    for record in before.records:
        associations.remove(record.level, record.source)
    for row in before.rows:
        items.remove(row.item_id)
    for row in after.rows:
        items.upsert(row)
    for record in after.records:
        associations.upsert(record)
    expected = after.rank()
    after.vectors = {**before.vectors, **after.vectors}
    assert after.rank_with(ranker, items, after.profiles) == expected
