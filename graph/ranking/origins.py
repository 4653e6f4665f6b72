"""Which part of a user's past a reason names: the one without which the item would score less.

Features are shares of the user's largest. A part of the past that feeds the largest candidate even more than the item
at hand holds the item down rather than up, however much it adds: it is not why the item is there.
"""

import numpy as np

from graph.ranking.batch import ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.cross_candidates import CrossCandidates
from graph.ranking.features import Vectors
from graph.ranking.ragged import FloatArray, first_of_largest, group_starts, is_among, ranges, sort_order
from graph.ranking.shop import Shop
from graph.ranking.up_candidates import UpCandidates

_ALL_BUT = 1.0 - 1e-9
_GRAIN = 1e6
_TINY = np.finfo(np.float64).tiny


Reached = CrossCandidates | UpCandidates
"""Candidates of either list, with the steps that lead to each."""


def parts_of_largest(batch: ProfileBatch, found: Reached) -> FloatArray:
    """Return (anchors,) each anchor's part in the strength of its user's largest candidate, 0 where that is 0."""
    order = sort_order([found.users, np.arange(len(found.users))])
    largest = order[first_of_largest(found.transitions[order], found.users[order])]
    largest = largest[found.transitions[largest] > 0.0]
    followed, owners = _steps_of(found, largest)
    parts = np.zeros(len(batch.anchors.ids))
    np.add.at(
        parts,
        found.steps.anchors[followed],
        found.steps.values[followed] / found.transitions[largest][owners],
    )
    return parts


def strongest_steps(found: Reached, picked: IntArray, of_largest: FloatArray) -> IntArray:
    """Return, for each picked candidate that steps lead to, the step to name: a place in ``found.steps``.

    It is a step from the anchor without which the feature would fall most: whose part of the item's strength exceeds
    its part of the user's largest candidate's (of :func:`parts_of_largest`) by most. Of its steps (one per family) the
    larger one, of equals the first.
    """
    if not len(picked):
        return picked
    steps = found.steps
    followed, owners = _steps_of(found, picked)
    values, anchors = steps.values[followed], steps.anchors[followed]
    lost = of_largest[anchors]
    part = _sums_by_anchor(values, owners, anchors) / found.transitions[picked][owners]
    missed = np.rint((part - lost) / (1.0 - np.minimum(lost, _ALL_BUT)) * _GRAIN)
    return followed[first_of_largest(missed + 0.5 * values / max(values.max(initial=0.0), _TINY), owners)]


def share_without(found: Reached, picked: IntArray, anchors: IntArray, of_largest: FloatArray) -> FloatArray:
    """Return by what factor the transitions' share of each picked candidate would change without one anchor.

    anchors: places in the batch's anchors, negative for none; of_largest: :func:`parts_of_largest`. At most by this:
    another candidate may be the largest then. 1 where no steps lead to the candidate.
    """
    factors = np.ones(len(picked))
    reached = np.flatnonzero((found.transitions[picked] > 0.0) & (anchors >= 0))
    if not len(reached):
        return factors
    candidates, gone = picked[reached], anchors[reached]
    followed, owners = _steps_of(found, candidates)
    own = found.steps.anchors[followed] == gone[owners]
    sums = np.bincount(owners[own], weights=found.steps.values[followed][own], minlength=len(reached))
    lost = of_largest[gone]
    factors[reached] = (1.0 - sums / found.transitions[candidates]) / (1.0 - np.minimum(lost, _ALL_BUT))
    return factors


def next_best(found: UpCandidates, values: IntArray, picked: IntArray) -> IntArray:
    """Return the largest value that each picked candidate's row has by another anchor of the user, -1 if by none.

    values: (candidates,), at least 0.
    """
    keys = found.users * (int(found.rows.max(initial=0)) + 1) + found.rows
    wanted = np.flatnonzero(is_among(keys, np.unique(keys[picked])))
    order = wanted[np.lexsort((-values[wanted], keys[wanted]))]
    first = np.searchsorted(keys[order], keys[picked])
    place = first + (order[first] == picked)
    there = place < np.searchsorted(keys[order], keys[picked], side="right")
    return np.where(there, values[order[np.where(there, place, 0)]], -1) if len(order) else np.full(len(picked), -1)


def nearest_anchors(
    shop: Shop, batch: ProfileBatch, users: IntArray, rows: IntArray, vectors: Vectors
) -> list[str | None]:
    """Return the item of the user's history, in the row's category, that is nearest to it; None where none is near."""
    anchors = batch.anchors
    first = np.searchsorted(anchors.users, users)
    places, owners = ranges(first, np.searchsorted(anchors.users, users, side="right") - first)
    same = anchors.categories[places] == shop.items.category_codes[rows[owners]]
    known = (anchors.rows[places] >= 0) & same
    places, owners = places[known], owners[known]
    cosines = np.einsum("ij,ij->i", vectors[anchors.rows[places]], vectors[rows[owners]]).astype(np.float64)
    near = cosines > 0.0
    places, owners, cosines = places[near], owners[near], cosines[near]
    named: list[str | None] = [None] * len(users)
    best = first_of_largest(cosines, owners)
    for owner, place in zip(owners[best].tolist(), places[best].tolist(), strict=True):
        named[owner] = anchors.ids[place]
    return named


def _steps_of(found: Reached, candidates: IntArray) -> tuple[IntArray, IntArray]:
    merged, owners = ranges(found.first[candidates], found.count[candidates])
    followed = found.order[merged]
    is_step = followed < len(found.steps.values)
    return followed[is_step], owners[is_step]


def _sums_by_anchor(values: FloatArray, owners: IntArray, anchors: IntArray) -> FloatArray:
    """Return, for each step, the sum of all steps of its owner from its anchor (there is one per family)."""
    order = np.lexsort((anchors, owners))
    keys = owners[order] * (int(anchors.max(initial=0)) + 1) + anchors[order]
    starts = group_starts(keys)
    sums = np.empty(len(values))
    if len(starts):
        totals = np.add.reduceat(values[order], starts)
        sums[order] = np.repeat(totals, np.diff(np.append(starts, len(keys))))
    return sums
