"""Which part of a user's past a reason names: the one without which the item would score less.

Once an item of the history is gone, those before it move up and count for more. An item that feeds the candidate less
than it holds others back that feed it is not why the candidate is there.
"""

from dataclasses import dataclass

import numpy as np

from graph.ranking.batch import Anchors, ProfileBatch
from graph.ranking.codes import IntArray
from graph.ranking.cross_candidates import CrossCandidates
from graph.ranking.features import Vectors, saturating
from graph.ranking.ragged import FloatArray, first_of_largest, is_among, ranges
from graph.ranking.shop import Shop
from graph.ranking.up_candidates import UpCandidates

_GRAIN = 1e6
_TINY = np.finfo(np.float64).tiny


Reached = CrossCandidates | UpCandidates
"""Candidates of either list, with the steps that lead to each."""


@dataclass(frozen=True, slots=True)
class Without:
    """What is left of the strength of n candidates' transitions without one item of the history.

    strengths: (n,) with all of it; left: (n, places) without the item at each place, 0 the latest; places: (anchors,)
    of the batch's anchors.
    """

    strengths: FloatArray
    left: FloatArray
    places: IntArray

    def of(self, chosen: IntArray) -> "Without":
        """Return what there is of some of the candidates."""
        return Without(self.strengths[chosen], self.left[chosen], self.places)

    def factors(self, anchors: IntArray, half: float) -> FloatArray:
        """Return (n,) by what each candidate's feature would change without an anchor of its own.

        Negative anchors: for none, 1, as for a candidate that no transition leads to.
        """
        found = np.ones(len(anchors))
        reached = np.flatnonzero((self.strengths > 0.0) & (anchors >= 0))
        left = self.left[reached, self.places[anchors[reached]]]
        found[reached] = saturating(left, half) / saturating(self.strengths[reached], half)
        return found


def without_each(batch: ProfileBatch, found: Reached, picked: IntArray) -> Without:
    """Take each item of the history away in turn; ``picked``: the candidates to do it for."""
    anchors, steps = batch.anchors, found.steps
    size = len(picked), int(anchors.places.max(initial=0)) + 1
    followed, owners = _steps_of(found, picked)
    values, of = steps.values[followed], steps.anchors[followed]
    moves = anchors.places[of] > 0
    nearer = np.where(moves, anchors.decays[of - moves] / anchors.decays[of], 1.0)
    own, risen = np.zeros(size), np.zeros(size)
    np.add.at(own, (owners, anchors.places[of]), values)
    np.add.at(risen, (owners, anchors.places[of]), values * (nearer - 1.0))
    behind = risen[:, ::-1].cumsum(axis=1)[:, ::-1] - risen
    strengths = found.transitions[picked]
    return Without(strengths, np.maximum(strengths[:, None] - own + behind, 0.0), anchors.places)


def factors_without_categories(
    batch: ProfileBatch, found: Reached, picked: IntArray, sources: IntArray, half: float
) -> FloatArray:
    """Return (n,) by what candidates' transition features would change without all history of a category, one for each.

    picked: (n,) the candidates; sources: (n,) association codes. 1 for a candidate that no transition leads to.
    """
    anchors = batch.anchors
    held, holders = _history_of(anchors, found.users[picked])
    gone = np.zeros((len(picked), int(anchors.places.max(initial=0)) + 1), dtype=np.int64)
    gone[holders, anchors.places[held]] = anchors.sources[held] == sources[holders]
    later = gone.cumsum(axis=1) - gone
    followed, owners = _steps_of(found, picked)
    values, of = found.steps.values[followed], found.steps.anchors[followed]
    nearer = anchors.decays[of - later[owners, anchors.places[of]]] / anchors.decays[of]
    kept = np.where(gone[owners, anchors.places[of]], 0.0, values * nearer)
    left = np.bincount(owners, weights=kept, minlength=len(picked)).astype(np.float64)  # integers if there are none
    strengths, factors = found.transitions[picked], np.ones(len(picked))
    return np.divide(saturating(left, half), saturating(strengths, half), out=factors, where=strengths > 0.0)


def strongest_steps(found: Reached, picked: IntArray, without: Without) -> IntArray:
    """Return, for each picked candidate that steps lead to, the step to name: a place in ``found.steps``.

    It is a step from the item without which the least would be left. Of its steps (one per family) the larger one, of
    equals the first. without: of the picked ones.
    """
    if not len(picked):
        return picked
    followed, owners = _steps_of(found, picked)
    values, places = found.steps.values[followed], without.places[found.steps.anchors[followed]]
    missed = np.rint((1.0 - without.left[owners, places] / without.strengths[owners]) * _GRAIN)
    return followed[first_of_largest(missed + 0.5 * values / max(values.max(initial=0.0), _TINY), owners)]


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
    places, owners = _history_of(anchors, users)
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


def _history_of(anchors: Anchors, users: IntArray) -> tuple[IntArray, IntArray]:
    """Return the anchors of each user, and which of ``users`` each is of."""
    first = np.searchsorted(anchors.users, users)
    return ranges(first, np.searchsorted(anchors.users, users, side="right") - first)


def _steps_of(found: Reached, candidates: IntArray) -> tuple[IntArray, IntArray]:
    merged, owners = ranges(found.first[candidates], found.count[candidates])
    followed = found.order[merged]
    is_step = followed < len(found.steps.values)
    return followed[is_step], owners[is_step]
