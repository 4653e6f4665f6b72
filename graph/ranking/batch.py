"""Profiles of a micro-batch as flat arrays in the shop's numbering."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.model import Level
from graph.ranking.codes import ABSENT, IntArray
from graph.ranking.profile import UserProfile
from graph.ranking.ragged import BoolArray, FloatArray
from graph.ranking.settings import RankingSettings
from graph.ranking.shop import Shop
from graph.settings import ListSettings

UNKNOWN = ABSENT
"""Category code of an item that nobody ever gave a category."""

ELSEWHERE = -2
"""Code of a category or currency that the catalogue does not have, and so differs from all it has."""


@dataclass(frozen=True, slots=True)
class Interests:
    """The strongest interests of all users: owner, association category code, weight relative to the strongest."""

    users: IntArray
    sources: IntArray
    weights: FloatArray


@dataclass(frozen=True, slots=True)
class Anchors:
    """The latest distinct items of all users, latest first.

    places: 0 for the latest; nodes: association item codes; rows, categories: of the catalogue; sources: association
    codes of the categories, which the catalogue need not have, ABSENT for none; decays: how much less than the latest
    it counts; prices: NaN for none; currencies; ids: item ids.
    """

    users: IntArray
    places: IntArray
    nodes: IntArray
    rows: IntArray
    categories: IntArray
    sources: IntArray
    decays: FloatArray
    prices: FloatArray
    currencies: IntArray
    ids: list[str]


@dataclass(frozen=True, slots=True)
class ProfileBatch:
    """Users 0..size-1 of a micro-batch.

    home: (size, h) catalogue codes of the strongest interests and of the latest item, padded with ELSEWHERE; owned:
    ascending user * n + row of the items bought recently; bought_in: (size, categories + 1) which categories
    were bought in recently; the last one is that of having none;
    ignored: ascending user * n + row of the items shown in vain, and their factors; repeats: of those bought before,
    and their strengths in [0, 1]; nows: latest event times in ms.
    """

    size: int
    interests: Interests
    anchors: Anchors
    home: IntArray
    owned: IntArray
    bought_in: BoolArray
    ignored: IntArray
    ignored_factors: FloatArray
    repeats: IntArray
    repeat_strengths: FloatArray
    nows: list[int]


def gather_profiles(
    profiles: Sequence[UserProfile], shop: Shop, settings: ListSettings, ranking: RankingSettings
) -> ProfileBatch:
    """Look every name of the profiles up, once."""
    anchors = _anchors(profiles, shop, ranking, max(ranking.history_items, settings.anchors))
    owned, bought_in = _owned(profiles, shop, settings)
    ignored, times_ignored = _by_row([profile.ignored for profile in profiles], shop)
    repeats, strengths = _by_row([profile.repeats for profile in profiles], shop)
    return ProfileBatch(
        size=len(profiles),
        interests=_interests(profiles, shop, ranking.interest_sources),
        anchors=anchors,
        home=_home(profiles, shop, anchors, ranking.home_interests),
        owned=owned,
        bought_in=bought_in,
        ignored=ignored,
        ignored_factors=settings.ignored_factor**times_ignored,
        repeats=repeats,
        repeat_strengths=strengths,
        nows=[profile.now for profile in profiles],
    )


def _interests(profiles: Sequence[UserProfile], shop: Shop, most: int) -> Interests:
    names: list[str] = []
    weights: list[float] = []
    counts = []
    for profile in profiles:
        interests = profile.interests[:most]
        counts.append(len(interests))
        names += [interest.category for interest in interests]
        # Weights decayed to one time, whichever it is, relate as 2 to the difference of their rank keys.
        weights += [math.exp2(interest.rank_key - interests[0].rank_key) for interest in interests]
    sources = shop.associations.categories.get_all(names)
    known = sources != ABSENT
    return Interests(_owners(counts)[known], sources[known], np.array(weights, dtype=np.float64)[known])


def _home(profiles: Sequence[UserProfile], shop: Shop, anchors: Anchors, most: int) -> IntArray:
    home = np.full((len(profiles), most + 1), ELSEWHERE, dtype=np.int64)
    names: list[str] = []
    counts = []
    for profile in profiles:
        interests = profile.interests[:most]
        counts.append(len(interests))
        names += [interest.category for interest in interests]
    home[_owners(counts), _places(counts)] = shop.items.categories.get_all(names)
    latest = np.flatnonzero(anchors.places == 0)
    home[anchors.users[latest], -1] = anchors.categories[latest]
    home[home < 0] = ELSEWHERE
    return home


def _anchors(profiles: Sequence[UserProfile], shop: Shop, ranking: RankingSettings, most: int) -> Anchors:
    ids: list[str] = []
    counts = []
    for profile in profiles:
        latest = list(dict.fromkeys([entry.item_id for entry in reversed(profile.history)]))[:most]
        counts.append(len(latest))
        ids += latest
    users, places = _owners(counts), _places(counts)
    rows = shop.items.ids.get_all(ids)
    prices, currencies = _prices(profiles, users, ids, rows, shop)
    categories = _categories(profiles, users, ids, rows, shop)
    return Anchors(
        users=users,
        places=places,
        nodes=shop.associations.level(Level.ITEM).nodes.get_all(ids),
        rows=rows,
        categories=categories,
        sources=_sources(profiles, users, ids, categories, shop),
        decays=np.maximum(ranking.history_decay ** np.arange(most), ranking.history_floor)[places],
        prices=prices,
        currencies=currencies,
        ids=ids,
    )


def _owned(profiles: Sequence[UserProfile], shop: Shop, settings: ListSettings) -> tuple[IntArray, BoolArray]:
    ids: list[str] = []
    counts = []
    for profile in profiles:
        horizon = profile.now - 1000.0 * settings.owned_seconds
        recent = [item_id for item_id, bought_at in profile.owned.items() if bought_at >= horizon]
        counts.append(len(recent))
        ids += recent
    users, rows = _owners(counts), shop.items.ids.get_all(ids)
    categories = _categories(profiles, users, ids, rows, shop)
    bought_in = np.zeros((len(profiles), len(shop.items.categories) + 1), dtype=np.bool_)
    bought_in[users[categories >= 0], categories[categories >= 0]] = True
    return np.sort((users * len(shop.items) + rows)[rows >= 0]), bought_in


def _by_row(of_users: Sequence[Mapping[str, float]], shop: Shop) -> tuple[IntArray, FloatArray]:
    """Return ascending user * n + row of the items that the catalogue has, and their numbers."""
    rows = shop.items.ids.get_all(item_id for numbers in of_users for item_id in numbers)
    values = np.array([value for numbers in of_users for value in numbers.values()], dtype=np.float64)
    keys = _owners([len(numbers) for numbers in of_users]) * len(shop.items) + rows
    known = np.flatnonzero(rows >= 0)
    order = known[np.argsort(keys[known])]
    return keys[order], values[order]


def _categories(
    profiles: Sequence[UserProfile], users: IntArray, ids: Sequence[str], rows: IntArray, shop: Shop
) -> IntArray:
    categories = np.full(len(rows), UNKNOWN, dtype=np.int64)
    categories[rows >= 0] = shop.items.category_codes[rows[rows >= 0]]
    for place in np.flatnonzero(categories < 0).tolist():
        hint = profiles[users[place]].hints.get(ids[place])
        if hint is not None:
            code = shop.items.categories.get(hint)
            categories[place] = ELSEWHERE if code == ABSENT else code
    return categories


def _sources(
    profiles: Sequence[UserProfile], users: IntArray, ids: Sequence[str], categories: IntArray, shop: Shop
) -> IntArray:
    sources = np.full(len(categories), ABSENT, dtype=np.int64)
    known, get = categories >= 0, shop.associations.categories.get
    sources[known] = shop.associations.categories.get_all(shop.items.categories.names(categories[known].tolist()))
    for place in np.flatnonzero(categories == ELSEWHERE).tolist():
        sources[place] = get(profiles[users[place]].hints[ids[place]])
    return sources


def _prices(
    profiles: Sequence[UserProfile], users: IntArray, ids: Sequence[str], rows: IntArray, shop: Shop
) -> tuple[FloatArray, IntArray]:
    prices, currencies = np.full(len(rows), np.nan), np.full(len(rows), ABSENT, dtype=np.int64)
    prices[rows >= 0] = shop.items.prices[rows[rows >= 0]]
    currencies[rows >= 0] = shop.items.currency_codes[rows[rows >= 0]]
    for place in np.flatnonzero(np.isnan(prices)).tolist():
        currencies[place] = ABSENT
        for entry in reversed(profiles[users[place]].history):
            if entry.item_id == ids[place] and entry.price is not None:
                prices[place] = entry.price
                if entry.currency is not None:
                    code = shop.items.currencies.get(entry.currency)
                    currencies[place] = ELSEWHERE if code == ABSENT else code
                break
    return prices, currencies


def _owners(counts: Sequence[int]) -> IntArray:
    return np.repeat(np.arange(len(counts)), counts)


def _places(counts: Sequence[int]) -> IntArray:
    lengths = np.array(counts, dtype=np.int64)
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
