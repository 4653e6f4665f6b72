"""A whole evaluation: the tests of a protocol, cross-sell by relations, and what was found."""

import time
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from stream.evaluation.contest import Contest
from stream.evaluation.nightly import TRAINED_WORKER, WORKER
from stream.evaluation.plan import NEW_ITEMS, CannotTest, PlannedTest, Protocol, Shop, plan
from stream.evaluation.prequential_run import run_prequential
from stream.evaluation.relation_tests import read_relations, run_relations
from stream.evaluation.report import Report
from stream.evaluation.workers import Workers, run_workers
from stream.settings import Settings


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

    What only a further test lacks is left out, and the report says why. Raises CannotTest where the main test cannot
    be made, and EventFileError before it where the relations cannot be used.
    """
    # Threads that wait for each other cost more than they bring on a shared machine.
    with threadpool_limits(1):
        return _evaluate(shop, options, contest, settings)


def _evaluate(shop: Shop, options: Options, contest: Contest, settings: Settings) -> Report:
    start, cpu_start = time.perf_counter(), time.process_time()
    relations = read_relations(options.relations, shop.catalogue) if options.relations is not None else None
    freshness: dict[str, dict[str, float]] = {}
    workers, left_out = Workers(), dict[str, str]()
    if options.protocol is Protocol.PREQUENTIAL:
        section, freshness = run_prequential(shop, contest, options.most_cases)
        sections = [section]
        if options.worker:
            workers = run_workers(shop, options.worker, options.train, contest, settings, relations)
    else:
        tests, left_out = _planned(shop, options)
        sections = contest.run(tests)
    shares: dict[str, dict[str, float]] = {}
    if relations is not None:
        judged, shares, missing = run_relations(shop, relations, contest)
        sections += judged
        left_out |= missing
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
        published=workers.published,
        worker_tests=workers.tests,
        worker_relations=workers.relations,
        unknown_kinds=workers.unknown_kinds,
        left_out={**left_out, **workers.left_out},
    )


def _planned(shop: Shop, options: Options) -> tuple[list[PlannedTest], dict[str, str]]:
    """Return the tests of a protocol, and why the one of new items cannot be made. Raises CannotTest without any."""
    tests: list[PlannedTest] = []
    try:
        for test in plan(shop, options.protocol, options.cut, options.test_days):
            tests.append(test)  # those before a failure are kept
    except CannotTest as error:
        if not tests:
            raise
        return tests, {NEW_ITEMS: str(error)}
    return tests, {}
