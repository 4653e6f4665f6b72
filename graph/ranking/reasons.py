"""From chosen candidates to the published lists: names instead of numbers, and a path for every contribution."""

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

import msgspec
import numpy as np

from graph.model import Family
from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.cross_candidates import CrossCandidates
from graph.ranking.features import MILLIONTHS, Vectors
from graph.ranking.likeness import Likest
from graph.ranking.lists import CrossSell, Reason, UpSell
from graph.ranking.origins import (
    Reached,
    Without,
    factors_without_categories,
    nearest_anchors,
    next_best,
    strongest_steps,
    without_each,
)
from graph.ranking.ragged import FloatArray
from graph.ranking.shop import Shop
from graph.ranking.steps import strongest_sources
from graph.ranking.up_candidates import UpCandidates

Entry = TypeVar("Entry", CrossSell, UpSell)


Edge = tuple[str, str, int, float | None]
"""Feature, name of the source, users, lift."""

Association = tuple[str, str | None, int | None, float | None]
"""The same of an association; no source, users or lift where the item would not score less without the source."""


def cross_sell_lists(
    shop: Shop,
    batch: ProfileBatch,
    names: Sequence[str],
    found: CrossCandidates,
    parts: IntArray,
    chosen: IntArray,
    propensities: FloatArray,
    likest: tuple[Likest, Likest],
    half: float,
) -> list[tuple[CrossSell, ...]]:
    """Return one list per user.

    parts: (7, candidates) contributions of association, transitions, embedding, likeness, words, repeats and
    popularity; chosen: (users, length) places in the candidates, -1 for none; propensities: (users,) of what stands in
    the last place; likest: where likeness and words of each chosen item come from, user by user; half: the strength of
    transitions that counts half. A feature that says nothing of an item is left out; an item of which nothing speaks is
    there for its popularity, however small.
    """
    picked = chosen[chosen >= 0]
    without = without_each(batch, found, picked)
    new = frozenset(shop.items.ids.names(shop.newcomers.tolist()))
    columns = zip(
        found.users[picked].tolist(),
        shop.items.ids.names(found.rows[picked].tolist()),
        found.categories[picked].tolist(),
        (parts[:, picked].sum(axis=0) / MILLIONTHS).tolist(),
        *(parts[:, picked] / MILLIONTHS).tolist(),
        _association_edges(shop, batch, found, parts, picked, half),
        _transition_edges(shop, batch, found, picked, without, viewed="ITEM_VIEWED_NEXT"),
        *_likeness_origins(batch, parts, picked, likest, without, half),
        strict=True,
    )
    entries = []
    for user, item_id, code, score, *contributed, associated, stepped, resembled, worded in columns:
        association, transition, embedding, likeness, words, repeat, popularity = contributed
        name, category = names[user], shop.items.categories[code] if code >= 0 else None
        because = []
        if associated is not None and category is not None:
            feature, source, users, lift = associated
            path = (name, item_id) if source is None else (name, source, category, item_id)
            because.append(Reason(feature, association, path, users, lift))
        if stepped is not None:
            feature, source, users, _ = stepped
            because.append(Reason(feature, transition, (name, source, item_id), users))
        if embedding:
            because.append(Reason("EMBEDDING", embedding, (name, item_id)))
        if likeness:
            because.append(Reason("LIKENESS", likeness, _path(name, resembled, item_id)))
        if words:
            because.append(Reason("WORDS", words, _path(name, worded, item_id)))
        if repeat:
            because.append(Reason("BOUGHT_BEFORE", repeat, (name, item_id)))
        if popularity or not because:
            because.append(Reason("POPULAR", popularity, (name, item_id)))
        if item_id in new:
            because.append(Reason("NEW", 0.0, (name, item_id)))
        entries.append(CrossSell(item_id, category, score, tuple(because)))
    lists = _split(entries, chosen)
    for user in np.flatnonzero(propensities < 1.0).tolist():
        *others, last = lists[user]
        lists[user] = *others, msgspec.structs.replace(last, propensity=float(propensities[user]))
    return lists


def up_sell_lists(
    shop: Shop,
    batch: ProfileBatch,
    names: Sequence[str],
    found: UpCandidates,
    parts: IntArray,
    chosen: IntArray,
    vectors: Vectors,
    half: float,
) -> list[tuple[UpSell, ...]]:
    """Return one list per user.

    parts: (5, candidates) contributions of transitions, embedding, price, repeats and popularity; half: the strength
    of transitions that counts half.
    """
    items, anchors = shop.items, batch.anchors
    picked = chosen[chosen >= 0]
    origin, without = found.anchors[picked], without_each(batch, found, picked)
    columns = zip(
        found.users[picked].tolist(),
        items.ids.names(found.rows[picked].tolist()),
        items.categories.names(anchors.categories[origin].tolist()),
        items.prices[found.rows[picked]].tolist(),
        [anchors.ids[anchor] for anchor in origin.tolist()],
        anchors.prices[origin].tolist(),
        _transition_edges(shop, batch, found, picked, without, viewed="VIEWED_NEXT"),
        (parts[:, picked].sum(axis=0) / MILLIONTHS).tolist(),
        zip(*(parts[:, picked] / MILLIONTHS).tolist(), strict=True),
        _price_origins(batch, found, parts, picked, without, half),
        nearest_anchors(shop, batch, found.users[picked], found.rows[picked], vectors),
        strict=True,
    )
    entries = []
    for user, item_id, category, price, anchor_id, anchor_price, stepped, score, contributed, below, near in columns:
        name, (transition, embedding, gain, repeat, popularity) = names[user], contributed
        because = []
        if stepped is not None:
            feature, source, users, _ = stepped
            because.append(Reason(feature, transition, (name, source, item_id), users))
        if embedding:
            because.append(Reason("EMBEDDING", embedding, _path(name, near, item_id)))
        if repeat:
            because.append(Reason("BOUGHT_BEFORE", repeat, (name, item_id)))
        if popularity:
            because.append(Reason("POPULAR", popularity, (name, item_id)))
        if gain or not because:
            because.append(Reason("PRICE", gain, _path(name, below, item_id)))
        entries.append(UpSell(item_id, category, score, price, anchor_id, anchor_price, tuple(because)))
    return _split(entries, chosen)


def _path(name: str, origin: str | None, item_id: str) -> tuple[str, ...]:
    return (name, item_id) if origin is None else (name, origin, item_id)


def _split(entries: Sequence[Entry], chosen: IntArray) -> list[tuple[Entry, ...]]:
    left = iter(entries)
    return [tuple(islice(left, count)) for count in (chosen >= 0).sum(axis=1).tolist()]


def _association_edges(
    shop: Shop, batch: ProfileBatch, found: CrossCandidates, parts: IntArray, picked: IntArray, half: float
) -> list[Association | None]:
    """Return the edge to name for each picked candidate whose category an interest leads to.

    Once the source's items are gone from the history, transitions from those before them may gain more than is lost.
    """
    reached = np.flatnonzero(found.associations[picked] > 0.0)
    candidates = picked[reached]
    sources, edges, values = strongest_sources(shop, batch, found.users[candidates], found.categories[candidates])
    associations, names = shop.category_steps.associations, shop.associations.categories.names(sources.tolist())
    association, transition = parts[:2, candidates]
    gained = transition * (factors_without_categories(batch, found, candidates, sources, half) - 1.0)
    lines: list[Association | None] = [None] * len(picked)
    for place, bought, source, crowd, lift, holds in zip(
        reached.tolist(),
        associations.bought[edges].tolist(),
        names,
        associations.users[edges].tolist(),
        associations.lift[edges].tolist(),
        (association * values / found.associations[candidates] > gained).tolist(),
        strict=True,
    ):
        feature = "BOUGHT_NEXT" if bought else "VIEWED_NEXT"
        lines[place] = (feature, source, crowd, lift) if holds else (feature, None, None, None)
    return lines


def _likeness_origins(
    batch: ProfileBatch,
    parts: IntArray,
    picked: IntArray,
    likest: tuple[Likest, Likest],
    without: Without,
    half: float,
) -> list[list[str | None]]:
    """Return the item of the history to name for each likeness, and for each sharing of words.

    None where the item would not score less without it: transitions from those before it may gain more by its absence
    than likeness and words lose together.
    """
    _, transition, _, like, words, _, _ = parts[:, picked]
    losses = [part * (1.0 - of.left) for part, of in zip((like, words), likest, strict=True)]
    one, other = likest
    named: list[list[str | None]] = []
    for of, lost in zip(likest, losses, strict=True):
        together = np.where(one.anchors == other.anchors, sum(losses), lost)
        gained = transition * (without.factors(of.anchors, half) - 1.0)
        ids: list[str | None] = [None] * len(picked)
        for place in np.flatnonzero((of.anchors >= 0) & (together > gained) & (lost > 0.0)).tolist():
            ids[place] = batch.anchors.ids[int(of.anchors[place])]
        named.append(ids)
    return named


def _price_origins(
    batch: ProfileBatch, found: UpCandidates, parts: IntArray, picked: IntArray, without: Without, half: float
) -> list[str | None]:
    """Return the anchor to name for each step up in price; None where the item would not score less without it.

    Another anchor's gain in price may be nearly as good, and transitions from those before it gain more than is lost.
    """
    anchors, (transition, _, gain, *_) = found.anchors[picked], parts[:, picked]
    left = next_best(found, parts[2], picked)
    gained = transition * (without.factors(anchors, half) - 1.0)
    named = (left < 0) | (gain - left > gained)
    return [batch.anchors.ids[anchor] if holds else None for anchor, holds in zip(anchors, named, strict=True)]


def _transition_edges(
    shop: Shop, batch: ProfileBatch, found: Reached, picked: IntArray, without: Without, *, viewed: str
) -> list[Edge | None]:
    """Return the edge to name for each picked candidate that steps lead to; ``viewed``: the feature of views."""
    reached = np.flatnonzero(found.transitions[picked] > 0.0)
    steps = found.steps
    best = strongest_steps(found, picked[reached], without.of(reached))
    users = {family: successors.users for family, successors in shop.item_steps.successors.items()}
    lines: list[Edge | None] = [None] * len(picked)
    for place, by_purchase, anchor, cell in zip(
        reached.tolist(),
        steps.bought[best].tolist(),
        steps.anchors[best].tolist(),
        steps.cells[best].tolist(),
        strict=True,
    ):
        family, feature = (Family.BOUGHT_NEXT, "ITEM_BOUGHT_NEXT") if by_purchase else (Family.VIEWED_NEXT, viewed)
        lines[place] = feature, batch.anchors.ids[anchor], int(users[family][cell]), None
    return lines
