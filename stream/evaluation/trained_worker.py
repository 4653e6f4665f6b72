"""The worker as it is set up, and once more with all that it can learn from what it processed before its tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic

from encoders.base import EncoderError
from stream.evaluation.contest import Contest
from stream.evaluation.interactions import Catalogue
from stream.evaluation.nightly import TRAINED_WORKER, WORKER
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_lists import Lists
from stream.evaluation.worker_model import WorkerModels
from stream.evaluation.worker_ranker import RankerLesson
from stream.ranker_file import RankerFile
from stream.ranker_training.training import TooLittle
from stream.settings import Settings


@dataclass(frozen=True)
class Runs(Generic[Lists]):
    """Of the worker as it is set up and, if wanted, of the trained one: its lists by name, and what became of it.

    training: metrics of the trained one's model. ranker: what was learned of its ranker; None where it ranks as the
    other one does, unlearned: why. left_out: why there is no trained one.
    """

    found: dict[str, Lists]
    training: Mapping[str, float] = field(default_factory=dict)
    ranker: RankerFile | None = None
    unlearned: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)


def run_each(
    run: Callable[[str, Settings], Lists],
    settings: Settings,
    raw: RawEvents,
    catalogue: Catalogue,
    told: Sequence[int] | None,
    contest: Contest,
) -> Runs[Lists]:
    """Run the worker, and once more with what it learns of the interactions at ``told``; None: just once.

    run: given the worker's name and settings. Raises encoders.base.EncoderError and
    stream.ranker_file.RankerFileError as the first run does.
    """
    found = {WORKER: run(WORKER, settings)}
    if told is None:
        return Runs(found)
    with TemporaryDirectory(prefix="interestream-") as folder:
        try:
            own = _learn(settings, raw, catalogue, told, contest, Path(folder))
            found |= {TRAINED_WORKER: run(TRAINED_WORKER, own.settings)}
            return Runs(found, own.training, own.ranker, own.unlearned)
        except EncoderError as error:
            return Runs(found, left_out={TRAINED_WORKER: f"--train: {error}"})


@dataclass(frozen=True)
class _Learned:
    """settings: of the worker that learned; the others as in :class:`Runs`."""

    settings: Settings
    training: Mapping[str, float]
    ranker: RankerFile | None = None
    unlearned: str = ""


def _learn(
    settings: Settings, raw: RawEvents, catalogue: Catalogue, told: Sequence[int], contest: Contest, folder: Path
) -> _Learned:
    """Train a user model on all of it, and the ranker's weights on its latest part with a model of what was before.

    No weights are learned where the settings name a file of some, or where there is too little to learn them from: then
    those of the settings stay, as they do for whoever calls ``interestream train ranker``.
    """
    models = WorkerModels(raw, catalogue, settings, contest.seed, contest.progress)
    model = models.train(told, _made(folder / "model"), "trained worker")
    if settings.graph.ranking.learned_file is not None:
        return _Learned(model.settings, model.metrics, unlearned="it ranks by the weights that it was given")
    try:
        lesson = RankerLesson(raw, catalogue, told, settings.trackers)
        former = models.train(told[: lesson.before], _made(folder / "former"), "trained worker: a former model")
    except TooLittle as error:
        return _Learned(model.settings, model.metrics, unlearned=str(error))
    except EncoderError as error:
        unlearned = f"no user model of what came before: {error}"
        return _Learned(model.settings, model.metrics, unlearned=unlearned)
    path = folder / "ranker.json"
    ranker = lesson.learn(former.settings, path, contest.seed, contest.progress)
    return _Learned(ranked_by(model.settings, path), model.metrics, ranker)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def ranked_by(settings: Settings, path: Path) -> Settings:
    """Return the settings of a worker that ranks by the weights in a file."""
    ranking = settings.graph.ranking.model_copy(update={"learned_file": path})
    return settings.model_copy(update={"graph": settings.graph.model_copy(update={"ranking": ranking})})
