"""A user model from what the worker processed before its tests, such as a shop has that trains every night."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic

from encoders.base import KIND_CODES, EncoderError
from encoders.card import Card
from encoders.device import CPU
from encoders.factory import load_categories, load_projection, load_text_encoder
from encoders.training.events import Event, build_histories
from encoders.training.options import TrainingOptions
from encoders.training.parts import HoldOut
from encoders.training.user import Refit, UserTraining
from encoders.user.model import save_user_model
from stream.epoch_bars import EpochBars
from stream.evaluation.contest import Contest
from stream.evaluation.interactions import Catalogue
from stream.evaluation.nightly import TRAINED_WORKER, WORKER
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_kinds import worker_kind
from stream.evaluation.worker_lists import Lists
from stream.evaluation.worker_told import catalogue_messages
from stream.progress import Progress
from stream.settings import Settings
from stream.training_files import encode_texts, texts_of, titled_rows, training_items


@dataclass(frozen=True)
class WorkerModel:
    """settings: of a worker that uses the model. name: as in every list; metrics: as in the model's card."""

    settings: Settings
    name: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Runs(Generic[Lists]):
    """Of the worker as it is set up and, if wanted, of the trained one: its lists by name, and what became of it.

    training: metrics of the trained one's model. left_out: why there is no trained one.
    """

    found: dict[str, Lists]
    training: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def run_each(
    run: Callable[[str, Settings], Lists],
    settings: Settings,
    raw: RawEvents,
    catalogue: Catalogue,
    told: Iterable[int] | None,
    contest: Contest,
) -> Runs[Lists]:
    """Run the worker, and once more with a model of its own, trained on the interactions at ``told``; None: just once.

    run: given the worker's name and settings. Raises encoders.base.EncoderError and stream.ranker_file.RankerFileError
    as the first run does.
    """
    found = {WORKER: run(WORKER, settings)}
    if told is None:
        return Runs(found)
    with TemporaryDirectory(prefix="interestream-") as folder:
        try:
            model = train_worker_model(raw, catalogue, settings, told, Path(folder), contest.seed, contest.progress)
            return Runs(found | {TRAINED_WORKER: run(TRAINED_WORKER, model.settings)}, model.metrics)
        except EncoderError as error:
            return Runs(found, left_out={TRAINED_WORKER: f"--train: {error}"})


def train_worker_model(
    raw: RawEvents,
    catalogue: Catalogue,
    base: Settings,
    told: Iterable[int],
    folder: Path,
    seed: int,
    progress: Progress,
) -> WorkerModel:
    """Train on the interactions at these places of the raw events, in order of time, into ``folder``.

    With the defaults of ``interestream train user``. Raises encoders.base.EncoderError when they teach too little.
    """
    text = load_text_encoder(base.encoder, CPU)
    rows, _ = titled_rows(catalogue_messages(catalogue), base.trackers)
    if not rows:
        raise EncoderError("the catalogue has no item with a title, which is what a user model reads of an item")
    texts = texts_of(rows)
    with progress("trained worker: encoding items", len(texts)) as step:
        vectors = encode_texts(text, texts, step)
    items = training_items(rows, vectors, load_categories(base.encoder, text))
    histories = build_histories(_events(raw, told), {item_id: row for row, item_id in enumerate(items.ids)})
    options = TrainingOptions(seed=seed)
    with EpochBars(progress, lambda _: None) as bars:
        training = UserTraining(items, text.model, load_projection(text), options, watcher=bars)
        trained = training.run(histories, HoldOut.PERIOD, Refit.ALL)
    card = Card(format="", command="interestream evaluate --train", metrics=trained.metrics)
    name = save_user_model(folder, trained.parts, card)
    encoder = base.encoder.model_copy(update={"user_model_dir": folder})
    return WorkerModel(base.model_copy(update={"encoder": encoder}), name, trained.metrics)


def _events(raw: RawEvents, told: Iterable[int]) -> Iterator[Event]:
    for place in told:
        kind = worker_kind(raw.kinds[place])
        if kind in KIND_CODES:
            yield Event(raw.users[place], raw.items[place], kind, int(raw.times[place]), f"event-{place}")
