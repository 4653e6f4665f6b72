"""The worker's lists against what a nightly batch would have listed under the same rules.

The batch is a known recommender, fitted to all that the worker had processed when its tests begin. It is asked at the
moment of each test, with the user's history up to then: more than a batch of last night would know. Nobody may list
what the user bought not long ago. Beyond that, what it lists is

- **cross-sell**: any item of another category than that of the user's latest item;
- **up-sell**: any item of the category of one of the user's latest items, within the price band above it.

A case of a list is an interaction with an item that these rules allow the batch. The worker keeps its own rules, which
gain it nothing here: it may list items of the latest one's category where something else leads there, at most four of
a category, and leaves a place to new items.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from graph.settings import ListSettings
from stream.evaluation.baselines.table import BASELINES
from stream.evaluation.bootstrap import Interval
from stream.evaluation.cases import Cases, Split, cases_from_log
from stream.evaluation.contest import Contest, Lead
from stream.evaluation.figures import Judge
from stream.evaluation.interactions import BoolArray, IntArray, Knowledge
from stream.evaluation.plan import Shop
from stream.evaluation.scoring import Scorer, block_size, top_items
from stream.evaluation.worker_lists import LENGTH, WorkerLists
from stream.evaluation.worker_tests import Processed

WORKER, TRAINED_WORKER = "worker", "trained worker"
LEAD_METRIC = "NDCG@10"
SHOWN = ("HR@5", "NDCG@5", "HR@10", "NDCG@10", "MRR@10")


@dataclass(frozen=True)
class Comparison:
    """One list's cases, everyone's figures over them, and each worker's paired lead over the best batch by NDCG@10.

    compared: (B,) which of the worker's tests are the cases.
    """

    compared: BoolArray
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
    shop: Shop, workers: Mapping[str, WorkerLists], settings: ListSettings, contest: Contest
) -> dict[str, Comparison]:
    """Return the comparison of each list that any case is there for.

    shop: read as for ``prequential``; workers: what was published in runs over the same interactions.
    """
    tests = _Tests.of(shop, next(iter(workers.values())), settings)
    fitted = {baseline.name: baseline.fit(tests.knowledge) for baseline in BASELINES}
    batches = {name: scorer for name, scorer in fitted.items() if scorer is not None}
    comparisons = {}
    for name, allowed in RULES.items():
        compared = tests.reachable(allowed)
        if compared.any():
            lists = {worker: found.lists[name][compared] for worker, found in workers.items()}
            models, leads = _compare(name, tests.select(np.flatnonzero(compared)), batches, lists, contest)
            comparisons[name.replace("_", "-")] = Comparison(compared, models, leads)
    return comparisons


@dataclass(frozen=True)
class _Tests:
    """knowledge: what was processed before the tests. cases: histories and what was taken; bought: their purchases.

    categories: (n,) codes as the worker had them, -1 for none.
    """

    knowledge: Knowledge
    cases: Cases
    bought: Cases
    categories: IntArray
    settings: ListSettings

    @classmethod
    def of(cls, shop: Shop, found: WorkerLists, settings: ListSettings) -> "_Tests":
        processed = Processed.of(shop, found)
        log, order, ends = processed.log, processed.order, processed.ends
        is_purchase = np.array([kind == "purchase" for kind in shop.raw.kinds], np.bool_)[order]
        purchases_before = np.r_[0, np.cumsum(is_purchase)].astype(np.int64)[ends]
        users = log.users[ends]
        return cls(
            Knowledge(log.select(order < found.tested_from), shop.catalogue, int(shop.raw.times[found.tested_from])),
            processed.cases(),
            cases_from_log(log.select(is_purchase), users, purchases_before, purchases_before, at=0),
            found.categories,
            settings,
        )

    def __len__(self) -> int:
        return len(self.cases)

    def select(self, chosen: IntArray) -> "_Tests":
        return _Tests(
            self.knowledge, self.cases.select(chosen), self.bought.select(chosen), self.categories, self.settings
        )

    def blocks(self) -> Iterator["_Tests"]:
        size = block_size(self.knowledge.n_items)
        for start in range(0, len(self), size):
            yield self.select(np.arange(start, min(start + size, len(self))))

    def reachable(self, allowed: "Rule") -> BoolArray:
        """Return (B,): whether what was taken may be listed."""
        return np.concatenate([allowed(block)[np.arange(len(block)), block.cases.targets] for block in self.blocks()])

    def cross_sell(self) -> BoolArray:
        """Return (B, n): the items of other categories than the latest one's."""
        categories, latest = self.categories, self.cases.items[self.cases.offsets[1:] - 1]
        found: BoolArray = (categories >= 0) & (categories != categories[latest][:, None]) & ~self._owned()
        return found

    def up_sell(self) -> BoolArray:
        """Return (B, n): dearer items of an anchor's category, within the band."""
        settings, prices = self.settings, self.knowledge.catalogue.prices
        found = np.zeros((len(self), self.knowledge.n_items), np.bool_)
        for anchors in _latest_distinct(self.cases, settings.anchors):
            base = np.where(anchors >= 0, prices[anchors], np.nan)[:, None]  # nothing is in a band above NaN
            category = self.categories[anchors][:, None]
            within = (prices >= base * settings.up_sell_min_ratio) & (prices <= base * settings.up_sell_max_ratio)
            found |= within & (category >= 0) & (self.categories == category)
        return found & ~self._owned()

    def _owned(self) -> BoolArray:
        bought = self.bought
        horizon = self.cases.at - 1000 * self.settings.owned_seconds
        recent = bought.times >= horizon[bought.rows]
        owned = np.zeros((len(self), self.knowledge.n_items), np.bool_)
        owned[bought.rows[recent], bought.items[recent]] = True
        return owned


Rule = Callable[[_Tests], BoolArray]
RULES: Mapping[str, Rule] = {"cross_sell": _Tests.cross_sell, "up_sell": _Tests.up_sell}


def _latest_distinct(cases: Cases, most: int) -> Iterator[IntArray]:
    """Yield (B,) codes: each history's latest item, then the latest other one, and so on; -1 where there is none."""
    places = np.flatnonzero(cases.latest)
    rows = cases.rows[places]
    from_the_end = np.searchsorted(rows, rows, side="right") - 1 - np.arange(len(rows))
    for place in range(most):
        codes = np.full(len(cases), -1, np.int64)
        chosen = from_the_end == place
        codes[rows[chosen]] = cases.items[places[chosen]]
        yield codes


def _compare(
    name: str, tests: _Tests, batches: Mapping[str, Scorer], workers: Mapping[str, IntArray], contest: Contest
) -> tuple[dict[str, dict[str, Interval]], dict[str, Lead]]:
    judge, allowed = Judge([Split(tests.knowledge, tests.cases)], contest.seed), RULES[name]
    lists = dict(workers)
    for batch, scorer in batches.items():
        parts = []
        with contest.progress(f"nightly, {name}: {batch}", len(tests)) as step:
            for block in tests.blocks():
                scores = scorer.score(block.cases)
                scores[~allowed(block)] = -np.inf
                parts.append(top_items(scores, tests.knowledge.tie_ranks, LENGTH))
                for _ in range(len(block)):
                    step()
        lists[batch] = np.concatenate(parts)
    models = {}
    for model, found in lists.items():
        accuracy = judge.accuracy(found)
        models[model] = {metric: accuracy[metric] for metric in SHOWN}
    best = max(batches, key=lambda model: models[model][LEAD_METRIC].value)
    leads = {
        worker: Lead(best, judge.lead(published, lists[best], LEAD_METRIC)) for worker, published in workers.items()
    }
    return models, leads
