"""What diversity, calibration and caps cost in accuracy, and what they gain: the next basket of a real shop.

    python -m tests.bench.measure_diversity [--events FILE --items FILE] [--cut 2011-11-15]

The shop (the shipped sample by default) is run through the whole path up to the cut. A user's next basket is the first
later invoice; what counts are its items of other categories than the user's last one (cross-sell may list no others).
Lists are ranked by the product, once per setting. Recall@10 with a 95 % interval over users, of the lists for the next
step and of those for the next visit; all else is of the former. Divergence: mean
Kullback-Leibler divergence of the wanted mix of categories from the list's. Prints a table, and a JSON object last.
"""

import argparse
import asyncio
import json
import math
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard, save_centroids
from encoders.hashing import HashingTextEncoder
from encoders.items import item_text
from encoders.settings import TextEncoderName
from encoders.training.categories import train_categories
from graph.ranking.batch import gather_profiles
from graph.ranking.codes import IntArray
from graph.ranking.exposure import head_items, measure_exposure
from graph.ranking.item_weights import ItemWeights
from graph.ranking.ragged import FloatArray
from graph.ranking.shop import ShopView
from graph.ranking.steps import category_strengths
from graph.settings import GraphSettings
from stream.demo.sample import DATA
from stream.event_files import read_catalogue, read_messages
from stream.explanations import interactions_in, user_from
from stream.microbatch import profile_of
from stream.pipeline import Pipeline
from stream.refresher import Refresher
from stream.settings import Settings
from tests.unit.stream.sample_shop import SampleShop, started

VARIANTS: dict[str, dict[str, object]] = {
    "as shipped": {},
    "diversity 0": {"diversity": 0.0},
    "diversity 0.3": {"diversity": 0.3},
    "diversity 0.5": {"diversity": 0.5},
    "diversity 0.7": {"diversity": 0.7},
    "calibration 0.1": {"calibration": 0.1},
    "calibration 0.3": {"calibration": 0.3},
    "calibration 0.6": {"calibration": 0.6},
    "no cap on categories": {"max_per_category": 10},
    "2 per category": {"max_per_category": 2},
    "6 of the head": {"max_head_items": 6},
    "3 of the head": {"max_head_items": 3},
}


class _Event(msgspec.Struct):
    user_id: str
    item_id: str
    kind: str
    occurred_at: int


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=Path, default=DATA / "events.csv.gz")
    parser.add_argument("--items", type=Path, default=DATA / "items.csv.gz")
    parser.add_argument("--cut", default="2011-11-15")
    arguments = parser.parse_args()
    cut = int(datetime.fromisoformat(arguments.cut).replace(tzinfo=UTC).timestamp() * 1000)
    decode = msgspec.json.Decoder(_Event).decode
    messages = [(key, value, decode(value)) for key, value in read_messages(arguments.events)]
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        shop = _shop(arguments.items, Path(folder), runner)
        shop.send(shop.settings.topics.interactions, [(k, v) for k, v, event in messages if event.occurred_at < cut])
        shop.rest()
        later: defaultdict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for _, _, event in messages:
            if event.occurred_at >= cut and event.kind == "purchase":
                later[event.user_id][event.occurred_at].add(event.item_id)
        baskets = {user: invoices[min(invoices)] for user, invoices in later.items()}
        report = {name: _measure(shop, changes, baskets) for name, changes in VARIANTS.items()}
        shop.close()
    columns = list(report["as shipped"])
    print(" " * 22 + "".join(f"{name:>14}" for name in columns))  # noqa: T201
    for name, figures in report.items():
        print(f"{name:<22}" + "".join(f"{figures[column]:>14.4f}" for column in columns))  # noqa: T201
    print(json.dumps({"users": len(baskets), "cut": arguments.cut, "variants": report}))  # noqa: T201


def _shop(items: Path, folder: Path, runner: asyncio.Runner) -> SampleShop:
    rows = list(read_catalogue(items))
    titles = [json.loads(value).get("title") or "" for _, value in rows]
    encoder = HashingTextEncoder()
    made = train_categories(titles, [item_text(title, None, None) for title in titles], encoder.encode, 60, 0)
    path = folder / "categories.safetensors"
    card = CentroidsCard(
        format=DerivedCategories.format, text_model=encoder.model, text_dimensions=encoder.dimensions, names=made.names
    )
    save_centroids(path, made.centroids, card)
    shop = started(
        Settings.model_validate(
            {
                "encoder": {"text": TextEncoderName.HASHING, "categories_file": path},
                "topics": {"partitions": 1},
                "worker": {"category_flush_seconds": 3600, "item_flush_seconds": 3600},
            }
        ),
        runner,
    )
    shop.send(shop.settings.topics.catalogue, rows)
    shop.drain()
    return shop


def _measure(shop: SampleShop, changes: dict[str, object], baskets: dict[str, set[str]]) -> dict[str, float]:
    pipeline: Pipeline = shop.pipeline
    graph = GraphSettings.model_validate({"lists": changes})
    refresher = Refresher(pipeline.knowledge, pipeline.thread, graph, pipeline.metrics)
    items = pipeline.knowledge.items
    past = interactions_in(shop.values(shop.settings.topics.bundles))
    known = [user for user in sorted(baskets) if user in past]
    users = [user_from(user, past[user], items.category_of, graph) for user in known]
    ranked = [
        result for i in range(0, len(users), 500) for result in shop.run(refresher.refresh(users[i : i + 500], 0))
    ]
    view = ShopView(items, pipeline.knowledge.associations, graph.lists, graph.ranking).current()
    recalls, visits, divergences = [], [], []
    for result in ranked:
        last = result.user.state.history[-1].item_id
        wanted = {i for i in baskets[result.user.user_id] if items.category_of(i) != items.category_of(last)}
        listed = [item.item_id for item in result.lists.cross_sell]
        if wanted:
            recalls.append(len(wanted & set(listed)) / min(10, len(wanted)))
            later = result.lists.next_visit.cross_sell if result.lists.next_visit else ()
            visits.append(len(wanted & {item.item_id for item in later}) / min(10, len(wanted)))
        profile = profile_of(result.user, items.category_of, graph)
        strengths = category_strengths(view, gather_profiles([profile], view, graph.lists, graph.ranking))[0]
        codes = [items.categories.get(item.category or "") for item in result.lists.cross_sell]
        if strengths.sum() > 0.0:
            divergences.append(_divergence(strengths / strengths.sum(), np.array(codes)))
    head = head_items(items, ItemWeights(items, pipeline.knowledge.associations).current(), graph.lists.head_share)
    shown = measure_exposure([[i.item_id for i in r.lists.cross_sell] for r in ranked], items, head, 0)
    mean = float(np.mean(recalls))
    return {
        "recall@10": mean,
        "+-": 1.96 * float(np.std(recalls)) / math.sqrt(len(recalls)),
        "next visit": float(np.mean(visits)),
        "+- of it": 1.96 * float(np.std(visits)) / math.sqrt(len(visits)),
        "categories": float(np.mean([len({i.category for i in r.lists.cross_sell}) for r in ranked])),
        "divergence": float(np.mean(divergences)),
        "coverage": shown.coverage,
        "tail": shown.tail,
        "gini": shown.gini,
        "one_category": shown.one_category,
    }


def _divergence(wanted: FloatArray, codes: IntArray) -> float:
    """Return sum p ln(p / q), with a hundredth of p in q."""
    listed = np.bincount(codes[codes >= 0], minlength=len(wanted)) / max(1, len(codes))
    mixed = 0.99 * listed + 0.01 * wanted
    some = wanted > 0.0
    return float((wanted[some] * np.log(wanted[some] / mixed[some])).sum())


if __name__ == "__main__":
    main()
