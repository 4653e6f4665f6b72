"""Measure, on the whole shipped sample, how many reasons are true; see stream/explanations.py.

    python -m tests.bench.measure_explanations [--views] [--ranker FILE]

``--views`` adds the demo's simulated views, so that reasons by views occur too. Takes minutes. Prints one line per
list and feature, and a JSON object last.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

import msgspec

from stream.demo.sample import load_sample, with_views
from stream.explanations import interactions_in, measure_truth
from stream.ranker_file import read_ranker
from tests.unit.stream.sample_shop import make_sample_shop


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", action="store_true")
    parser.add_argument("--ranker", type=Path, help="learned weights instead of the fixed ones")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        shop = make_sample_shop(Path(folder), runner)
        if arguments.views:
            made = [event for event in with_views(load_sample().events, seed=0) if event.simulated]
            shop.send(shop.settings.topics.interactions, [(e.user_id.encode(), msgspec.json.encode(e)) for e in made])
            shop.rest()
        if arguments.ranker is not None:
            shop.pipeline.knowledge.weights = read_ranker(arguments.ranker).weights
        past = interactions_in(shop.values(shop.settings.topics.bundles))
        truth = shop.run(measure_truth(past, shop.refresher, shop.pipeline.store, shop.settings.graph))
        shop.close()
    for (name, feature), tally in sorted(truth.removal.items()):
        print(f"{name:<22}{feature:<18}{tally.held:>6} of {tally.cases:>6}{tally.share:>8.4f}")  # noqa: T201
    print(f"numbers {truth.numbers.held} of {truth.numbers.cases} are the graph's")  # noqa: T201
    shares = {f"{name}.{feature}": tally.share for (name, feature), tally in truth.removal.items()}
    print(json.dumps({"users": len(past), "removal": shares, "numbers": truth.numbers.share}))  # noqa: T201


if __name__ == "__main__":
    main()
