"""The worker's lists against what a nightly batch would have listed under the same rules.

The batch is a known recommender, fitted to all that the worker had processed when its tests begin. It is asked at the
moment of each test, with the user's history up to then: more than a batch of last night would know. What it may list
is what :mod:`stream.evaluation.nightly_rules` says.

A case of a list is a test of which these rules allow the batch a target; other targets do not count. The worker keeps
its own rules, which gain it nothing here: it may list items of the latest one's category where something else leads
there, at most four of a category, and leaves a place to new items.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stream.evaluation.baselines.table import BASELINES
from stream.evaluation.bootstrap import Interval
from stream.evaluation.cases import Split
from stream.evaluation.contest import RANKER, Contest, Lead
from stream.evaluation.figures import Judge
from stream.evaluation.interactions import BoolArray, IntArray, Knowledge
from stream.evaluation.nightly_rules import RULES, Rule, RuledCandidates, RuledTests
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.ranker.model import Ranker
from stream.evaluation.scoring import Scorer, top_items
from stream.evaluation.worker_lists import LENGTH, WorkerLists

WORKER, TRAINED_WORKER = "worker", "trained worker"
FOR_NEXT_VISIT = {WORKER: "next-visit worker", TRAINED_WORKER: "next-visit trained worker"}
"""The same worker's lists for the next visit."""
LEAD_METRIC = "NDCG@10"
SHOWN = ("HR@5", "NDCG@5", "HR@10", "NDCG@10", "MRR@10")


@dataclass(frozen=True)
class FittedRanker:
    """The evaluation's own ranker, and all that it knows: the whole of what a test knows."""

    ranker: Ranker
    knowledge: Knowledge

    def lists(self, name: str, tests: RuledTests, rule: Rule, contest: Contest) -> dict[str, IntArray]:
        """Return its lists, (B, 10) codes, of what the rule allows."""
        builder = FeatureBuilder(self.knowledge, self.ranker.recipe)
        with contest.progress(f"nightly, {name}: {RANKER}", len(tests)) as step:
            ranked = self.ranker.rank(builder, tests.cases, RuledCandidates(tests, rule), step)
        return {RANKER: ranked.lists[RANKER][:, :LENGTH]}


@dataclass(frozen=True)
class Comparison:
    """One list's cases, everyone's figures over them, and each worker's paired lead over the best batch by NDCG@10.

    The ranker, where it is asked, is among the models, and no batch.

    compared: (B,) which of the worker's tests are the cases. allowed: one per target of these tests, which count.
    """

    compared: BoolArray
    allowed: BoolArray
    models: Mapping[str, Mapping[str, Interval]]
    leads: Mapping[str, Lead]

    @property
    def cases(self) -> int:
        """Return how many cases there are."""
        return int(np.count_nonzero(self.compared))

    def as_json(self) -> dict[str, object]:
        """Return plain values by name."""
        models = {name: {metric: found.value for metric, found in of.items()} for name, of in self.models.items()}
        intervals = {name: {metric: [i.low, i.high] for metric, i in of.items()} for name, of in self.models.items()}
        leads = {
            worker: {"over": lead.part, "metric": LEAD_METRIC, **vars(lead.difference)}
            for worker, lead in self.leads.items()
        }
        return {"cases": self.cases, "models": models, "intervals": intervals, "leads": leads}


def compare_with_nightly(
    tests: RuledTests, workers: Mapping[str, WorkerLists], contest: Contest, fitted_ranker: FittedRanker | None = None
) -> dict[str, Comparison]:
    """Return the comparison of each list that any case is there for; ``workers``: what they list in these tests.

    fitted_ranker: asked too, but no batch; nobody's lead is over it.
    """
    fitted = {baseline.name: baseline.fit(tests.knowledge) for baseline in BASELINES}
    batches = {name: scorer for name, scorer in fitted.items() if scorer is not None}
    comparisons = {}
    for name, rule in RULES.items():
        allowed = tests.allowed_targets(rule)
        cases = tests.cases.with_targets(allowed)
        compared = np.diff(cases.target_offsets) > 0
        if compared.any():
            lists = {worker: found.lists[name][compared] for worker, found in workers.items()}
            ruled = replace(tests, cases=cases.select(np.flatnonzero(compared)))
            others = fitted_ranker.lists(name, ruled, rule, contest) if fitted_ranker is not None else {}
            models, leads = _compare(name, ruled, rule, batches, lists, others, contest)
            comparisons[name.replace("_", "-")] = Comparison(compared, allowed, models, leads)
    return comparisons


def _compare(
    name: str,
    tests: RuledTests,
    rule: Rule,
    batches: Mapping[str, Scorer],
    workers: Mapping[str, IntArray],
    others: Mapping[str, IntArray],
    contest: Contest,
) -> tuple[dict[str, dict[str, Interval]], dict[str, Lead]]:
    judge = Judge([Split(tests.knowledge, tests.cases)], contest.seed)
    lists = dict(workers)
    for batch, scorer in batches.items():
        parts = []
        with contest.progress(f"nightly, {name}: {batch}", len(tests)) as step:
            for block in tests.blocks():
                scores = scorer.score(block.cases)
                scores[~rule(block)] = -np.inf
                parts.append(top_items(scores, tests.knowledge.tie_ranks, LENGTH))
                for _ in range(len(block)):
                    step()
        lists[batch] = np.concatenate(parts)
    lists |= others
    models = {}
    for model, found in lists.items():
        accuracy = judge.accuracy(found)
        models[model] = {metric: accuracy[metric] for metric in SHOWN}
    best = max(batches, key=lambda model: models[model][LEAD_METRIC].value)
    leads = {
        worker: Lead(best, judge.lead(published, lists[best], LEAD_METRIC)) for worker, published in workers.items()
    }
    return models, leads
