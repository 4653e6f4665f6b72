"""The for-you model of a worker: loaded at its start, and a new one taken over while it runs.

A file that cannot be used is refused, once, with the reason in the log and in a metric; the former model goes on. A
file that goes away changes nothing.
"""

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from stream.for_you.settings import ForYouSettings
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.ranker_file import RankerFileError
from stream.stillness import FileStand, Stillness, stand_of

if TYPE_CHECKING:
    from stream.for_you.lists import ForYou

log = logging.getLogger(__name__)


def load_for_you(settings: ForYouSettings, serving: str | None = None) -> "ForYou | None":
    """Return the model that the settings name, ready to be asked: it takes seconds to minutes.

    None where they name none, or the one that is ``serving``. Raises RankerFileError.
    """
    if settings.model_file is None:
        return None
    from stream.for_you.file import read_for_you  # bring scikit-learn: only for whoever has a model
    from stream.for_you.lists import ForYou

    started = time.monotonic()
    model, card = read_for_you(settings.model_file)
    if card.version == serving:
        return None
    found = ForYou(model, card.version, settings.size, settings.reasons)
    seconds = round(time.monotonic() - started, 2)
    log.info("for_you_loaded", extra={"file": str(settings.model_file), "ranking": card.version, "seconds": seconds})
    return found


class ForYouWatch:
    """Looks at ``for_you.model_file``; one per process. Belongs to the event loop."""

    def __init__(self, settings: ForYouSettings, knowledge: Knowledge, metrics: Metrics) -> None:
        self._settings = settings
        self._knowledge = knowledge
        self._metrics = metrics
        self._stillness = Stillness[FileStand]()

    async def look(self) -> bool:
        """Look once; return whether another model makes the lists now."""
        path = self._settings.model_file
        if path is None:
            return False
        stand = await asyncio.to_thread(stand_of, path)
        if stand is None or not self._stillness.is_new(stand):
            return False
        before = self._knowledge.for_you
        serving = None if before is None else before.version
        try:
            found = await asyncio.to_thread(load_for_you, self._settings, serving)
        except RankerFileError as error:
            self._metrics.for_you_changes.labels("refused").inc()
            log.error("for_you_refused", extra={"file": str(path), "ranking": serving, "reason": str(error)})
            return False
        if found is None:
            return False
        self._knowledge.for_you = found
        self._metrics.for_you_changes.labels("swapped").inc()
        self._metrics.tell_for_you(found.version)
        log.info("for_you_swapped", extra={"file": str(path), "ranking": found.version, "before": serving})
        return True
