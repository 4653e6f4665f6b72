"""The two lists of every user of a micro-batch, as a function of profiles, embeddings and the shop."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graph.ranking.associations import AssociationIndex
from graph.ranking.batch import ProfileBatch, gather_profiles
from graph.ranking.codes import IntArray
from graph.ranking.cross_candidates import CrossCandidates, cross_candidates
from graph.ranking.diversity import Mix, Scored, choose
from graph.ranking.exposure import exposure_caps
from graph.ranking.features import MILLIONTHS, Vectors, closeness, saturating
from graph.ranking.items import ItemIndex
from graph.ranking.likeness import likeness, likest_anchors
from graph.ranking.lists import CrossSell, NextVisit, UpSell, UserFeatures, UserLists, UserScores
from graph.ranking.occasions import Featured, Occasion, next_step, next_visit
from graph.ranking.places import explore, give_places
from graph.ranking.profile import UserProfile
from graph.ranking.ragged import group_starts, sort_order
from graph.ranking.reasons import cross_sell_lists, up_sell_lists
from graph.ranking.rules import ignored_factors
from graph.ranking.settings import RankingSettings
from graph.ranking.shared_words import SharedWords, alike_rows, left_of_words, shared_words
from graph.ranking.shop import Shop, ShopView
from graph.ranking.steps import Steps, history_steps
from graph.ranking.up_candidates import UpCandidates, up_candidates
from graph.ranking.weights import CROSS_SELL_FEATURES, UP_SELL_FEATURES, Weights, fixed_weights
from graph.settings import ListSettings, NextVisitSettings

_MOST_USERS = 256
_MOST_CELLS = 1 << 22  # users * categories that are held at a time


@dataclass(frozen=True, slots=True)
class _Users:
    """Some users of a micro-batch with all that their lists depend on; shapes as :meth:`Ranker.rank` says."""

    shop: Shop
    batch: ProfileBatch
    steps: Steps
    words: SharedWords
    names: list[str]
    embeddings: Vectors
    vectors: Vectors
    nearest: IntArray


class Ranker:
    """Ranks users against the items and associations as they are at the call.

    A user's lists do not depend on who else is in the micro-batch, nor on the order in which this replica read its
    items and records.
    """

    def __init__(
        self,
        items: ItemIndex,
        associations: AssociationIndex,
        settings: ListSettings,
        ranking: RankingSettings | None = None,
        visit: NextVisitSettings | None = None,
    ) -> None:
        """Without ``visit`` no lists for the next visit are made."""
        self._settings = settings
        self._ranking = ranking or RankingSettings()
        self.fixed = fixed_weights(settings, self._ranking)
        self.next_visit = next_visit(visit)
        self._items = items
        self._view = ShopView(items, associations, settings, self._ranking)

    def rank(
        self,
        profiles: Sequence[UserProfile],
        embeddings: Vectors,
        vectors: Vectors,
        nearest: IntArray,
        weights: Weights | None = None,
    ) -> list[UserLists]:
        """Return all lists of each user, in the order of ``profiles``; without ``weights`` by those of the settings.

        embeddings: (U, d) float32, unit or zero; vectors: (n, d) float32 by item row, unit or zero, n at least the
        number of items; nearest: (U, k) int64 rows of the items closest to each embedding, -1 for none. Raises
        ValueError when the shapes do not fit each other.
        """
        if len(embeddings) != len(profiles) or len(nearest) != len(profiles):
            raise ValueError(f"{len(profiles)} profiles, {len(embeddings)} embeddings, {len(nearest)} rows of nearest")
        if len(vectors) < len(self._items):
            raise ValueError(f"{len(vectors)} vectors for {len(self._items)} items")
        shop = self._view.current()
        most = max(1, min(_MOST_USERS, _MOST_CELLS // max(1, len(self._items.categories))))
        lists: list[UserLists] = []
        for start in range(0, len(profiles), most):
            part = slice(start, start + most)
            users = self._users(shop, profiles[part], embeddings[part], vectors, nearest[part])
            lists += self._rank(users, weights or self.fixed)
        return lists

    def scores(
        self,
        profiles: Sequence[UserProfile],
        embeddings: Vectors,
        vectors: Vectors,
        nearest: IntArray,
        weights: Weights | None = None,
    ) -> list[UserScores]:
        """Return what each user's candidates score before rules of diversity choose among them; as :meth:`rank`."""
        shop, found = self._view.current(), []
        by = weights or self.fixed
        occasions = [one for one in (next_step(self._settings, by), self._later(by)) if one is not None]
        for place, profile in enumerate(profiles):
            part = slice(place, place + 1)
            user = self._users(shop, [profile], embeddings[part], vectors, nearest[part])
            cross, up = self._cross_sell_features(user), self._up_sell_features(user)
            scores = [
                best
                for one in occasions
                for best in (
                    self._best(cross.found.rows, cross.parts(one.weights.cross_sell, one.saturation)),
                    self._best(up.found.rows, up.parts(one.weights.up_sell, one.saturation)),
                )
            ]
            found.append(UserScores(profile.user_id, *scores))
        return found

    def features(
        self, profiles: Sequence[UserProfile], embeddings: Vectors, vectors: Vectors, nearest: IntArray
    ) -> list[UserFeatures]:
        """Return what the weights are multiplied with, for each user's candidates of both lists; as :meth:`rank`."""
        shop, found = self._view.current(), []
        saturations = [self._settings.saturation, *([self.next_visit.saturation] if self.next_visit else [])]
        for place, profile in enumerate(profiles):
            part = slice(place, place + 1)
            user = self._users(shop, [profile], embeddings[part], vectors, nearest[part])
            cross, up = self._cross_sell_features(user), self._up_sell_features(user)
            scaled = [np.stack(of.scaled(saturation), axis=1) for saturation in saturations for of in (cross, up)]
            found.append(UserFeatures(profile.user_id, cross.found.rows, up.found.rows, *scaled))
        return found

    def _later(self, weights: Weights) -> Occasion | None:
        if self.next_visit is None or weights.next_visit is None:
            return self.next_visit
        return replace(self.next_visit, weights=weights.next_visit)

    def newcomers(self) -> list[str]:
        """Return the new items that lists keep places for now, latest first."""
        return self._items.ids.names(self._view.current().newcomers.tolist())

    def _best(self, rows: IntArray, parts: IntArray) -> dict[str, float]:
        scores: dict[str, float] = {}
        for item_id, score in zip(self._items.ids.names(rows.tolist()), parts.sum(axis=0).tolist(), strict=True):
            scores[item_id] = max(score / MILLIONTHS, scores.get(item_id, 0.0))
        return scores

    def _users(
        self, shop: Shop, profiles: Sequence[UserProfile], embeddings: Vectors, vectors: Vectors, nearest: IntArray
    ) -> _Users:
        batch = gather_profiles(profiles, shop, self._settings, self._ranking)
        steps = history_steps(shop, batch, self._ranking)
        words, names = shared_words(shop, batch), [profile.user_id for profile in profiles]
        return _Users(shop, batch, steps, words, names, embeddings, vectors, nearest)

    def _rank(self, users: _Users, weights: Weights) -> list[UserLists]:
        cross, up = self._cross_sell_features(users), self._up_sell_features(users)
        now = next_step(self._settings, weights)
        lists = zip(users.names, self._cross_sell(users, cross, now), self._up_sell(users, up, now), strict=True)
        if (later := self._later(weights)) is None:
            return [UserLists(*of_user) for of_user in lists]
        visits = zip(self._cross_sell(users, cross, later), self._up_sell(users, up, later), strict=True)
        return [
            UserLists(*of_user, NextVisit(*visit, later.weights.version))
            for of_user, visit in zip(lists, visits, strict=True)
        ]

    def _cross_sell(
        self, of: _Users, featured: Featured[CrossCandidates], occasion: Occasion
    ) -> list[tuple[CrossSell, ...]]:
        shop, batch, found = of.shop, of.batch, featured.found
        settings, weights = self._settings, occasion.weights
        parts = featured.parts(weights.cross_sell, occasion.saturation)
        users, rows = found.users, found.rows
        scored = Scored(batch.size, users, rows, found.categories, parts.sum(axis=0), shop.ranks[rows])
        chosen = choose(
            scored,
            of.vectors,
            length=settings.size,
            cap=settings.max_per_category,
            pool=self._ranking.pool,
            novelty=settings.diversity,
            caps=exposure_caps(self._items, shop.head, rows, settings),
            mix=_wanted_mix(found, settings.calibration),
        )
        give_places(chosen, found, scored.scores, scored.ranks, shop.newcomers, settings.new_items)
        propensities = explore(chosen, found, scored.ranks, of.names, batch.nows, occasion.exploration)
        picked = chosen[chosen >= 0]
        users, rows = users[picked], rows[picked]
        likest = (
            likest_anchors(shop, batch, of.vectors, users, rows, self._ranking),
            left_of_words(shop, batch, of.words, users, rows),
        )
        heard, half = _heard_of(found, weights), self._ranking.transition_half
        return cross_sell_lists(shop, batch, of.names, heard, parts, chosen, propensities, likest, half)

    def _cross_sell_features(self, of: _Users) -> Featured[CrossCandidates]:
        shop, batch = of.shop, of.batch
        alike = alike_rows(shop, batch, of.words, self._ranking.word_items)
        found = cross_candidates(shop, batch, of.steps, of.nearest, alike, self._settings, self._ranking)
        users, rows = found.users, found.rows
        strongest = found.strongest[users]
        values = [
            np.divide(found.associations, strongest, out=np.zeros(len(users)), where=strongest > 0.0),
            saturating(found.transitions, self._ranking.transition_half),
            closeness(of.embeddings, of.vectors, users, rows),
            likeness(shop, batch, of.vectors, users, rows, self._ranking),
            of.words.of(shop, users, rows),
            found.repeats,
            shop.shelves.popularity[rows],
        ]
        ignored, bought_in = ignored_factors(shop, batch, users, rows), batch.bought_in[users, found.categories]
        return Featured(found, values, ignored, bought_in, CROSS_SELL_FEATURES.index("repeat"))

    def _up_sell(self, of: _Users, featured: Featured[UpCandidates], occasion: Occasion) -> list[tuple[UpSell, ...]]:
        shop, batch, found = of.shop, of.batch, featured.found
        settings, weights = self._settings, occasion.weights.up_sell
        parts = featured.parts(weights, occasion.saturation)
        users, rows = found.users, found.rows
        categories = batch.anchors.categories[found.anchors]
        scores = parts.sum(axis=0)
        best_first = sort_order([users, rows, scores.max(initial=0) - scores, batch.anchors.places[found.anchors]])
        best = best_first[group_starts((users * len(self._items) + rows)[best_first])]
        scored = Scored(batch.size, users[best], rows[best], categories[best], scores[best], shop.ranks[rows[best]])
        chosen = choose(
            scored,
            of.vectors,
            length=settings.size,
            cap=None,
            pool=self._ranking.pool,
            novelty=settings.diversity,
            caps=exposure_caps(self._items, shop.head, rows[best], settings),
        )
        chosen[chosen >= 0] = best[chosen[chosen >= 0]]
        if not weights[0]:  # what weighs nothing is no reason
            found = replace(found, transitions=np.zeros_like(found.transitions))
        return up_sell_lists(shop, batch, of.names, found, parts, chosen, of.vectors, self._ranking.transition_half)

    def _up_sell_features(self, of: _Users) -> Featured[UpCandidates]:
        shop, batch = of.shop, of.batch
        found = up_candidates(shop, batch, of.steps, of.nearest, self._settings, self._ranking)
        users, rows = found.users, found.rows
        values = [
            saturating(found.transitions, self._ranking.transition_half),
            closeness(of.embeddings, of.vectors, users, rows),
            found.gains,
            found.repeats,
            shop.shelves.popularity[rows],
        ]
        bought_in = batch.bought_in[users, batch.anchors.categories[found.anchors]]
        ignored = ignored_factors(shop, batch, users, rows)
        return Featured(found, values, ignored, bought_in, UP_SELL_FEATURES.index("repeat"))


def _heard_of(found: CrossCandidates, weights: Weights) -> CrossCandidates:
    """Return the candidates without what weighs nothing: it is no reason."""
    category, transition, *_ = weights.cross_sell
    if not category:
        found = replace(found, associations=np.zeros_like(found.associations))
    return found if transition else replace(found, transitions=np.zeros_like(found.transitions))


def _wanted_mix(found: CrossCandidates, weight: float) -> Mix | None:
    """Return the mix of categories that the user's interests lead to; None where it is not to count."""
    if not weight:
        return None
    totals = found.totals[found.users]
    return Mix(np.divide(found.associations, totals, out=np.zeros(len(totals)), where=totals > 0.0), weight)
