"""The worker's own code over one stretch of a log: as it is set up, and with a user model trained before the tests."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from encoders.base import EncoderError
from stream.evaluation.cases import Cases
from stream.evaluation.contest import Contest
from stream.evaluation.interactions import Knowledge
from stream.evaluation.nightly import (
    FOR_NEXT_VISIT,
    WORKER,
    Comparison,
    FittedRanker,
    compare_with_nightly,
)
from stream.evaluation.nightly_rules import RuledTests
from stream.evaluation.plan import SEQUENCES, CannotTest, PlannedTest, Protocol, Shop
from stream.evaluation.ranker.model import Ranker
from stream.evaluation.relation_tests import Relations
from stream.evaluation.shop import build_log
from stream.evaluation.trained_worker import run_each
from stream.evaluation.worker_cases import latest_known, run_worker_on_cases
from stream.evaluation.worker_kinds import are_known, are_purchases, known_to_worker, say_unknown
from stream.evaluation.worker_lists import (
    LISTS,
    Lists,
    PublishedLists,
    WorkerLists,
    asked_figures,
    for_next_visit,
    published_figures,
)
from stream.evaluation.worker_relations import RelationFigures, WorkerQuestions
from stream.evaluation.worker_run import TEST_SHARE, run_worker, stretch_of
from stream.evaluation.worker_tests import Processed, WorkerTests, ruled_tests
from stream.ranker_file import RankerFile, RankerFileError
from stream.settings import Settings

NOTHING_TO_LIST = "no item has a title, a brand or a category, without which there is nothing to list"


@dataclass(frozen=True)
class Workers:
    """What workers published or answered: figures by worker and list.

    training: metrics of the trained one's model; ranker: what was learned of its ranker; unlearned: why nothing was.
    published: the lists themselves, by worker; tests: what all of them were asked, None where nobody ran. relations: by
    worker and relation.

    unknown_kinds: how many events the worker does not know, by their kind; they were neither processed nor tested.
    left_out: why a worker that was asked for did not run, by its name; no_text_model: the same, if that was why.
    none_because: why there is none, where nobody asked for one.
    """

    figures: Mapping[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    training: Mapping[str, float] = field(default_factory=dict)
    ranker: RankerFile | None = None
    unlearned: str = ""
    nightly: Mapping[str, Comparison] = field(default_factory=dict)
    published: Mapping[str, WorkerLists] = field(default_factory=dict)
    tests: WorkerTests | None = None
    relations: Mapping[str, Mapping[str, RelationFigures]] = field(default_factory=dict)
    unknown_kinds: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    no_text_model: str = ""
    none_because: str = ""


def run_workers(
    shop: Shop, most: int, train: bool, contest: Contest, settings: Settings, relations: Relations | None = None
) -> Workers:
    """Let the worker process the last ``most`` interactions; with ``train`` once more, with a model of its own.

    relations: what its cross-sell is judged by, too. Raises nothing that only a worker lacks: who asked has other tests
    behind them.
    """
    raw, unknown = known_to_worker(shop.raw)
    if not len(raw):
        return Workers(unknown_kinds=unknown, left_out={WORKER: say_unknown(unknown, len(shop.raw))})
    log, users = build_log(raw, shop.catalogue, SEQUENCES[Protocol.PREQUENTIAL]) if unknown else (shop.log, shop.users)
    shop = replace(shop, raw=raw, log=log, users=users)

    questions = WorkerQuestions.of(shop, relations or {})

    def run(name: str, of: Settings) -> PublishedLists:
        total = round(TEST_SHARE * min(most, len(raw))) + len(questions.items)
        with contest.progress(f"prequential: the {name}", total) as step:
            found = asyncio.run(run_worker(raw, shop.catalogue, of, most, step, questions.items))
        if not len(found.targets):  # said before anything is trained in vain
            raise CannotTest(
                f"nobody who has a list comes back in the last fifth of {min(most, len(raw)):,} interactions"
            )
        return found

    places, tested_from = stretch_of(raw, most)
    told = range(places.start, tested_from) if train else None
    try:
        runs = run_each(run, settings, raw, shop.catalogue, told, contest)
    except (CannotTest, EncoderError, RankerFileError) as error:
        return Workers(unknown_kinds=unknown, left_out={WORKER: str(error)})
    found = runs.found
    every = _with_next_visit(found)
    nightly: Mapping[str, Comparison] | None = None
    if contest.baselines:
        nightly = compare_with_nightly(ruled_tests(shop, found[WORKER], settings.graph.lists), every, contest)
    return Workers(
        figures={name: published_figures(lists) for name, lists in every.items()},
        training=runs.training,
        ranker=runs.ranker,
        unlearned=runs.unlearned,
        nightly=nightly or {},
        published=every,
        tests=_tests(Processed.of(shop, found[WORKER]).cases(), shop.users, nightly),
        relations={name: questions.judge(lists, shop, contest.seed) for name, lists in found.items()},
        unknown_kinds=unknown,
        left_out=runs.left_out,
    )


def ask_worker(
    shop: Shop,
    test: PlannedTest,
    most: int,
    train: bool,
    contest: Contest,
    settings: Settings,
    relations: Relations | None = None,
    ranker: Ranker | None = None,
) -> Workers:
    """Let the worker process the latest ``most`` interactions that a test knows, and ask it for every case of the test.

    What it is not told of, for its kind, is in no history of what it and the batches are asked. ranker: fitted for this
    test, to be compared with the worker under the rules of its lists.

    Raises nothing, like :func:`run_workers`.
    """
    split = test.split
    _, unknown = known_to_worker(shop.raw)
    known = are_known(shop.raw)
    places = latest_known(split.knowledge.log, known, most)
    if not len(places):
        return Workers(unknown_kinds=unknown, left_out={WORKER: say_unknown(unknown, len(shop.raw))})
    cases = split.cases.with_history(known[split.cases.places])
    questions = WorkerQuestions.of(shop, relations or {})

    def run(name: str, of: Settings) -> WorkerLists:
        with contest.progress(f"{test.name}: the {name}", len(places) + len(cases) + len(questions.items)) as step:
            asked = run_worker_on_cases(shop.raw, shop.catalogue, of, places, cases, step, questions.items)
            return asyncio.run(asked)

    try:
        runs = run_each(run, settings, shop.raw, shop.catalogue, places.tolist() if train else None, contest)
    except EncoderError as error:
        return Workers(unknown_kinds=unknown, left_out={WORKER: str(error)}, no_text_model=str(error))
    except RankerFileError as error:
        return Workers(unknown_kinds=unknown, left_out={WORKER: str(error)})
    every = _with_next_visit(runs.found)
    nightly: Mapping[str, Comparison] | None = None
    if contest.baselines:
        told = split.knowledge.log.select(np.isin(split.knowledge.log.places, places))
        knowledge = Knowledge(told, shop.catalogue, split.knowledge.now)
        categories = runs.found[WORKER].categories
        tests = RuledTests(knowledge, cases, are_purchases(shop.raw), categories, settings.graph.lists)
        fitted = None if ranker is None else FittedRanker(ranker, split.knowledge)
        nightly = compare_with_nightly(tests, every, contest, fitted)
    return Workers(
        figures={name: asked_figures(lists, cases, len(places)) for name, lists in every.items()},
        training=runs.training,
        ranker=runs.ranker,
        unlearned=runs.unlearned,
        nightly=nightly or {},
        published=every,
        tests=_tests(cases, shop.users, nightly),
        relations={name: questions.judge(lists, shop, contest.seed) for name, lists in runs.found.items()},
        unknown_kinds=unknown,
        left_out=runs.left_out,
    )


def _with_next_visit(found: Mapping[str, Lists]) -> dict[str, Lists]:
    """Return the workers' lists for the next step, and beside them those for the next visit, under their own names."""
    visits = {FOR_NEXT_VISIT[name]: for_next_visit(lists) for name, lists in found.items()}
    return {**found, **{name: lists for name, lists in visits.items() if lists is not None}}


def _tests(cases: Cases, users: tuple[str, ...], nightly: Mapping[str, Comparison] | None) -> WorkerTests:
    """``nightly``: None where there was no comparison; a list that it lacks has no case of it."""
    none = np.zeros(len(cases.targets), np.bool_)
    allowed = {}
    if nightly is not None:
        of_lists = {name: nightly.get(name.replace("_", "-")) for name in LISTS}
        allowed = {name: none if of_list is None else of_list.allowed for name, of_list in of_lists.items()}
    return WorkerTests(cases, users, allowed)
