"""A user model from what the worker processed before its tests, such as a shop has that trains every night."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

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
from stream.evaluation.interactions import Catalogue
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_kinds import worker_kind
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


class WorkerModels:
    """User models of one shop, each from another part of its log, with the defaults of ``interestream train user``."""

    def __init__(self, raw: RawEvents, catalogue: Catalogue, base: Settings, seed: int, progress: Progress) -> None:
        """Encode the items. Raises encoders.base.EncoderError where nothing can be read of any."""
        text = load_text_encoder(base.encoder, CPU)
        rows, _ = titled_rows(catalogue_messages(catalogue), base.trackers)
        if not rows:
            raise EncoderError("the catalogue has no item with a title, which is what a user model reads of an item")
        texts = texts_of(rows)
        with progress("trained worker: encoding items", len(texts)) as step:
            vectors = encode_texts(text, texts, step)
        self._raw, self._base, self._text = raw, base, text
        self._seed, self._progress = seed, progress
        self._items = training_items(rows, vectors, load_categories(base.encoder, text))

    def train(self, told: Iterable[int], folder: Path, title: str) -> WorkerModel:
        """Train on the interactions at these places of the raw events, in order of time, into ``folder``.

        title: of the progress bars, before what they show.
        Raises encoders.base.EncoderError when they teach too little.
        """
        text = self._text
        row_of = {item_id: row for row, item_id in enumerate(self._items.ids)}
        histories = build_histories(_events(self._raw, told), row_of)
        options = TrainingOptions(seed=self._seed)

        def titled(stage: str, total: int | None) -> AbstractContextManager[Callable[[], None]]:
            return self._progress(f"{title}: {stage}", total)

        with EpochBars(titled, lambda _: None) as bars:
            training = UserTraining(self._items, text.model, load_projection(text), options, watcher=bars)
            trained = training.run(histories, HoldOut.PERIOD, Refit.ALL)
        card = Card(format="", command="interestream evaluate --train", metrics=trained.metrics)
        name = save_user_model(folder, trained.parts, card)
        encoder = self._base.encoder.model_copy(update={"user_model_dir": folder})
        return WorkerModel(self._base.model_copy(update={"encoder": encoder}), name, trained.metrics)


def _events(raw: RawEvents, told: Iterable[int]) -> Iterator[Event]:
    for place in told:
        kind = worker_kind(raw.kinds[place])
        if kind in KIND_CODES:
            yield Event(raw.users[place], raw.items[place], kind, int(raw.times[place]), f"event-{place}")
