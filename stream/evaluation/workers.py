"""The worker's own code over one stretch of a log: as it is set up, and with a user model trained before the tests."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.base import EncoderError
from stream.evaluation.contest import Contest
from stream.evaluation.nightly import TRAINED_WORKER, WORKER, Comparison, compare_with_nightly
from stream.evaluation.plan import CannotTest, Shop
from stream.evaluation.worker_model import WorkerModel, train_worker_model
from stream.evaluation.worker_run import TEST_SHARE, WorkerLists, run_worker, worker_figures
from stream.settings import Settings


@dataclass(frozen=True)
class Workers:
    """What workers published: figures by worker and list; training: metrics of the trained one's user model."""

    figures: Mapping[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    training: Mapping[str, float] = field(default_factory=dict)
    nightly: Mapping[str, Comparison] = field(default_factory=dict)


def run_workers(shop: Shop, most: int, train: bool, contest: Contest, settings: Settings) -> Workers:
    """Let the worker process the last ``most`` interactions; with ``train`` once more, with a model of its own.

    Raises CannotTest when they teach no model, encoders.base.EncoderError.
    """
    tests = round(TEST_SHARE * min(most, len(shop.raw)))

    def run(name: str, of: Settings) -> WorkerLists:
        with contest.progress(f"prequential: the {name}", tests) as step:
            return asyncio.run(run_worker(shop.raw, shop.catalogue, of, most, step))

    found = {WORKER: run(WORKER, settings)}
    training: Mapping[str, float] = {}
    if train:
        with TemporaryDirectory(prefix="interestream-") as folder:
            model = _trained(shop, most, contest, settings, Path(folder))
            training, found[TRAINED_WORKER] = model.metrics, run(TRAINED_WORKER, model.settings)
    nightly = {}
    if contest.baselines and len(found[WORKER].targets):
        nightly = compare_with_nightly(shop, found, settings.graph.lists, contest)
    return Workers({name: worker_figures(lists) for name, lists in found.items()}, training, nightly)


def _trained(shop: Shop, most: int, contest: Contest, settings: Settings, folder: Path) -> WorkerModel:
    try:
        return train_worker_model(shop.raw, shop.catalogue, settings, most, folder, contest.seed, contest.progress)
    except EncoderError as error:
        raise CannotTest(f"--train: {error}") from None
