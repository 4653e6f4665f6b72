"""One test, all recommenders: the ranker learns at earlier cuts, then everyone answers the same cases."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from stream.evaluation.baselines.table import BASELINES
from stream.evaluation.bootstrap import Interval
from stream.evaluation.cases import Cases, Split
from stream.evaluation.figures import Figures, Judge, area_under_curve
from stream.evaluation.interactions import IntArray
from stream.evaluation.plan import PlannedTest
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.ranker.ingredients.trained import enough_to_train
from stream.evaluation.ranker.model import WITHOUT, Ranked, Ranker, fit_ranker
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.tuning import tune
from stream.evaluation.scoring import rank_blocks
from stream.progress import Progress

RANKER = "ranker"
BLEND = "blend"
LEAD_METRICS = ("HR@10", "NDCG@10", "HR@20", "MRR@20", "Recall@20", "NDCG@20")


@dataclass(frozen=True)
class Lead:
    """The ranker's paired difference to one of its parts."""

    part: str
    difference: Interval


@dataclass(frozen=True)
class Section:
    """What one test came to.

    models: figures of the ranker, the blend and the baselines. parts: the ranker's ingredients, each alone.
    ablation: the blend, fitted without one family of features.
    lead: by how much the ranker beats the part that is best by that metric, by metric. share: of the blend in the order
    of the trees. weights: of the linear blend, per standard deviation of a feature. lists: the ranker's, (B,
    LIST_LENGTH) codes. ranker: as it was fitted.
    """

    name: str
    cases: Cases
    candidates: str
    models: dict[str, Figures]
    parts: dict[str, Figures] = field(default_factory=dict)
    ablation: dict[str, Figures] = field(default_factory=dict)
    lead: dict[str, Lead] = field(default_factory=dict)
    recipe: Recipe | None = None
    share: float = 0.0
    weights: dict[str, float] = field(default_factory=dict)
    lists: IntArray = field(default_factory=lambda: np.empty((0, 0), np.int64))
    ranker: Ranker | None = None


@dataclass(frozen=True)
class Contest:
    """How tests are run. baselines: run the known recommenders too. ablate: the blend without one family each."""

    seed: int
    progress: Progress
    baselines: bool = True
    ablate: bool = False

    def run(self, tests: Sequence[PlannedTest]) -> list[Section]:
        """Run tests; neighbours that learn from the same earlier tests share a ranker."""
        sections = []
        learned: tuple[tuple[Split, ...], Ranker] | None = None
        for test in tests:
            start = time.perf_counter()
            if learned is None or not _same(learned[0], test.earlier):
                learned = test.earlier, self.learn(test.name, test.earlier)
            ranker = learned[1]
            split = test.split
            with self.progress(f"{test.name}: ranking", len(split.cases)) as step:
                builder = FeatureBuilder(split.knowledge, ranker.recipe, split.counts)
                ranked = ranker.rank(builder, split.cases, split.candidates, step)
            seconds = time.perf_counter() - start
            judge = Judge([split], self.seed)
            others = self.judge_baselines(test.name, [split], judge)
            sections.append(judged(test.name, split, judge, ranker, ranked, seconds, others))
        return sections

    def learn(self, name: str, earlier: Sequence[Split]) -> Ranker:
        """Tune at the nearest earlier test, and fit on all of them."""
        with self.progress(f"{name}: tuning", None) as step:
            enough = all(enough_to_train(split.knowledge) for split in earlier)
            recipe = msgspec.structs.replace(tune(earlier[0], self.seed, step), encoder=enough)
        with self.progress(f"{name}: learning", None) as step:
            return fit_ranker(earlier, recipe, self.seed, step, ablate=self.ablate)

    def judge_baselines(self, name: str, splits: Sequence[Split], judge: Judge) -> dict[str, Figures]:
        """Return the baselines' figures over the cases of all splits, each fitted to each split's knowledge."""
        found: dict[str, Figures] = {}
        for baseline in BASELINES if self.baselines else ():
            start = time.perf_counter()
            lists: list[IntArray] = []
            with self.progress(f"{name}: {baseline.name}", sum(len(split.cases) for split in splits)) as step:
                for split in splits:
                    scorer = baseline.fit(split.knowledge)
                    for block, part in rank_blocks(scorer, split) if scorer else ():
                        lists.append(part)
                        for _ in range(len(block)):
                            step()
            if lists:
                found[baseline.name] = judge.figures(np.concatenate(lists), time.perf_counter() - start)
        return found


def _same(some: Sequence[Split], others: Sequence[Split]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def judged(
    name: str, split: Split, judge: Judge, ranker: Ranker, ranked: Ranked, seconds: float, others: dict[str, Figures]
) -> Section:
    """Measure the ranker and its parts."""
    lists = ranked.lists[RANKER]
    figures = {part: judge.figures(found) for part, found in ranked.lists.items() if part not in (RANKER, BLEND)}
    ablation = {part: found for part, found in figures.items() if part.startswith(WITHOUT)}
    parts = {part: found for part, found in figures.items() if part not in ablation}
    lead = {}
    for metric in LEAD_METRICS:
        best = max(parts, key=lambda part: parts[part].accuracy[metric].value)
        lead[metric] = Lead(best, judge.lead(lists, ranked.lists[best], metric))
    auc = area_under_curve(ranked.log_odds, ranked.hits)
    models = {RANKER: judge.figures(lists, seconds, auc), BLEND: judge.figures(ranked.lists[BLEND])}
    return Section(
        name=name,
        cases=split.cases,
        candidates=split.candidates.value,
        models=models | others,
        parts=parts,
        ablation=ablation,
        lead=lead,
        recipe=ranker.recipe,
        share=ranker.share,
        weights=dict(zip(ranker.names, ranker.blend.weights.tolist(), strict=True)),
        lists=lists,
        ranker=ranker,
    )
