"""Random shops with many ties, gaps and oddities, and a way to rank their users in any arrangement."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from graph.decay import rank_key
from graph.model import Interest, ItemRow, Kind, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.features import Vectors
from graph.ranking.items import ItemIndex
from graph.ranking.lists import UserLists
from graph.ranking.profile import HistoryItem, UserProfile
from graph.ranking.ranker import Ranker
from graph.ranking.settings import RankingSettings
from graph.settings import AssociationSettings, ListSettings, NextVisitSettings

Value = TypeVar("Value")

DAY_MS = 86_400_000
NOW = 1_700_000_000_000
DIMENSIONS = 8
NEAREST = 5
ASSOCIATIONS = AssociationSettings(min_users=2, min_log_likelihood_ratio=0.5)
INTEREST_HALF_LIFE_SECONDS = 7 * 86_400.0
TITLE_WORDS = ["red", "mug", "of", "tin", "Red!"]


@dataclass
class ToyShop:
    """Everything the ranker is given, by name."""

    rows: Sequence[ItemRow]
    records: Sequence[SuccessorRecord]
    profiles: Sequence[UserProfile]
    vectors: Mapping[str, Vectors]
    embeddings: Mapping[str, Vectors]
    settings: ListSettings = field(default_factory=ListSettings)
    ranking: RankingSettings = field(default_factory=RankingSettings)
    visit: NextVisitSettings | None = None

    @property
    def listed(self) -> dict[str, ItemRow]:
        return {row.item_id: row for row in self.rows if row.available}

    def associations(self) -> AssociationIndex:
        index = AssociationIndex(ASSOCIATIONS, self.ranking)
        for record in self.records:
            index.upsert(record)
        return index

    def nearest(self, user_id: str) -> list[str]:
        """The exact nearest items, by name, equals by item id."""
        embedding = self.embeddings[user_id]
        closeness = {row.item_id: -float(self.vectors[row.item_id] @ embedding) for row in self.rows}
        near = [item for item, value in closeness.items() if value < 0.0]
        return sorted(near, key=lambda item: (closeness[item], item))[:NEAREST]

    def rank(
        self,
        profiles: Sequence[UserProfile] | None = None,
        rows: Sequence[ItemRow] | None = None,
        records: Sequence[SuccessorRecord] | None = None,
    ) -> list[UserLists]:
        """Rank some or all users, with the catalogue and the records read in some order."""
        items, associations = ItemIndex(), AssociationIndex(ASSOCIATIONS, self.ranking)
        ranker = Ranker(items, associations, self.settings, self.ranking, self.visit)
        for row in self.rows if rows is None else rows:
            items.upsert(row)
        for record in self.records if records is None else records:
            associations.upsert(record)
        return self.rank_with(ranker, items, self.profiles if profiles is None else profiles)

    def rank_with(self, ranker: Ranker, items: ItemIndex, profiles: Sequence[UserProfile]) -> list[UserLists]:
        vectors = np.zeros((len(items), DIMENSIONS), dtype=np.float32)
        for row in range(len(items)):
            vectors[row] = self.vectors[items.item_id(row)]
        nearest = np.full((len(profiles), NEAREST), -1, dtype=np.int64)
        embeddings = np.zeros((len(profiles), DIMENSIONS), dtype=np.float32)
        for user, profile in enumerate(profiles):
            embeddings[user] = self.embeddings[profile.user_id]
            near = [items.row(item_id) for item_id in self.nearest(profile.user_id)]
            nearest[user, : len(near)] = [row for row in near if row is not None]
        return ranker.rank(profiles, embeddings, vectors, nearest)


def interest(category: str, weight: float, purchases: int = 0) -> Interest:
    key = rank_key(weight, NOW, INTEREST_HALF_LIFE_SECONDS)
    return Interest(category, weight, NOW, key, 1, purchases)


def _unit(random: np.random.Generator) -> Vectors:
    if random.random() < 0.15:
        return np.zeros(DIMENSIONS, dtype=np.float32)
    vector = random.integers(-1, 2, DIMENSIONS).astype(np.float32)
    length = math.sqrt(float(vector @ vector))
    return vector / np.float32(length) if length else vector


def _successors(
    random: np.random.Generator, source: str, names: Sequence[str], density: float
) -> tuple[Successor, ...]:
    targets = [name for name in names if name != source and random.random() < density]
    weights = [float(random.choice([1.0, 1.0, 2.0, 2.5, 7.3])) for _ in targets]
    return tuple(
        Successor(target, weight, 1, int(random.integers(1, 9)))
        for target, weight in sorted(zip(targets, weights, strict=True))
    )


def _records(random: np.random.Generator, level: Level, names: Sequence[str]) -> list[SuccessorRecord]:
    density = _pick(random, [0.0, 0.03, 0.3]) if level is Level.ITEM else 0.3
    return [
        SuccessorRecord(
            level,
            source,
            NOW - int(random.choice([0, 0, DAY_MS, 90 * DAY_MS])),
            _successors(random, source, names, density),
            _successors(random, source, names, density),
        )
        for source in names
        if random.random() < 0.7
    ]


def _pick(random: np.random.Generator, values: Sequence[Value]) -> Value:
    return values[int(random.integers(len(values)))]


def _profile(random: np.random.Generator, user_id: str, items: Sequence[str], categories: Sequence[str]) -> UserProfile:
    history = []
    for step in range(int(random.integers(0, 9))):
        priced = random.random() < 0.5
        history.append(
            HistoryItem(
                _pick(random, [*items, "unheard-of"]),
                _pick(random, [Kind.VIEW, Kind.CLICK, Kind.PURCHASE]),
                NOW - (9 - step) * DAY_MS // 2,
                _pick(random, [1.0, 2.0, 4.0]) if priced else None,
                _pick(random, ["EUR", "USD", "XXX", None]) if priced else None,
            )
        )
    hinted = [*items, "unheard-of"]
    chosen = [name for name in [*categories, "Not in the catalogue"] if random.random() < 0.35]
    interests = [interest(name, _pick(random, [1.0, 1.0, 3.0, 0.2])) for name in chosen]
    interests.sort(key=lambda each: (-each.rank_key, each.category))
    return UserProfile(
        user_id=user_id,
        now=NOW,
        interests=interests,
        history=history,
        owned={
            name: NOW - _pick(random, [0, 29 * DAY_MS, 30 * DAY_MS, 30 * DAY_MS + 1, 90 * DAY_MS])
            for name in items
            if random.random() < 0.12
        },
        hints={name: _pick(random, [*categories, "Not in the catalogue"]) for name in hinted if random.random() < 0.3},
    )


def build_shop(seed: int, items: int, categories: int, users: int, settings: ListSettings) -> ToyShop:
    """Draw a shop from a seed: few distinct prices, weights and vectors, so that ties are everywhere."""
    random = np.random.default_rng(seed)
    names = [f"i{number:02}" for number in random.permutation(items)]
    paths = [f"Shop > C{number}" for number in range(categories)]
    rows = [
        ItemRow(
            name,
            title=" ".join(_pick(random, TITLE_WORDS) for _ in range(int(random.integers(0, 4)))),
            category=_pick(random, [*paths, *paths, None]),
            price=_pick(random, [1.0, 1.05, 1.5, 2.0, 2.5, 4.0, 0.0, None]),
            currency=_pick(random, ["EUR", "EUR", "USD", None]),
            available=bool(random.random() < 0.85),
            quality=_pick(random, [None, 0.2, 0.8]),
        )
        for name in names
    ]
    profiles = [_profile(random, f"u{number}", names, paths) for number in range(users)]
    return ToyShop(
        rows=rows,
        records=_records(random, Level.CATEGORY, paths) + _records(random, Level.ITEM, [*names, "unheard-of"]),
        profiles=profiles,
        vectors={name: _unit(random) for name in names},
        embeddings={profile.user_id: _unit(random) for profile in profiles},
        settings=settings,
    )


TIGHT = RankingSettings(
    interest_sources=3,
    target_categories=2,
    items_per_category=2,
    category_successors=2,
    history_items=3,
    item_successors=3,
    popular_items=4,
    band_items=2,
    pool=5,
)
"""Bounds so low that everything is cut somewhere."""


@st.composite
def shops(draw: st.DrawFn, ranking: RankingSettings | None = None) -> ToyShop:
    """Shops of up to 40 items in up to 6 categories with up to 5 users, under various settings."""
    settings = ListSettings(
        size=draw(st.sampled_from([1, 4, 10])),
        saturation=draw(st.sampled_from([0.0, 0.5, 1.0])),
        max_per_category=draw(st.sampled_from([1, 2, 4])),
        diversity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        anchors=draw(st.sampled_from([1, 5, 12])),
    )
    seed, items = draw(st.integers(0, 2**32)), draw(st.integers(0, 40))
    shop = build_shop(seed, items, draw(st.integers(1, 6)), draw(st.integers(1, 5)), settings)
    shop.ranking = ranking or shop.ranking
    return shop
