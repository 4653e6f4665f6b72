"""All that an evaluation found, as one JSON object."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import numpy as np

from stream.evaluation.baselines.table import BASELINES
from stream.evaluation.bootstrap import CONFIDENCE
from stream.evaluation.contest import RANKER, Section
from stream.evaluation.nightly import FOR_NEXT_VISIT, TRAINED_WORKER, WORKER, Comparison
from stream.evaluation.plan import Shop
from stream.evaluation.worker_lists import WorkerLists
from stream.evaluation.worker_relations import RelationFigures
from stream.evaluation.worker_tests import WorkerTests
from stream.ranker_file import RankerFile

SHOWN_WEIGHTS = 20


@dataclass(frozen=True)
class Report:
    """sections: the tests, the protocol's own first. freshness: delay to figures of the ranker.

    relations: of each cross-sell section, the shares of the lists that relations hold. worker: what the worker's own
    code published or answered, by list; trained_worker: the same with what was learned before the tests: a user model,
    training: its metrics, and trained_ranker, None where it ranks as the other one does, and unlearned why;
    next_visit_worker, next_visit_trained_worker: their lists for the next visit; nightly: all these lists against those
    of nightly batches; published: the lists themselves, by worker, and worker_tests what they were asked;
    worker_relations: their cross-sell by relation; unknown_kinds: how many events the worker does not know, by kind;
    no_worker: why there is none, where nobody asked for one.
    left_out: what was asked for and could not be made, by name, and why.
    """

    protocol: str
    seed: int
    shop: Shop
    sections: tuple[Section, ...]
    seconds: float
    cpu_seconds: float
    freshness: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    relations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    worker: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    trained_worker: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    next_visit_worker: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    next_visit_trained_worker: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    training: Mapping[str, float] = field(default_factory=dict)
    trained_ranker: RankerFile | None = None
    unlearned: str = ""
    nightly: Mapping[str, Comparison] = field(default_factory=dict)
    published: Mapping[str, WorkerLists] = field(default_factory=dict)
    worker_tests: WorkerTests | None = None
    worker_relations: Mapping[str, Mapping[str, RelationFigures]] = field(default_factory=dict)
    unknown_kinds: Mapping[str, int] = field(default_factory=dict)
    no_worker: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values. The ranker's figures of the main test stand at the top, by their names."""
        main = self.sections[0]
        headline = main.models.get(RANKER)
        return {
            "protocol": self.protocol,
            "seed": self.seed,
            "confidence": CONFIDENCE,
            "shop": {
                "interactions": len(self.shop.log),
                "repeated events left out": self.shop.raw.repeated,
                "sequences": int(np.count_nonzero(np.diff(self.shop.log.offsets))),
                "items": len(self.shop.catalogue),
            },
            "figures": headline.as_json() if headline else {},
            "sections": {section.name: section_as_json(section) for section in self.sections},
            "freshness": {delay: dict(figures) for delay, figures in self.freshness.items()},
            "relations": {name: dict(shares) for name, shares in self.relations.items()},
            "worker": self._of_worker(WORKER, self.worker),
            "next_visit_worker": self._of_worker(FOR_NEXT_VISIT[WORKER], self.next_visit_worker),
            "trained_worker": self._of_worker(TRAINED_WORKER, self.trained_worker),
            "next_visit_trained_worker": self._of_worker(
                FOR_NEXT_VISIT[TRAINED_WORKER], self.next_visit_trained_worker
            ),
            "training": dict(self.training),
            "trained_worker_ranker": msgspec.to_builtins(self.trained_ranker),
            "no_trained_worker_ranker": self.unlearned or None,
            "nightly": {name: comparison.as_json() for name, comparison in self.nightly.items()},
            "worker_unknown_kinds": dict(self.unknown_kinds),
            "no_worker": self.no_worker or None,
            "left_out": dict(self.left_out),
            "sources": {baseline.name: baseline.source for baseline in BASELINES},
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }

    def _of_worker(self, name: str, lists: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        found: dict[str, Any] = {of: dict(figures) for of, figures in lists.items()}
        if relations := self.worker_relations.get(name):
            found["relations"] = {relation: figures.as_json() for relation, figures in relations.items()}
        return found


def section_as_json(section: Section) -> dict[str, Any]:
    """Return one test's figures by model."""
    strongest = sorted(section.weights.items(), key=lambda pair: -abs(pair[1]))[:SHOWN_WEIGHTS]
    return {
        "cases": len(section.cases),
        "targets": len(section.cases.targets),
        "candidates": section.candidates,
        "models": {name: figures.as_json() for name, figures in section.models.items()},
        "parts": {name: figures.as_json() for name, figures in section.parts.items()},
        "ablation": {name: figures.as_json() for name, figures in section.ablation.items()},
        "lead over the best part": {
            metric: {"part": lead.part, **asdict(lead.difference)} for metric, lead in section.lead.items()
        },
        "recipe": msgspec.to_builtins(section.recipe),
        "share of the blend": section.share,
        "strongest weights": {name: round(weight, 4) for name, weight in strongest},
    }
