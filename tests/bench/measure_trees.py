"""What small gradient-boosted trees over the ranker's own features gain, and what they cost per user.

Replays the last messages of a log as ``interestream train ranker`` does, fits weights and trees on the same recorded
candidates, and puts the candidates of a later stretch in order by either. Cases in which no candidate was taken, and
rules of diversity, are left out here: it is the order alone that is compared.

Run: python -m tests.bench.measure_trees --events events.csv.gz --items items.csv.gz --last 10000
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from graph.ranking.features import MILLIONTHS, contributions
from graph.ranking.weights import fixed_weights
from stream.encoding import load_encoders
from stream.evaluation.interactions import FloatArray
from stream.evaluation.ranker.trees import SETTINGS
from stream.event_files import read_catalogue
from stream.pipeline import Pipeline
from stream.ranker_training.cases import Cases
from stream.ranker_training.fit import MOST_CASES, fit_weights
from stream.ranker_training.log import read_log
from stream.ranker_training.replay import Clock, Replay, training_settings
from stream.recommendations import CROSS_SELL, UP_SELL
from stream.settings import load_settings

USERS_TIMED = 256
REPEATS = 5

Scorer = Callable[[FloatArray], np.ndarray]


async def recorded(events: Path, items: Path, last: int) -> tuple[dict[str, Cases], dict[str, Cases]]:
    """Return the cases by list, of 30 % of the messages after 40 %, and of the last 30 %."""
    settings = training_settings(load_settings())
    messages, _ = read_log(events, settings.trackers, 0, last, lambda: None)
    clock = Clock(messages[0].at)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock)
    await pipeline.start()
    try:
        replay = Replay(pipeline, clock)
        await replay.catalogue(list(read_catalogue(items)), lambda: None)
        one, two = round(0.4 * len(messages)), round(0.7 * len(messages))
        await replay.process(messages[:one], lambda: None)
        return (
            await replay.record(messages[one:two], lambda: None),
            await replay.record(messages[two:], lambda: None),
        )
    finally:
        await pipeline.close()


def places_of(cases: Cases, score: Scorer) -> np.ndarray:
    """Return the place of each case's best taken candidate, from 1, equals sharing their places."""
    ranks = []
    for values, hits in zip(cases.values, cases.hits, strict=True):
        scores = score(values)
        best = scores[hits].max()
        ranks.append(1 + np.count_nonzero(scores > best) + (np.count_nonzero(scores == best) - 1) / 2)
    return np.array(ranks)


def gains(places: np.ndarray) -> np.ndarray:
    """Return NDCG@10 of each case."""
    return np.where(places <= 10, 1 / np.log2(1 + places), 0)


def lead(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Return by how much NDCG@10 leads on the same cases, and its standard error."""
    differences = gains(one) - gains(other)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return {"NDCG@10": float(differences.mean()), "standard error": float(error)}


def microseconds_per_user(cases: Cases, score: Scorer) -> float:
    """Return what scoring a micro-batch's candidates at once takes, over its users; the best of several."""
    users = cases.values[:USERS_TIMED]
    together = np.concatenate(users)
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        score(together)
        times.append(time.perf_counter() - begun)
    return 1e6 * min(times) / len(users)


def compared(train: Cases, test: Cases, fixed: tuple[float, ...], seed: int) -> dict[str, object]:
    """Return figures of the fixed weights, the learned ones and the trees."""
    _, values, hits = train.table(MOST_CASES, seed)
    learned = fit_weights(train, fixed, seed)
    if learned is None or not len(test):
        return {"cases": {"training": len(train), "test": len(test)}}
    model = HistGradientBoostingClassifier(random_state=seed, **SETTINGS).fit(values, hits)

    def linear(weights: tuple[float, ...]) -> Scorer:
        return lambda values: contributions(
            list(zip(weights, values.T.astype(np.float64), strict=True))
        ).sum(axis=0) / MILLIONTHS  # fmt: skip

    scorers: dict[str, Scorer] = {"fixed": linear(fixed), "linear": linear(learned), "trees": model.decision_function}
    places = {name: places_of(test, score) for name, score in scorers.items()}
    return {
        "cases": {"training": len(train), "test": len(test)},
        "lead of trees over linear": lead(places["trees"], places["linear"]),
        "candidates per user": round(float(np.mean([len(v) for v in test.values])), 1),
        "weights": learned,
        **{
            name: {
                "HR@10": float((places[name] <= 10).mean()),
                "NDCG@10": float(gains(places[name]).mean()),
                "microseconds per user": round(microseconds_per_user(test, score), 1),
            }
            for name, score in scorers.items()
        },
    }


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--last", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    graph = load_settings().graph
    fixed = fixed_weights(graph.lists, graph.ranking)
    with threadpool_limits(1):
        train, test = asyncio.run(recorded(options.events, options.items, options.last))
        found = {
            "cross-sell": compared(train[CROSS_SELL], test[CROSS_SELL], fixed.cross_sell, options.seed),
            "up-sell": compared(train[UP_SELL], test[UP_SELL], fixed.up_sell, options.seed),
        }
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
