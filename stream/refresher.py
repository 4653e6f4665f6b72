"""From changed users to what is written and published of them: encode, propagate, score, rank. Writes nothing."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from encoders.base import FloatArray, HistoryBatch, IntArray
from encoders.device import EncoderThread
from encoders.user.model import UserModel
from encoders.user.propagation import propagate
from graph.advance import awaited_items
from graph.failpoints import failpoint
from graph.interest import touches
from graph.micro_topics import micro_topics
from graph.model import Interest
from graph.ranking.lists import UserFeatures, UserLists, UserScores
from graph.ranking.profile import UserProfile
from graph.ranking.ranker import Ranker
from graph.ranking.weights import Weights
from graph.settings import GraphSettings
from graph.state import encode_state
from graph.store import UserWrite
from stream.for_you.history import history_of
from stream.for_you.places import published_list
from stream.knowledge import EVERY_ITEM, Knowledge
from stream.listing import encode_lists
from stream.metrics import Metrics
from stream.microbatch import history_batch, profile_of
from stream.recommendations import ForYou, MicroTopic
from stream.serving import Changes
from stream.users import CachedUser

log = logging.getLogger(__name__)

_NEAREST = 100
_SCORE_DIGITS = 3
"""Of an interest's cosine: an edge whose score moves by less is not written again."""


@dataclass(slots=True)
class RefreshedUser:
    """One user, ready to be written and published."""

    user: CachedUser
    interests: list[Interest]
    lists: UserLists
    awaited: list[str]
    model: str
    ranker: str
    micro_topics: tuple[MicroTopic, ...] = ()
    for_you: ForYou | None = None

    @property
    def waits_for(self) -> list[str]:
        """Items whose catalogue row makes a refresh due; any item, while there is nothing to list."""
        return self.awaited if self.lists.cross_sell else [*self.awaited, EVERY_ITEM]

    def write(self, waiting_at: str | None) -> UserWrite:
        """Return the absolute values for the store. ``waiting_at``: the ledger key while the user waits, or None."""
        state = self.user.state
        return UserWrite(
            user_id=self.user.user_id,
            events=state.events,
            last_event_at=state.last_event_at,
            version=self.user.version,
            cross_sell=[item.item_id for item in self.lists.cross_sell],
            up_sell=[item.item_id for item in self.lists.up_sell],
            state=encode_state(state),
            interests=self.interests,
            touches=touches(state),
            unresolved=waiting_at,
        )

    def message(self, position: tuple[str, int, int], generated_at: int) -> bytes:
        """Return the published record. ``position``: topic, partition and offset of the last bundle applied."""
        user = self.user
        return encode_lists(
            self.lists,
            version=user.version,
            event_at=user.state.last_event_at,
            generated_at=generated_at,
            position=position,
            model=self.model,
            ranker=self.ranker,
            micro_topics=self.micro_topics,
            for_you=self.for_you,
        )


class Refresher:
    """Holds the ranker of a worker, and encodes with the model that serves."""

    def __init__(
        self,
        knowledge: Knowledge,
        thread: EncoderThread,
        settings: GraphSettings,
        metrics: Metrics,
    ) -> None:
        self.knowledge = knowledge
        self._thread = thread
        self._settings = settings
        self._metrics = metrics
        self._ranker = Ranker(
            knowledge.items, knowledge.associations, settings.lists, settings.ranking, settings.next_visit
        )

    def newcomers(self) -> list[str]:
        """Return the new items that lists keep places for now."""
        return self._ranker.newcomers()

    async def refresh(self, users: Sequence[CachedUser], now: int) -> list[RefreshedUser]:
        """Encode and rank users; gives each its next version (ms, never going back)."""
        if not users:
            return []
        profiles, awaited, encoded = await self._profile_and_encode(users)
        failpoint("after_encode")
        with self._metrics.stage.labels("interest", "rank").time():
            # Items may have come while the encoder worked: they have no vector yet, like those it did not know either.
            item_vectors = _with_rows(encoded.item_vectors, len(self.knowledge.items))
            weights = self.knowledge.weights  # one for the whole batch
            lists = self._ranker.rank(profiles, encoded.embeddings, item_vectors, encoded.nearest, weights)
            topics = self._micro_topics(profiles, item_vectors)
        for_you = await self.for_you(users)
        refreshed = []
        for i, (user, profile) in enumerate(zip(users, profiles, strict=True)):
            user.version = max(user.version + 1, now)
            user.cross_sell = tuple(item.item_id for item in lists[i].cross_sell)
            shown = [
                msgspec.structs.replace(interest, score=round(float(encoded.scores[i, j]), _SCORE_DIGITS))
                for j, interest in enumerate(profile.interests[: self._settings.interest.max_edges])
            ]
            refreshed.append(
                RefreshedUser(user, shown, lists[i], awaited[i], encoded.model, weights.version, topics[i], for_you[i])
            )
        return refreshed

    async def for_you(self, users: Sequence[CachedUser]) -> Sequence[ForYou | None]:
        """Return each user's for-you list; None for all where no model makes one."""
        maker, items = self.knowledge.for_you, self.knowledge.items  # one model for the whole batch
        if maker is None:
            return [None] * len(users)
        with self._metrics.stage.labels("interest", "for_you").time():
            histories = [history_of(user) for user in users]
            lists = await self._thread.run(maker.lists, histories, maker.gone(items))
        return [
            published_list(user.user_id, places, maker.version, items.category_of)
            for user, places in zip(users, lists, strict=True)
        ]

    def _micro_topics(self, profiles: Sequence[UserProfile], item_vectors: FloatArray) -> list[tuple[MicroTopic, ...]]:
        items, records, settings = self.knowledge.items, self.knowledge.records, self._settings
        found = micro_topics(profiles, items, item_vectors, settings.interest, settings.lists.micro_topics)
        return [
            tuple(MicroTopic(t.name, t.share, t.item_id, records[t.item_id].row.title) for t in topics)
            for topics in found
        ]

    async def scores(self, users: Sequence[CachedUser]) -> list[UserScores]:
        """Return what each user's candidates score, listed or not; gives no version."""
        profiles, _, encoded = await self._profile_and_encode(users)
        item_vectors = _with_rows(encoded.item_vectors, len(self.knowledge.items))
        weights = self.knowledge.weights
        return self._ranker.scores(profiles, encoded.embeddings, item_vectors, encoded.nearest, weights)

    async def trial(self, users: Sequence[CachedUser], contenders: Sequence[Weights]) -> "Trial":
        """Return the features of what could be listed now, and each contender's lists; gives no version."""
        profiles, _, encoded = await self._profile_and_encode(users)
        item_vectors = _with_rows(encoded.item_vectors, len(self.knowledge.items))
        arguments = profiles, encoded.embeddings, item_vectors, encoded.nearest
        return Trial(
            [] if contenders else self._ranker.features(*arguments),
            [self._ranker.rank(*arguments, weights) for weights in contenders],
        )

    async def _profile_and_encode(
        self, users: Sequence[CachedUser]
    ) -> tuple[list[UserProfile], list[list[str]], "_Encoded"]:
        items, serving = self.knowledge.items, self.knowledge.serving
        with self._metrics.stage.labels("interest", "profile").time():
            profiles = [profile_of(user, items.category_of, self._settings) for user in users]
            batch = history_batch(profiles, items.row)
            edges = _interest_edges(profiles, items.categories.get, self._settings)
            # Of this moment, like the profiles: a row that arrives while the encoder works ends the wait, not hides it.
            awaited = [awaited_items(user.state, items.category_of) for user in users]
        with self._metrics.stage.labels("interest", "encode").time():
            encoded = await self._thread.run(
                _encode,
                serving.model,
                batch,
                edges,
                serving.feed.drain(items.item_id),
                items.category_codes.astype(np.int64),
                len(items.categories),
            )
        return profiles, awaited, encoded


def _encode(
    model: UserModel,
    batch: HistoryBatch,
    edges: tuple[IntArray, FloatArray],
    changes: Changes,
    category_codes: IntArray,
    categories: int,
) -> "_Encoded":
    """Run on the encoder thread, the only one that touches the device and the serving item matrix."""
    matrix, items = model.matrix, len(category_codes)
    changes.apply(matrix)
    history = model.encoder.encode(batch)
    category_vectors = matrix.category_vectors(category_codes, categories)
    codes, weights = edges
    user, place = np.nonzero(codes >= 0)
    embeddings = propagate(history, user, codes[user, place], weights[user, place], category_vectors)
    _, nearest = matrix.topk(embeddings, min(_NEAREST, max(1, items)))
    scores = np.zeros(codes.shape, dtype=np.float32)
    scores[user, place] = np.einsum("ed,ed->e", embeddings[user], category_vectors[codes[user, place]])
    return _Encoded(embeddings, matrix.vectors[:items], nearest, scores, model.name)


@dataclass(slots=True)
class _Encoded:
    """embeddings (U, d), item_vectors (at most n, d), nearest (U, k) rows, scores (U, C) cosines of the interests.

    ``model``: whose they are.
    """

    embeddings: FloatArray
    item_vectors: FloatArray
    nearest: IntArray
    scores: FloatArray
    model: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Features of each user's candidates, where no contender was given; else each contender's lists of every user."""

    features: list[UserFeatures]
    lists: list[list[UserLists]]


def _with_rows(vectors: FloatArray, rows: int) -> FloatArray:
    """Return (rows, d) float32, zeros where ``vectors`` ends."""
    return vectors if len(vectors) >= rows else np.pad(vectors, ((0, rows - len(vectors)), (0, 0)))


def _interest_edges(
    profiles: Sequence[UserProfile], code_of: Callable[[str], int], settings: GraphSettings
) -> tuple[IntArray, FloatArray]:
    """Return the users' interest edges as (U, C) category codes (-1: none) and weights decayed to each user's now."""
    width = max((min(len(p.interests), settings.interest.max_edges) for p in profiles), default=0) or 1
    codes = np.full((len(profiles), width), -1, dtype=np.int64)
    weights = np.zeros((len(profiles), width), dtype=np.float32)
    half_life_ms = settings.interest.half_life_seconds * 1000.0
    for i, profile in enumerate(profiles):
        for j, interest in enumerate(profile.interests[:width]):
            codes[i, j] = code_of(interest.category)
            weights[i, j] = interest.weight * 2.0 ** ((interest.updated_at - profile.now) / half_life_ms)
    return codes, weights
