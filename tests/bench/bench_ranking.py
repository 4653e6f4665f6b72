"""Time the ranking core on an invented shop: processor ms per user, and what a changed association or item costs.

    python tests/bench/bench_ranking.py --items 4000 75000 --users 256

Everything is drawn from a seed: popularity is Zipf-like, an item leads to about 60 others by views and 25 by purchases,
two in three of them in its own category. A title has seven words of 20,000, Zipf-like, too. One user in the shop has up
to 64 interactions. Prints one line per figure and a JSON object last.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import count

import msgspec
import numpy as np

from graph.model import Family, Interest, ItemRow, Kind, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.codes import IntArray
from graph.ranking.features import Vectors
from graph.ranking.items import ItemIndex
from graph.ranking.profile import HistoryItem, UserProfile
from graph.ranking.ranker import Ranker
from graph.settings import AssociationSettings, ListSettings, NextVisitSettings

NOW = 1_700_000_000_000
DAY = 86_400_000
DIMENSIONS = 64
NEAREST = 100
WORDS, TITLE_WORDS = 20_000, 7
HALF_LIFE_MS = 7 * DAY


def timed(action: Callable[[], object], repeats: int) -> float:
    """Return the median processor time of an action in milliseconds: other work on the machine counts little."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(1000.0 * (time.process_time() - start))
    return float(np.median(times))


class InventedShop:
    """Items, records and users drawn from one seed."""

    def __init__(self, items: int, seed: int = 7) -> None:
        self.random = np.random.default_rng(seed)
        self.size = items
        self.categories = max(4, items // 40)
        self.category = self.random.integers(0, self.categories, items)
        self.members = [np.flatnonzero(self.category == code) for code in range(self.categories)]
        self.popularity = 1.0 / (1.0 + self.random.permutation(items)) ** 0.8
        self.cumulative = np.cumsum(self.popularity / self.popularity.sum())
        centres = self.random.standard_normal((self.categories, DIMENSIONS))
        vectors = centres[self.category] + 0.7 * self.random.standard_normal((items, DIMENSIONS))
        self.vectors: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def rows(self) -> list[ItemRow]:
        """Draw the catalogue."""
        prices = np.exp(self.random.normal(3.0, 0.8, self.size)).round(2)
        shares = 1.0 / np.arange(1, WORDS + 1) ** 0.9
        words = np.searchsorted(np.cumsum(shares / shares.sum()), self.random.random((self.size, TITLE_WORDS)))
        titles = [" ".join(f"w{word}" for word in of) for of in words.tolist()]
        paths = [self.path(code) for code in self.category.tolist()]
        return [
            ItemRow(f"i{row:06}", title, path, price=float(price), currency="EUR")
            for row, (title, path, price) in enumerate(zip(titles, paths, prices.tolist(), strict=True))
        ]

    def path(self, category: int) -> str:
        """Name a category."""
        return f"Department {category % 12} > Category {category}"

    def draw(self, count: int) -> IntArray:
        """Draw popular items more often."""
        return np.searchsorted(self.cumulative, self.random.random(count)).clip(max=self.size - 1)

    def record(self, row: int) -> SuccessorRecord:
        """Draw what follows an item."""
        families = {}
        for family, mean in ((Family.VIEWED_NEXT, 60), (Family.BOUGHT_NEXT, 25)):
            count = int(self.random.poisson(mean))
            own = self.random.choice(self.members[self.category[row]], 2 * count // 3)
            targets = sorted({int(t) for t in np.concatenate([own, self.draw(count - len(own))])} - {row})
            weights = self.random.gamma(1.0, 2.0, len(targets)) + 0.1
            users = self.random.integers(1, 50, len(targets))
            families[family] = tuple(
                Successor(f"i{target:06}", float(weight), int(crowd), int(crowd))
                for target, weight, crowd in zip(targets, weights, users, strict=True)
            )
        at = NOW - int(self.random.integers(0, 30 * DAY))
        viewed, bought = families[Family.VIEWED_NEXT], families[Family.BOUGHT_NEXT]
        return SuccessorRecord(Level.ITEM, f"i{row:06}", at, viewed, bought)

    def category_record(self, category: int) -> SuccessorRecord:
        """Draw what follows a category: a few strong associations among many weak ones."""
        families = []
        for mean in (100, 40):
            targets = self.random.choice(self.categories, min(mean, self.categories - 1), replace=False)
            weights = self.random.pareto(1.2, len(targets)) + 0.5
            families.append(
                tuple(
                    Successor(self.path(int(target)), float(weight), 9, int(2 + weight))
                    for target, weight in zip(targets, weights, strict=True)
                    if target != category
                )
            )
        return SuccessorRecord(Level.CATEGORY, self.path(category), NOW - category, families[0], families[1])

    def profile(self, number: int) -> UserProfile:
        """Draw a user."""
        rows = self.draw(int(self.random.integers(4, 65)))
        history = [
            HistoryItem(f"i{row:06}", Kind.PURCHASE if bought else Kind.VIEW, NOW - (len(rows) - place) * 600_000)
            for place, (row, bought) in enumerate(zip(rows, self.random.random(len(rows)) < 0.1, strict=True))
        ]
        weights: dict[int, float] = {}
        for row in rows:
            weights[int(self.category[row])] = weights.get(int(self.category[row]), 0.0) + 1.0
        ordered = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
        interests = [
            Interest(self.path(code), weight, NOW, float(np.log2(weight)) + NOW / HALF_LIFE_MS, 1, 0)
            for code, weight in ordered
        ]
        owned = {entry.item_id: entry.occurred_at for entry in history if entry.kind is Kind.PURCHASE}
        return UserProfile(f"u{number}", NOW, interests, history, owned, {})

    def embeddings(self, profiles: list[UserProfile]) -> Vectors:
        """Take the mean vector of each user's last five items."""
        means = [self.vectors[[int(entry.item_id[1:]) for entry in p.history[-5:]]].mean(axis=0) for p in profiles]
        vectors = np.array(means)
        unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def nearest(self, embeddings: Vectors) -> IntArray:
        """Return the exact nearest items of each embedding."""
        k = min(NEAREST, self.size)
        order: IntArray = np.argsort(-(embeddings @ self.vectors.T), axis=1, kind="stable").astype(np.int64)
        return order[:, :k]


def measure(size: int, users: int, repeats: int) -> dict[str, float]:
    """Build one shop and time it."""
    shop = InventedShop(size)
    items, associations = ItemIndex(), AssociationIndex(AssociationSettings())
    rows = shop.rows()
    start = time.process_time()
    for row in rows:
        items.upsert(row)
    item_upserts = size / (time.process_time() - start)
    spent = 0.0
    for number in range(size):
        record = shop.record(number)
        start = time.process_time()
        associations.upsert(record)
        spent += time.process_time() - start
    for category in range(shop.categories):
        associations.upsert(shop.category_record(category))
    profiles = [shop.profile(number) for number in range(users)]
    embeddings = shop.embeddings(profiles)
    nearest = shop.nearest(embeddings)
    ranker = Ranker(items, associations, ListSettings(), visit=NextVisitSettings())
    without_visits = Ranker(items, associations, ListSettings())

    def rank(most: int = users) -> None:
        ranker.rank(profiles[:most], embeddings[:most], shop.vectors, nearest[:most])

    first = timed(rank, 1)
    whole = timed(rank, repeats)
    single = timed(lambda: rank(1), repeats)
    changed_category, changed_item = shop.category_record(0), shop.record(0)
    replace = msgspec.structs.replace
    titles = (replace(rows[0], title=f"another title {number}") for number in count())
    prices = (replace(rows[1], price=1.0 + number) for number in count())
    stocks = (replace(rows[2], available=bool(number % 2)) for number in count())

    def after(change: Callable[[], object]) -> float:
        def change_and_rank() -> None:
            change()
            rank(1)

        return timed(change_and_rank, repeats) - single

    return {
        "items": size,
        "users": users,
        "item_rows_per_second": item_upserts,
        "item_records_per_second": size / spent,
        "first_call_ms": first,
        "ms_per_user": whole / users,
        "ms_per_user_without_next_visit": timed(
            lambda: without_visits.rank(profiles, embeddings, shop.vectors, nearest), repeats
        )
        / users,
        "ms_for_one_user_alone": single,
        "ms_more_after_a_category_record": after(lambda: associations.upsert(changed_category)),
        "ms_more_after_an_item_record": after(lambda: associations.upsert(changed_item)),
        "ms_more_after_a_new_price": after(lambda: items.upsert(next(prices))),
        "ms_more_after_a_change_of_stock": after(lambda: items.upsert(next(stocks))),
        "ms_more_after_a_new_title": after(lambda: items.upsert(next(titles))),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[4_000, 75_000])
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    results = [measure(size, arguments.users, arguments.repeats) for size in arguments.items]
    for result in results:
        for name, value in result.items():
            print(f"{name:32} {value:12.3f}")  # noqa: T201
        print()  # noqa: T201
    print(json.dumps({"ranking": results}))  # noqa: T201


if __name__ == "__main__":
    main()
