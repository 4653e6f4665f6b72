"""Candidates of cross-sell: where interests and items lead, what is near in meaning, what is popular elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.ragged import BoolArray, FloatArray, group_starts, place_in_group, ranges, sort_order
from graph.ranking.repeats import bought_elsewhere, repeat_rows
from graph.ranking.rules import away_from_home, not_owned, owned_rows
from graph.ranking.settings import RankingSettings
from graph.ranking.shop import Shop
from graph.ranking.steps import Steps, category_strengths
from graph.settings import ListSettings


@dataclass(frozen=True, slots=True)
class CrossCandidates:
    """Distinct (user, row) pairs that may be listed.

    associations: raw strength of the item's category, 0 if no interest leads there; strongest, totals: each user's
    largest, and sum; transitions: raw strength of the steps that lead to the item; these are steps[order[first :
    first + count]], with value 0 where ``order`` points beyond the steps;
    repeats: strength of having been bought before, in [0, 1].
    """

    users: IntArray
    rows: IntArray
    categories: IntArray
    associations: FloatArray
    strongest: FloatArray
    totals: FloatArray
    transitions: FloatArray
    repeats: FloatArray
    first: IntArray
    count: IntArray
    order: IntArray
    steps: Steps


def cross_candidates(
    shop: Shop,
    batch: ProfileBatch,
    steps: Steps,
    nearest: IntArray,
    alike: tuple[IntArray, IntArray],
    settings: ListSettings,
    ranking: RankingSettings,
) -> CrossCandidates:
    """Gather, merge and filter; ``steps``: of the users' histories, ``alike``: users and rows that share words.

    An item is listed and not owned. It is there because an interest leads to its category, or an item of another
    category to it (to anything of its category, for a newcomer), or because the user bought it before and its category
    is not the latest item's; or else its category is none of the user's home.
    Users who are left with nothing get what is popular anywhere, at last items without a category.
    """
    strengths = category_strengths(shop, batch)
    steps = _steps_away(shop, batch, steps).weighed(1.0, ranking.viewed_factor)
    parts = [
        (batch.anchors.users[steps.anchors], steps.rows),
        _associated(shop, strengths * np.where(batch.bought_in[:, :-1], settings.saturation, 1.0), ranking),
        _near(shop, nearest),
        alike,
        repeat_rows(shop, batch),
        _popular(shop, batch, settings.size),
    ]
    parts.append(_newcomers(shop, parts, batch.size))
    users = np.concatenate([part[0] for part in parts])
    rows = np.concatenate([part[1] for part in parts])
    order = sort_order([users, rows, np.arange(len(users))])
    first = group_starts((users * len(shop.items) + rows)[order])
    count = np.diff(np.append(first, len(order)))
    users, rows = users[order[first]], rows[order[first]]
    values = np.zeros(len(order))
    values[: len(steps.values)] = steps.values
    transitions = np.add.reduceat(values[order], first) if len(first) else values
    categories = shop.items.category_codes[rows].astype(np.int64)
    associations = strengths[users, categories]
    reached = (associations > 0.0) | (transitions > 0.0) | away_from_home(batch, users, categories)
    if len(shop.newcomers):
        reached |= np.isin(rows, shop.newcomers) & _stepped_to(shop, batch, steps)[users, categories]
    repeated = bought_elsewhere(shop, batch, users, rows)
    reached |= repeated > 0.0
    kept = np.flatnonzero(reached & not_owned(shop, batch, users, rows))
    lost = np.flatnonzero(np.bincount(users[kept], minlength=batch.size) == 0)
    last_users, last_rows = _anything(shop, batch, lost, ranking.pool)
    none = np.zeros(len(last_rows))
    nothing = np.zeros(len(last_rows), dtype=np.int64)
    return CrossCandidates(
        users=np.concatenate([users[kept], last_users]),
        rows=np.concatenate([rows[kept], last_rows]),
        categories=np.concatenate([categories[kept], shop.items.category_codes[last_rows]]),
        associations=np.concatenate([associations[kept], none]),
        strongest=strengths.max(axis=1, initial=0.0),
        totals=strengths.sum(axis=1),
        transitions=np.concatenate([transitions[kept], none]),
        repeats=np.concatenate([repeated[kept], none]),
        first=np.concatenate([first[kept], nothing]),
        count=np.concatenate([count[kept], nothing]),
        order=order,
        steps=steps,
    )


def _steps_away(shop: Shop, batch: ProfileBatch, steps: Steps) -> Steps:
    """Return the steps to items of other categories than that of the item that they start from."""
    return steps.select(shop.items.category_codes[steps.rows] != batch.anchors.categories[steps.anchors])


def _stepped_to(shop: Shop, batch: ProfileBatch, steps: Steps) -> BoolArray:
    """Return (users, categories): whether any step ends there."""
    stepped = np.zeros((batch.size, len(shop.items.categories)), dtype=np.bool_)
    stepped[batch.anchors.users[steps.anchors], shop.items.category_codes[steps.rows]] = True
    return stepped


def _associated(shop: Shop, strengths: FloatArray, ranking: RankingSettings) -> tuple[IntArray, IntArray]:
    shelves = shop.shelves
    users, categories = np.nonzero(strengths > 0.0)
    strongest = strengths.max(axis=1, initial=0.0)[users]
    # Compared to nine digits, so that equals are equals whatever rounding did, and then by path.
    descending = np.rint((1.0 - strengths[users, categories] / strongest) * 1e9).astype(np.int64)
    order = sort_order([users, descending, shop.items.categories.ranks()[categories]])
    places = place_in_group(group_starts(users[order]), len(order))
    order = order[places < ranking.target_categories]
    users, categories = users[order], categories[order]
    starts = shelves.starts[categories]
    lengths = np.minimum(shelves.starts[categories + 1] - starts, ranking.items_per_category)
    cells, owners = ranges(starts, lengths)
    return users[owners], shelves.rows[cells]


def _newcomers(shop: Shop, parts: Sequence[tuple[IntArray, IntArray]], size: int) -> tuple[IntArray, IntArray]:
    """Offer each user the newcomers of the categories that other candidates are of."""
    reached = np.zeros((size, len(shop.items.categories)), dtype=np.bool_)
    if len(shop.newcomers):
        for users, rows in parts:
            reached[users, shop.items.category_codes[rows]] = True
    users, places = np.nonzero(reached[:, shop.items.category_codes[shop.newcomers]])
    return users, shop.newcomers[places]


def _near(shop: Shop, nearest: IntArray) -> tuple[IntArray, IntArray]:
    users = np.repeat(np.arange(len(nearest)), nearest.shape[1])
    rows = nearest.reshape(-1)
    known = (rows >= 0) & (rows < len(shop.items))
    users, rows = users[known], rows[known]
    kept = shop.items.listed[rows] & (shop.items.category_codes[rows] >= 0)
    return users[kept], rows[kept]


def _popular(shop: Shop, batch: ProfileBatch, enough: int) -> tuple[IntArray, IntArray]:
    shortlist = shop.shelves.shortlist
    users, rows = np.repeat(np.arange(batch.size), len(shortlist)), np.tile(shortlist, batch.size)
    kept = away_from_home(batch, users, shop.items.category_codes[rows])
    kept &= not_owned(shop, batch, users, rows)
    users, rows = users[kept], rows[kept]
    if len(shop.shelves.everything) == len(shortlist):
        return users, rows
    short = np.flatnonzero(np.bincount(users, minlength=batch.size) < enough)
    more = [_popular_away(shop, batch, user, enough) for user in short.tolist()]
    users = np.concatenate([users, np.repeat(short, [len(found) for found in more])])
    return users, np.concatenate([rows, *more])


def _popular_away(shop: Shop, batch: ProfileBatch, user: int, enough: int) -> IntArray:
    rows = shop.shelves.everything
    owned = owned_rows(shop, batch, user)
    away = np.isin(shop.items.category_codes, batch.home[user], invert=True)[rows]
    rows = rows[away][: enough + len(owned)]
    return rows[np.isin(rows, owned, invert=True)][:enough]


def _anything(shop: Shop, batch: ProfileBatch, users: IntArray, most: int) -> tuple[IntArray, IntArray]:
    found = []
    for user in users.tolist():
        owned = owned_rows(shop, batch, user)
        for rows in (shop.shelves.everything, shop.shelves.uncategorised):
            left = rows[: most + len(owned)]
            left = left[np.isin(left, owned, invert=True)][:most]
            if len(left):
                break
        else:
            left = np.empty(0, dtype=np.int64)
        found.append(left)
    counts = [len(rows) for rows in found]
    return np.repeat(users, counts), np.concatenate([np.empty(0, dtype=np.int64), *found])
