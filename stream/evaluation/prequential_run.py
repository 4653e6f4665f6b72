"""The prequential protocol as a whole: windows of tests, and what lateness costs."""

import time
from dataclasses import replace

import numpy as np

from stream.evaluation.contest import RANKER, Contest, Section, judged
from stream.evaluation.figures import Judge
from stream.evaluation.interactions import IntArray
from stream.evaluation.plan import CannotTest, Shop
from stream.evaluation.protocols.prequential import DELAYS_MS, prequential_earlier, prequential_tests
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.ranker.model import Ranked

Freshness = dict[str, dict[str, float]]
FRESHNESS_METRICS = ("HR@10", "NDCG@10", "HR@20", "MRR@20", "NDCG@20")


def run_prequential(shop: Shop, contest: Contest, most_cases: int) -> tuple[Section, Freshness]:
    """Return the test of all windows, and the ranker's figures by delay of its lists. Raises CannotTest."""
    start = time.perf_counter()
    earlier = tuple(prequential_earlier(shop.log, shop.catalogue, most_cases, contest.seed))
    tests = list(prequential_tests(shop.log, shop.catalogue, most_cases, contest.seed))
    if not tests or not earlier:
        raise CannotTest("prequential: the log is too short: nobody comes back in the last fifth, or before it")
    ranker = contest.learn("prequential", earlier)
    ranked: list[Ranked] = []
    late: dict[str, list[IntArray]] = {delay: [] for delay in DELAYS_MS}
    with contest.progress(
        "prequential: ranking", len(DELAYS_MS) * sum(len(test.split.cases) for test in tests)
    ) as step:
        for test in tests:
            builder = FeatureBuilder(test.split.knowledge, ranker.recipe, test.split.counts)
            for delay, cases in test.late.items():
                found = ranker.rank(builder, cases, test.split.candidates, step)
                late[delay].append(found.lists[RANKER])
                if not DELAYS_MS[delay]:
                    ranked.append(found)
    seconds = time.perf_counter() - start
    splits = [test.split for test in tests]
    judge = Judge(splits, contest.seed)
    whole = Ranked(
        {name: np.concatenate([part.lists[name] for part in ranked]) for name in ranked[0].lists},
        np.concatenate([part.log_odds for part in ranked]),
        np.concatenate([part.hits for part in ranked]),
    )
    split = replace(splits[0], cases=judge.cases)
    others = contest.judge_baselines("prequential", splits, judge)
    freshness = {delay: _means(judge, np.concatenate(lists)) for delay, lists in late.items()}
    return judged("prequential", split, judge, ranker, whole, seconds, others), freshness


def _means(judge: Judge, lists: IntArray) -> dict[str, float]:
    outcomes = judge.outcomes(lists)
    return {metric: float(outcomes[metric].mean()) for metric in FRESHNESS_METRICS}
