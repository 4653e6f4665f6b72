"""The worker's weights from what it processed before its tests, such as a shop has that trains every night."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from stream.evaluation.interactions import Catalogue
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_told import catalogue_messages, event_message, shift_of
from stream.progress import Progress
from stream.ranker_file import RankerFile, write_ranker
from stream.ranker_training.log import Message, message_of
from stream.ranker_training.training import Shop, split, train_ranker
from stream.settings import Settings, TrackerSettings
from stream.trackers import Rejected, decode


class RankerLesson:
    """What there is to learn of some interactions: those that are asked about, and all that goes before.

    before: how many interactions come before the first that is asked about. A user model that learned more than these
    would foretell the others better than any that comes.
    """

    def __init__(self, raw: RawEvents, catalogue: Catalogue, told: Sequence[int], settings: TrackerSettings) -> None:
        """Take the interactions at these places of the raw events, in order of time.

        Raises stream.ranker_training.training.TooLittle.
        """
        messages = list(_messages(raw, told, settings))
        first = split(messages)["training"][0].at - shift_of(raw)
        self.before = int(np.searchsorted(raw.times[np.asarray(told)], first))
        command = "interestream evaluate --train"
        self._shop = Shop(messages, list(catalogue_messages(catalogue)), Counter(), command)

    def learn(self, base: Settings, path: Path, seed: int, progress: Progress) -> RankerFile:
        """Learn as ``interestream train ranker`` does, and write to ``path``. Raises encoders.base.EncoderError."""

        def titled(title: str, total: int | None) -> AbstractContextManager[Callable[[], None]]:
            return progress(f"trained worker: ranker, {title}", total)

        learned = asyncio.run(train_ranker(self._shop, base, seed, titled))
        write_ranker(path, learned)
        return learned


def _messages(raw: RawEvents, told: Iterable[int], settings: TrackerSettings) -> Iterator[Message]:
    shift = shift_of(raw)
    for place in told:
        at, value = int(raw.times[place]) + shift, event_message(raw, place, shift)
        try:
            interactions = decode(value, record_at=at, now=at, settings=settings).interactions
        except Rejected:
            continue
        if interactions:
            yield message_of(None, value, interactions)
