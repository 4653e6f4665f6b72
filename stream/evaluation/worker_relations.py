"""The worker's cross-sell lists judged by relations: what it lists for a user who bought one item."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stream.evaluation.bootstrap import Bootstrap, Interval
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import BoolArray, IntArray, Knowledge
from stream.evaluation.metrics import Outcome
from stream.evaluation.plan import Shop
from stream.evaluation.relation_tests import Relations
from stream.evaluation.relations import COMPLEMENTS, relation_split
from stream.evaluation.worker_lists import LENGTH, WorkerLists

METRICS = ("HR@10", "Recall@10", "NDCG@10")


@dataclass(frozen=True)
class RelationFigures:
    """One relation's cases, and the worker's lists for them, (B, 10) codes.

    elsewhere: how many places of a list hold an item of another top category than the case's item, the only ones that
    can hit; processed: share (0-1) of the cases of whose item the worker has processed an interaction.
    """

    cases: Cases
    lists: IntArray
    accuracy: Mapping[str, Interval]
    elsewhere: float
    processed: float

    def as_json(self) -> dict[str, object]:
        """Return plain values by name."""
        found: dict[str, object] = {"cases": len(self.cases), "targets": len(self.cases.targets)}
        found |= {name: interval.value for name, interval in self.accuracy.items()}
        found |= {"places of other top categories": self.elsewhere, "items processed": self.processed}
        return found | {"intervals": {name: [found.low, found.high] for name, found in self.accuracy.items()}}


@dataclass(frozen=True)
class WorkerQuestions:
    """cases: by relation, those of the ranker's own test. items: (Q,) sorted codes, each item of any case once."""

    cases: Mapping[str, Cases]
    items: IntArray

    @classmethod
    def of(cls, shop: Shop, relations: Relations) -> "WorkerQuestions":
        """Take the relations that cross-sell is judged by; one that holds no pair of two top categories has no case."""
        knowledge = Knowledge(shop.log, shop.catalogue, int(shop.log.times.max()))
        cases = {name: relation_split(knowledge, relations[name]).cases for name in COMPLEMENTS if name in relations}
        cases = {name: of for name, of in cases.items() if len(of)}
        items = np.concatenate([np.empty(0, np.int64), *(of.items for of in cases.values())])
        return cls(cases, np.unique(items))

    def judge(self, found: WorkerLists, shop: Shop, seed: int) -> dict[str, RelationFigures]:
        """Return the figures of each relation; ``found.asked``: the lists for ``items``, in their order."""
        return {
            name: _judge(
                cases, found.asked[np.searchsorted(self.items, cases.items)], shop, found.heard[cases.items], seed
            )
            for name, cases in self.cases.items()
        }


def _judge(cases: Cases, lists: IntArray, shop: Shop, processed: BoolArray, seed: int) -> RelationFigures:
    measured = Outcome.of(lists, cases.targets, cases.target_offsets).measure((LENGTH,))
    bootstrap = Bootstrap(cases.clusters, seed)
    tops = shop.catalogue.top_categories
    listed = np.where(lists >= 0, tops[lists], -1)
    return RelationFigures(
        cases,
        lists,
        {name: bootstrap.interval(measured[name]) for name in METRICS},
        elsewhere=float(((listed >= 0) & (listed != tops[cases.items][:, None])).sum(axis=1).mean()),
        processed=float(processed.mean()),
    )
