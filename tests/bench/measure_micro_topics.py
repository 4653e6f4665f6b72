"""How stable the names of micro-topics are when the catalogue changes, and what a user's micro-topics cost.

    python -m tests.bench.measure_micro_topics [--items FILE] [--seeds 5]

Stability: micro-topics are made of the shop's items (the shipped sample by default) without a few per cent drawn by
lot, then of all of them, grown on the former ones or afresh; the figure is the share of the old items that keep a
micro-topic of the same name. The text model is the one of the settings. Cost: users with usual and full histories over
10,000 items with 400 micro-topics, 500 users at once; milliseconds of one core per user. Prints a JSON object.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from encoders.base import ITEM_DIMENSIONS, FloatArray, TextEncoder
from encoders.device import choose_device
from encoders.factory import load_text_encoder
from encoders.items import item_text
from encoders.projection import normalise
from encoders.training.catalogue import read_catalogue
from encoders.training.clusters import FormerCentroids, TrainedCentroids
from encoders.training.micro_topics import train_micro_topics
from graph.micro_topics import micro_topics
from graph.model import ItemRow, Kind
from graph.ranking.items import ItemIndex
from graph.ranking.profile import HistoryItem, UserProfile
from graph.settings import InterestSettings, ListSettings
from stream.demo.sample import DATA
from stream.settings import Settings

NEW_SHARES = (0.02, 0.05, 0.1)
HISTORIES = (16, 64)
USERS, ITEMS, TOPICS, ROUNDS = 500, 10_000, 400, 40


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, default=DATA / "items.csv.gz")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    settings = Settings().encoder
    encoder = load_text_encoder(settings, choose_device(settings.device))
    figures = {
        "text_model": encoder.model,
        "same_name": stability(options.items, encoder, options.seeds),
        "cpu_ms_per_user": {f"{history} interactions": cost(history) for history in HISTORIES},
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


def stability(path: Path, encoder: TextEncoder, seeds: int) -> Mapping[str, object]:
    """Return, for each share of new items, the mean and the worst share of old items whose topic keeps its name."""
    rows = read_catalogue(path)
    titles = [row.title for row in rows]
    texts = [item_text(row.title, row.brand, row.category) for row in rows]
    distinct = sorted(set(texts))
    vectors = dict(zip(distinct, encoder.encode(distinct), strict=True))

    def encode(some: Sequence[str]) -> FloatArray:
        return np.stack([vectors[text] for text in some])

    found: dict[str, object] = {"items": len(distinct)}
    for share in NEW_SHARES:
        grown, afresh = [], []
        for seed in range(seeds):
            old = np.flatnonzero(np.random.default_rng(seed).random(len(rows)) >= share).tolist()
            old_titles, old_texts = [titles[i] for i in old], [texts[i] for i in old]
            first = train_micro_topics(old_titles, old_texts, encode, None, 0)
            former = FormerCentroids(first.names, first.centroids)
            known = encode(old_texts)
            grown.append(_same(first, train_micro_topics(titles, texts, encode, None, 0, former), known))
            afresh.append(_same(first, train_micro_topics(titles, texts, encode, None, 0), known))
        found[f"{share:.0%} new"] = {
            "grown": round(float(np.mean(grown)), 4),
            "grown, worst": round(min(grown), 4),
            "afresh": round(float(np.mean(afresh)), 4),
        }
    return found


def _same(first: TrainedCentroids, then: TrainedCentroids, vectors: FloatArray) -> float:
    before, after = ((vectors @ made.centroids.T).argmax(axis=1) for made in (first, then))
    return float(np.mean([first.names[b] == then.names[a] for b, a in zip(before, after, strict=True)]))


def cost(history: int) -> Mapping[str, float]:
    """Return milliseconds of one core per user: the median of some micro-batches, and the fastest one.

    history: interactions of each user.
    """
    random = np.random.default_rng(0)
    items = ItemIndex()
    for number in range(ITEMS):
        items.upsert(ItemRow(f"i{number:05}", "", micro_topic=f"topic {random.integers(TOPICS)}"))
    vectors = normalise(random.standard_normal((ITEMS, ITEM_DIMENSIONS)).astype(np.float32))
    kinds = [Kind.VIEW, Kind.CLICK, Kind.ADD_TO_CART, Kind.PURCHASE]
    profiles = []
    for user in range(USERS):
        drawn = zip(random.integers(ITEMS, size=history), random.integers(len(kinds), size=history), strict=True)
        entries = [HistoryItem(f"i{item:05}", kinds[kind], 3_600_000 * at) for at, (item, kind) in enumerate(drawn)]
        profiles.append(UserProfile(f"u{user}", 0, [], entries, {}, {}))
    taken = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        micro_topics(profiles, items, vectors, InterestSettings(), ListSettings().micro_topics)
        taken.append(time.thread_time() - begun)
    per_user = np.array(taken) * 1000.0 / USERS
    return {"median": round(float(np.median(per_user)), 4), "fastest": round(float(per_user.min()), 4)}


if __name__ == "__main__":
    main()
