"""From changed users to what is written and published of them: encode, propagate, score, rank. Writes nothing."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from encoders.base import FloatArray, HistoryBatch, IntArray, UserEncoder
from encoders.device import EncoderThread
from encoders.user.propagation import propagate
from graph.failpoints import failpoint
from graph.interest import touches, unresolved_items
from graph.model import Interest
from graph.ranking.lists import UserLists, UserScores
from graph.ranking.profile import UserProfile
from graph.ranking.ranker import Ranker
from graph.settings import GraphSettings
from graph.state import encode_state
from graph.store import UserWrite
from stream.knowledge import Knowledge
from stream.listing import encode_lists
from stream.metrics import Metrics
from stream.microbatch import history_batch, profile_of
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
    unresolved: list[str]
    model: str

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
        )


class Refresher:
    """Holds the encoder and the ranker of a worker."""

    def __init__(
        self,
        knowledge: Knowledge,
        encoder: UserEncoder,
        thread: EncoderThread,
        settings: GraphSettings,
        metrics: Metrics,
    ) -> None:
        self.knowledge = knowledge
        self._encoder = encoder
        self._thread = thread
        self._settings = settings
        self._metrics = metrics
        self._ranker = Ranker(knowledge.items, knowledge.associations, settings.lists, settings.ranking)

    async def refresh(self, users: Sequence[CachedUser], now: int) -> list[RefreshedUser]:
        """Encode and rank users; gives each its next version (ms, never going back)."""
        if not users:
            return []
        profiles, encoded = await self._encoded(users)
        failpoint("after_encode")
        with self._metrics.stage.labels("interest", "rank").time():
            lists = self._ranker.rank(profiles, encoded.embeddings, encoded.item_vectors, encoded.nearest)
        refreshed = []
        for i, (user, profile) in enumerate(zip(users, profiles, strict=True)):
            user.version = max(user.version + 1, now)
            shown = [
                msgspec.structs.replace(interest, score=round(float(encoded.scores[i, j]), _SCORE_DIGITS))
                for j, interest in enumerate(profile.interests[: self._settings.interest.max_edges])
            ]
            missing = unresolved_items(user.state, self.knowledge.items.category_of)
            refreshed.append(RefreshedUser(user, shown, lists[i], missing, self._encoder.model))
        return refreshed

    async def scores(self, users: Sequence[CachedUser]) -> list[UserScores]:
        """Return what each user's candidates score, whether they are listed or not; gives no version."""
        profiles, encoded = await self._encoded(users)
        return self._ranker.scores(profiles, encoded.embeddings, encoded.item_vectors, encoded.nearest)

    async def _encoded(self, users: Sequence[CachedUser]) -> tuple[list[UserProfile], "_Encoded"]:
        items = self.knowledge.items
        with self._metrics.stage.labels("interest", "profile").time():
            profiles = [profile_of(user, items.category_of, self._settings) for user in users]
            batch = history_batch(profiles, items.row)
            edges = _interest_edges(profiles, items.categories.get, self._settings)
        with self._metrics.stage.labels("interest", "encode").time():
            rows, vectors, cleared = self.knowledge.drain_vectors()
            encoded = await self._thread.run(
                self._encode,
                batch,
                edges,
                rows,
                vectors,
                cleared,
                items.category_codes.astype(np.int64),
                len(items.categories),
            )
        return profiles, encoded

    def _encode(
        self,
        batch: HistoryBatch,
        edges: tuple[IntArray, FloatArray],
        rows: list[int],
        vectors: list[FloatArray],
        cleared: list[int],
        category_codes: IntArray,
        categories: int,
    ) -> "_Encoded":
        """Run on the encoder thread, the only one that touches the device and the item matrix."""
        matrix, items = self.knowledge.matrix, len(category_codes)
        if rows:
            matrix.set_rows(np.asarray(rows, dtype=np.int64), np.stack(vectors))
        for row in cleared:
            matrix.clear_row(row)
        history = self._encoder.encode(batch)
        category_vectors = matrix.category_vectors(category_codes, categories)
        codes, weights = edges
        user, place = np.nonzero(codes >= 0)
        embeddings = propagate(history, user, codes[user, place], weights[user, place], category_vectors)
        _, nearest = matrix.topk(embeddings, min(_NEAREST, max(1, items)))
        scores = np.zeros(codes.shape, dtype=np.float32)
        scores[user, place] = np.einsum("ed,ed->e", embeddings[user], category_vectors[codes[user, place]])
        item_vectors = matrix.vectors[:items]
        if len(item_vectors) < items:  # the newest items have no vector yet
            item_vectors = np.pad(item_vectors, ((0, items - len(item_vectors)), (0, 0)))
        return _Encoded(embeddings, item_vectors, nearest, scores)


@dataclass(slots=True)
class _Encoded:
    """embeddings (U, d), item_vectors (n, d), nearest (U, k) rows, scores (U, C) cosines of the interests."""

    embeddings: FloatArray
    item_vectors: FloatArray
    nearest: IntArray
    scores: FloatArray


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
