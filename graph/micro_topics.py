"""A user's micro-topics: the finest interests, from the history and what each item is about.

share = Σ a(kind) · 2^(-(t - occurred_at) / half-life) over the history's interactions with items of the topic, divided
by the same sum over the whole history. All of it fades alike, so a share is the same at any time t: only what the user
does changes it. What was taken back is not in a history, and counts nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from graph.model import Kind
from graph.ranking.codes import IntArray
from graph.ranking.items import ItemIndex
from graph.ranking.profile import UserProfile
from graph.ranking.ragged import group_starts, place_in_group
from graph.settings import InterestSettings

FloatArray = NDArray[np.float64]

_SHARE_STEPS = 10_000
"""Shares have four digits, rounded down, so that they never add up to more than 1."""

_EQUALLY_NEAR = 1e-5
"""More than rounding can make of two cosines of float32 vectors: what differs by less is a tie."""


class MicroTopic(msgspec.Struct, frozen=True, gc=False):
    """One of a user's micro-topics. ``item_id`` is the medoid: the item of the history that is most typical of it."""

    name: str
    share: float
    item_id: str


def micro_topics(
    profiles: Sequence[UserProfile],
    items: ItemIndex,
    vectors: NDArray[np.float32],
    settings: InterestSettings,
    most: int,
) -> list[tuple[MicroTopic, ...]]:
    """Return each user's strongest micro-topics, at most ``most``, by falling share, then name.

    vectors: (items, d) at unit length, zeros where there is none. Shares add up to at most 1: the rest is in further
    topics, and in items without one. The medoid is the topic's item with the greatest cosine to the mean of the topic's
    vectors, each weighted as in the share; of equally near ones the latest, then the first by id. Nothing depends on
    who else is in the batch, nor on the order in which items came.
    """
    found: list[list[MicroTopic]] = [[] for _ in profiles]
    if most and len(items.micro_topics) and any(profile.history for profile in profiles):
        touched = _touched(profiles, items, settings)
        groups, group_of = _strongest(touched, items, most)
        medoids = _medoids(touched, group_of, len(groups.users), vectors)
        names = items.micro_topics.names(groups.topics.tolist())
        ids = items.ids.names(medoids.tolist())
        for user, name, share, item_id in zip(groups.users.tolist(), names, groups.shares.tolist(), ids, strict=True):
            found[user].append(MicroTopic(name, share, item_id))
    return [tuple(topics) for topics in found]


@dataclass(frozen=True, slots=True)
class _Touched:
    """Items of the users' histories that the catalogue knows: (p,) each, ascending by user, then item id.

    weights: of the interactions with the item, at the user's latest one (``latest`` of the item, ms). sums: (users,)
    of the weights of the whole history.
    """

    users: IntArray
    rows: IntArray
    weights: FloatArray
    latest: IntArray
    sums: FloatArray


@dataclass(frozen=True, slots=True)
class _Groups:
    """The users' strongest topics: (g,) each, best first for each user. topics: codes."""

    users: IntArray
    topics: IntArray
    shares: FloatArray


def _touched(profiles: Sequence[UserProfile], items: ItemIndex, settings: InterestSettings) -> _Touched:
    adds = {
        Kind.CLICK: settings.click_weight,
        Kind.VIEW: settings.view_weight,
        Kind.ADD_TO_CART: settings.add_to_cart_weight,
        Kind.PURCHASE: settings.purchase_weight,
    }
    entries = [entry for profile in profiles for entry in profile.history]
    users = np.repeat(np.arange(len(profiles)), [len(profile.history) for profile in profiles])
    rows = items.ids.get_all(entry.item_id for entry in entries)
    at = np.array([entry.occurred_at for entry in entries], dtype=np.int64)
    # Histories are oldest first; relative to the latest interaction nothing of a shop of years ago is lost to rounding.
    now = np.array([p.history[-1].occurred_at if p.history else 0 for p in profiles], dtype=np.int64)
    weights = np.array([adds.get(entry.kind, 0.0) for entry in entries])
    weights *= np.exp2((at - now[users]) / (1000.0 * settings.half_life_seconds))
    sums = np.bincount(users, weights, minlength=len(profiles)).astype(np.float64)
    known = rows >= 0
    ranks = items.ids.ranks()
    first, pair = _grouped(users[known] * len(items) + ranks[rows[known]])
    latest = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(latest, pair, at[known])
    weights = np.bincount(pair, weights[known], minlength=len(first)).astype(np.float64)
    return _Touched(users[known][first], rows[known][first], weights, latest, sums)


def _strongest(touched: _Touched, items: ItemIndex, most: int) -> tuple[_Groups, IntArray]:
    """Return the groups, and (p,) the group of each touched item, -1 for none."""
    topics = items.micro_topic_codes[touched.rows].astype(np.int64)
    counted = np.flatnonzero((topics >= 0) & (touched.weights > 0.0))
    ranks = items.micro_topics.ranks()
    first, group = _grouped(touched.users[counted] * len(ranks) + ranks[topics[counted]])
    users, topics = touched.users[counted][first], topics[counted][first]
    weights = np.bincount(group, touched.weights[counted], minlength=len(first))
    # The little more keeps 0.3 from becoming 0.2999.
    shares = np.floor(weights / touched.sums[users] * _SHARE_STEPS + 1e-6) / _SHARE_STEPS
    order = np.lexsort((-shares, users))  # stable: equal shares stay in the order of their names
    place = place_in_group(group_starts(users[order]), len(order))
    order = order[(place < most) & (shares[order] > 0.0)]
    number = np.full(len(first), -1, dtype=np.int64)
    number[order] = np.arange(len(order))
    group_of = np.full(len(touched.rows), -1, dtype=np.int64)
    group_of[counted] = number[group]
    return _Groups(users[order], topics[order], shares[order]), group_of


def _grouped(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Return (g,) a place of each distinct key, ascending by key, and (n,) the group of each key."""
    order = np.argsort(keys)  # which one of equal keys comes first makes no difference: whatever stands there is equal
    starts = group_starts(keys[order])
    group = np.empty(len(keys), dtype=np.int64)
    group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(keys))))
    return order[starts], group


def _medoids(touched: _Touched, group_of: IntArray, groups: int, vectors: NDArray[np.float32]) -> IntArray:
    """Return (groups,) the row of each group's medoid."""
    member = np.flatnonzero(group_of >= 0)
    group, rows = group_of[member], touched.rows[member]
    members = vectors[rows].astype(np.float64)
    spread = csr_array((touched.weights[member], (group, np.arange(len(member)))), (groups, len(member)))
    means: FloatArray = spread @ members
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    cosines = np.einsum("md,md->m", members, means[group])
    best = np.full(groups, -np.inf)
    np.maximum.at(best, group, cosines)
    near = np.flatnonzero(cosines >= best[group] - _EQUALLY_NEAR)
    order = near[np.lexsort((-touched.latest[member][near], group[near]))]  # stable: ties stay in the order of ids
    medoids: IntArray = rows[order[group_starts(group[order])]]
    return medoids
