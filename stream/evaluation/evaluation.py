"""A whole evaluation: the tests of a protocol, cross-sell by relations, and what was found."""

import time
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from stream.evaluation.contest import Contest, Section
from stream.evaluation.nightly import TRAINED_WORKER, WORKER
from stream.evaluation.plan import Protocol, Shop, plan, plan_relations
from stream.evaluation.prequential_run import run_prequential
from stream.evaluation.relations import COMPLEMENTS, SUBSTITUTES, read_relation, share_of_related
from stream.evaluation.report import Report
from stream.evaluation.workers import Workers, run_workers
from stream.settings import Settings

JUDGED_PLACES = 10


@dataclass(frozen=True)
class Options:
    """cut: of next-basket, ms. test_days: of session. relations: a folder.

    Of prequential: most_cases; worker: how many of the last interactions the worker's own code processes, 0 for none;
    train: whether to train a user model on those before the tests, and run the worker once more with it.
    """

    protocol: Protocol
    cut: int | None = None
    test_days: float = 1.0
    relations: Path | None = None
    most_cases: int = 5000
    worker: int = 20_000
    train: bool = False


def evaluate_shop(shop: Shop, options: Options, contest: Contest, settings: Settings) -> Report:
    """Run everything that the options ask for; ``settings``: of the worker.

    Raises CannotTest, EventFileError, encoders.base.EncoderError.
    """
    # Threads that wait for each other cost more than they bring on a shared machine.
    with threadpool_limits(1):
        return _evaluate(shop, options, contest, settings)


def _evaluate(shop: Shop, options: Options, contest: Contest, settings: Settings) -> Report:
    start, cpu_start = time.perf_counter(), time.process_time()
    freshness: dict[str, dict[str, float]] = {}
    workers = Workers()
    if options.protocol is Protocol.PREQUENTIAL:
        section, freshness = run_prequential(shop, contest, options.most_cases)
        sections = [section]
        if options.worker:
            workers = run_workers(shop, options.worker, options.train, contest, settings)
    else:
        sections = contest.run(list(plan(shop, options.protocol, options.cut, options.test_days)))
    shares: dict[str, dict[str, float]] = {}
    if options.relations is not None:
        judged = contest.run(list(plan_relations(shop, options.relations)))
        shares = {section.name: _shares(section, shop, options.relations) for section in judged}
        sections += judged
    return Report(
        protocol=options.protocol.value,
        seed=contest.seed,
        shop=shop,
        sections=tuple(sections),
        seconds=time.perf_counter() - start,
        cpu_seconds=time.process_time() - cpu_start,
        freshness=freshness,
        relations=shares,
        worker=workers.figures.get(WORKER, {}),
        trained_worker=workers.figures.get(TRAINED_WORKER, {}),
        training=workers.training,
        nightly=workers.nightly,
    )


def _shares(section: Section, shop: Shop, folder: Path) -> dict[str, float]:
    found = {}
    for name in (*COMPLEMENTS, SUBSTITUTES):
        relation = read_relation(folder, name, shop.catalogue)
        share = share_of_related(section.lists, section.cases, relation, len(shop.catalogue), JUDGED_PLACES)
        found[f"{name}@{JUDGED_PLACES}"] = share
    return found
