"""The worker's own code over one stretch of a log: as it is set up, and with a user model trained before the tests."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from encoders.base import EncoderError
from stream.evaluation.contest import Contest
from stream.evaluation.nightly import TRAINED_WORKER, WORKER, Comparison, compare_with_nightly
from stream.evaluation.plan import SEQUENCES, Protocol, Shop
from stream.evaluation.relation_tests import Relations
from stream.evaluation.shop import build_log
from stream.evaluation.worker_kinds import known_to_worker, say_unknown
from stream.evaluation.worker_lists import LISTS, WorkerLists, worker_figures
from stream.evaluation.worker_model import train_worker_model
from stream.evaluation.worker_relations import RelationFigures, WorkerQuestions
from stream.evaluation.worker_run import TEST_SHARE, run_worker
from stream.evaluation.worker_tests import Processed, WorkerTests
from stream.ranker_file import RankerFileError
from stream.settings import Settings


@dataclass(frozen=True)
class Workers:
    """What workers published: figures by worker and list; training: metrics of the trained one's user model.

    published: the lists themselves, by worker; tests: what all of them were asked, None where nobody ran. relations: by
    worker and relation.

    unknown_kinds: how many events the worker does not know, by their kind; they were neither processed nor tested.
    left_out: why a worker did not run, by its name.
    """

    figures: Mapping[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    training: Mapping[str, float] = field(default_factory=dict)
    nightly: Mapping[str, Comparison] = field(default_factory=dict)
    published: Mapping[str, WorkerLists] = field(default_factory=dict)
    tests: WorkerTests | None = None
    relations: Mapping[str, Mapping[str, RelationFigures]] = field(default_factory=dict)
    unknown_kinds: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


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

    def run(name: str, of: Settings) -> WorkerLists:
        total = round(TEST_SHARE * min(most, len(raw))) + len(questions.items)
        with contest.progress(f"prequential: the {name}", total) as step:
            return asyncio.run(run_worker(raw, shop.catalogue, of, most, step, questions.items))

    try:
        found = {WORKER: run(WORKER, settings)}
    except (EncoderError, RankerFileError) as error:
        return Workers(unknown_kinds=unknown, left_out={WORKER: str(error)})
    if not len(found[WORKER].targets):
        reason = f"nobody who has a list comes back in the last fifth of {min(most, len(raw)):,} interactions"
        return Workers(unknown_kinds=unknown, left_out={WORKER: reason})
    training: Mapping[str, float] = {}
    left_out = {}
    if train:
        with TemporaryDirectory(prefix="interestream-") as folder:
            try:
                model = train_worker_model(
                    raw, shop.catalogue, settings, most, Path(folder), contest.seed, contest.progress
                )
                training, found[TRAINED_WORKER] = model.metrics, run(TRAINED_WORKER, model.settings)
            except EncoderError as error:
                left_out[TRAINED_WORKER] = f"--train: {error}"
    nightly = compare_with_nightly(shop, found, settings.graph.lists, contest) if contest.baselines else {}
    return Workers(
        figures={name: worker_figures(lists) for name, lists in found.items()},
        training=training,
        nightly=nightly,
        published=found,
        tests=_tests(shop, found[WORKER], nightly if contest.baselines else None),
        relations={name: questions.judge(lists, shop, contest.seed) for name, lists in found.items()},
        unknown_kinds=unknown,
        left_out=left_out,
    )


def _tests(shop: Shop, found: WorkerLists, nightly: Mapping[str, Comparison] | None) -> WorkerTests:
    """``nightly``: None where there was no comparison; a list that it lacks has no case of it."""
    none = np.zeros(len(found.targets), np.bool_)
    compared = {}
    if nightly is not None:
        of_lists = {name: nightly.get(name.replace("_", "-")) for name in LISTS}
        compared = {name: none if of_list is None else of_list.compared for name, of_list in of_lists.items()}
    return WorkerTests(Processed.of(shop, found).cases(), shop.users, compared)
