"""The for-you list of a worker against the ranker of the evaluation, on the cases of a test, and what it costs.

The ranker learns at earlier cuts, as in ``interestream evaluate``. Its lists of the test's cases are compared with what
a worker makes of the same users: the worker reads the file of the model, each user is told to it as interactions, kept
as a state, written and read as the store does, and ranked. List by list, the two should be the same.

    python -m tests.bench.measure_for_you --events events.csv.gz --items items.csv.gz [--for next-visit]
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from graph.model import Interaction
from graph.state import decode_state, encode_state
from stream.encoding import load_encoders
from stream.evaluation.contest import Contest
from stream.evaluation.figures import Judge
from stream.evaluation.interactions import IntArray
from stream.evaluation.plan import PlannedTest, Shop, plan
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.worker_told import catalogue_messages, worker_settings
from stream.event_files import read_catalogue
from stream.explanations import user_from
from stream.for_you.cases import mark_of_user
from stream.for_you.file import card_of, write_for_you
from stream.for_you.log import shop_of
from stream.for_you.model import ForYouModel
from stream.for_you.settings import ForYouSettings
from stream.for_you.training import PROTOCOLS, asked_at_once
from stream.for_you.watch import load_for_you
from stream.pipeline import Pipeline
from stream.progress import Progress
from stream.settings import Settings, TrackerSettings
from stream.training_files import latest_rows, read_interactions
from stream.users import CachedUser
from tests.unit.stream.evaluation.small_shops import unseen

LENGTH = 20
AT_ONCE = 256
TICK_SECONDS = 0.01


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--for", dest="occasion", choices=sorted(PROTOCOLS), default="next-step")
    parser.add_argument("--shift-ms", type=int, default=0)
    parser.add_argument("--reasons", type=int, default=3, help="tried for the costs; the lists are compared without")
    options = parser.parse_args()
    rows, _ = latest_rows(read_catalogue(options.items), TrackerSettings())
    interactions, _ = read_interactions(options.events, TrackerSettings(), options.shift_ms, lambda: None)
    interactions.sort(key=lambda one: (one.occurred_at, one.event_id))
    sessions = options.occasion == "next-visit"
    shop = shop_of(interactions, rows, sessions=sessions)
    with threadpool_limits(1), TemporaryDirectory(prefix="interestream-") as folder:
        print(json.dumps(asyncio.run(measure(shop, interactions, options, Path(folder), unseen))))  # noqa: T201


async def measure(
    shop: Shop, interactions: Sequence[Interaction], options: argparse.Namespace, folder: Path, progress: Progress
) -> dict[str, object]:
    """Fit, write, ask and compare."""
    test = asked_at_once(next(plan(shop, PROTOCOLS[options.occasion], None, 1.0)))
    contest, started = Contest(0, progress, baselines=False), time.process_time()
    ranker, knowledge = contest.learn(test.name, test.earlier), test.split.knowledge
    builder = FeatureBuilder(knowledge, ranker.recipe)
    learned, started = time.process_time() - started, time.process_time()
    expected = ranker.rank(builder, test.split.cases, test.split.candidates).lists["ranker"][:, :LENGTH]
    marks = np.array([mark_of_user(user) for user in shop.users], np.int64)
    model = ForYouModel(
        ranker, knowledge, marks, builder.encoder, test.split.candidates, options.occasion == "next-visit"
    )
    path = folder / "for-you.safetensors"
    write_for_you(path, model, card_of(model, options.occasion, figures={}, cases=0, lead={}))
    loading, stall = await load_beside_a_loop(ForYouSettings(model_file=path))
    settings = worker_settings(Settings(encoder={"text": "hashing"}))
    found, _, _ = await ask(settings, path, shop, test, interactions, LENGTH, 0, len(test.split.cases), AT_ONCE)
    costs, share = {}, 0.0
    for reasons in (0, options.reasons):
        for at_once, most in ((1, 100), (10, 500), (AT_ONCE, 2_000)):
            _, cost, share = await ask(settings, path, shop, test, interactions, 10, reasons, most, at_once)
            costs[f"{reasons} reasons, {at_once} at once"] = round(1000 * cost, 2)
    judge = Judge([test.split], 0)
    figures = {name: judge.figures(lists).accuracy for name, lists in (("evaluation", expected), ("worker", found))}
    return {
        "cases": len(expected),
        "equal_lists": int((found == expected).all(axis=1).sum()),
        "other_lists": [
            {
                "places": sum(a != b for a, b in zip(one, other, strict=True)),
                "same_items": sorted(one) == sorted(other),
            }
            for one, other in zip(found.tolist(), expected.tolist(), strict=True)
            if one != other
        ][:10],
        "equal_top_ten": int((found[:, :10] == expected[:, :10]).all(axis=1).sum()),
        "figures": {
            name: {metric: of[metric].value for metric in ("HR@10", "NDCG@10", "Recall@20", "NDCG@20")}
            for name, of in figures.items()
        },
        "cpu_seconds_to_learn": round(learned, 1),
        "file_bytes": path.stat().st_size,
        "seconds_to_load": round(loading, 1),
        "longest_stall_of_the_loop_seconds": round(stall, 3),
        "cpu_ms_a_user": costs,
        "items_with_a_reason": round(share, 3),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def load_beside_a_loop(settings: ForYouSettings) -> tuple[float, float]:
    """Return how long a worker takes to load the model, and how long its event loop stood still at most meanwhile."""
    stall, done = 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal stall
        while not done.is_set():
            before = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            stall = max(stall, time.monotonic() - before - TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    started = time.monotonic()
    await asyncio.to_thread(load_for_you, settings)
    seconds = time.monotonic() - started
    done.set()
    await ticking
    return seconds, stall


async def ask(
    base: Settings,
    path: Path,
    shop: Shop,
    test: PlannedTest,
    interactions: Sequence[Interaction],
    size: int,
    reasons: int,
    most: int,
    at_once: int,
) -> tuple[IntArray, float, float]:
    """Return (B, size) codes, -1 pads, of the first ``most`` cases.

    And the CPU seconds a user of the list alone, and the share of the items that have a reason.
    """
    for_you = ForYouSettings(model_file=path, size=size, reasons=reasons)
    settings = base.model_copy(update={"for_you": for_you})
    pipeline = Pipeline(settings, load_encoders(settings.encoder), lambda: 0, lists=False)
    await pipeline.start()
    try:
        for key, value in catalogue_messages(shop.catalogue):
            pipeline.log.append(settings.topics.catalogue, key, value)
        await pipeline.drain()
        codes, refresher = shop.catalogue.codes, pipeline.refresher
        lists: list[list[int]] = []
        used, told = 0.0, 0
        users = list(_users(pipeline, test, interactions, most))
        for start in range(0, len(users), at_once):
            started = time.process_time()
            made = await refresher.for_you(users[start : start + at_once])
            used += time.process_time() - started
            for one in made:
                listed = [codes[item.item_id] for item in one.items] if one is not None else []
                told += sum(bool(item.because) for item in one.items) if one is not None else 0
                lists.append(listed + [-1] * (size - len(listed)))
        found = np.array(lists, np.int64)
        return found, used / len(users), told / max(1, int((found >= 0).sum()))
    finally:
        await pipeline.close()


def _users(
    pipeline: Pipeline, test: PlannedTest, interactions: Sequence[Interaction], most: int
) -> Iterator[CachedUser]:
    cases, category_of = test.split.cases, pipeline.knowledge.items.category_of
    for case in range(min(len(cases), most)):
        places = cases.places[cases.offsets[case] : cases.offsets[case + 1]].tolist()
        name = interactions[places[0]].user_id if places else ""
        user = user_from(name, [interactions[place] for place in places], category_of, pipeline.settings.graph)
        yield CachedUser(user.user_id, user.version, decode_state(encode_state(user.state)))


if __name__ == "__main__":
    main()
