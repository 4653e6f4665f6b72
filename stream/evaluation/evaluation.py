"""A whole evaluation: the tests of a protocol, cross-sell by relations, and what was found."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from stream.evaluation.contest import Contest
from stream.evaluation.nightly import FOR_NEXT_VISIT, TRAINED_WORKER, WORKER
from stream.evaluation.plan import NEW_ITEMS, CannotTest, PlannedTest, Protocol, Shop, plan
from stream.evaluation.prequential_run import run_prequential
from stream.evaluation.ranker.model import Ranker
from stream.evaluation.relation_tests import Relations, read_relations, run_relations
from stream.evaluation.report import Report
from stream.evaluation.worker_lists import without_summary
from stream.evaluation.workers import NOTHING_TO_LIST, Workers, ask_worker, run_workers
from stream.settings import Settings

PREQUENTIAL_INTERACTIONS, ASKED_INTERACTIONS = 20_000, 200_000
"""What the worker's own code processes, unless told otherwise: a fifth of it one by one as tests; all of it at once."""


@dataclass(frozen=True)
class Options:
    """cut: of next-basket, ms. test_days: of session. relations: a folder.

    worker: how many of the last interactions the worker's own code processes, 0 for none; None: as many as are usual,
    and it is no fault of the evaluation when the shop has nothing that a worker could list. train: whether to train a
    user model and weights on what the worker processes before the tests, and run it once more with these. Of
    prequential: most_cases.
    """

    protocol: Protocol
    cut: int | None = None
    test_days: float = 1.0
    relations: Path | None = None
    most_cases: int = 5000
    worker: int | None = None
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
    tests, left_out = list[PlannedTest](), dict[str, str]()
    if options.protocol is Protocol.PREQUENTIAL:
        section, freshness = run_prequential(shop, contest, options.most_cases)
        sections = [section]
    else:
        tests, left_out = _planned(shop, options)
        sections = contest.run(tests)
    workers = _workers(shop, options, tests, sections[0].ranker, contest, settings, relations)
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
        next_visit_worker=without_summary(workers.figures.get(FOR_NEXT_VISIT[WORKER], {})),
        next_visit_trained_worker=without_summary(workers.figures.get(FOR_NEXT_VISIT[TRAINED_WORKER], {})),
        training=workers.training,
        trained_ranker=workers.ranker,
        unlearned=workers.unlearned,
        nightly=workers.nightly,
        published=workers.published,
        worker_tests=workers.tests,
        worker_relations=workers.relations,
        unknown_kinds=workers.unknown_kinds,
        no_worker=workers.none_because,
        left_out={**left_out, **workers.left_out},
    )


def _workers(
    shop: Shop,
    options: Options,
    tests: list[PlannedTest],
    ranker: Ranker | None,
    contest: Contest,
    settings: Settings,
    relations: Relations | None,
) -> Workers:
    prequential = options.protocol is Protocol.PREQUENTIAL
    usual = PREQUENTIAL_INTERACTIONS if prequential else ASKED_INTERACTIONS
    most = usual if options.worker is None else options.worker
    if not most:
        return Workers()
    if not shop.catalogue.has_text:
        wanted = options.worker is not None or options.train
        return Workers(left_out={WORKER: NOTHING_TO_LIST}) if wanted else Workers(none_because=NOTHING_TO_LIST)
    if prequential:
        return run_workers(shop, most, options.train, contest, settings, relations)
    found = ask_worker(shop, tests[0], most, options.train, contest, settings, relations, ranker)
    if options.worker is None and not options.train and found.no_text_model:
        return replace(found, left_out={}, none_because=found.no_text_model)
    return found


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
