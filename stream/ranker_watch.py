"""New learned weights while the worker runs: seen, read and checked, then used from the next batch on.

A file that cannot be used is refused, once, with the reason in the log and in a metric; the former weights go on. A
file that goes away changes nothing.
"""

import asyncio
import logging
from pathlib import Path

from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.ranker_file import RankerFileError, read_ranker
from stream.stillness import FileStand, Stillness, stand_of

log = logging.getLogger(__name__)


class RankerWatch:
    """Looks at ``graph.ranking.learned_file``; one per process. Belongs to the event loop."""

    def __init__(self, path: Path | None, knowledge: Knowledge, metrics: Metrics) -> None:
        self._path = path
        self._knowledge = knowledge
        self._metrics = metrics
        self._stillness = Stillness[FileStand]()

    async def look(self) -> bool:
        """Look once; return whether other weights rank now.

        A file counts as new when it has stood still between two looks: whoever writes it is let finish.
        """
        if self._path is None:
            return False
        stand = await asyncio.to_thread(stand_of, self._path)
        if stand is None or not self._stillness.is_new(stand):
            return False
        return await self._take_over(self._path)

    async def _take_over(self, path: Path) -> bool:
        before = self._knowledge.weights
        try:
            weights = (await asyncio.to_thread(read_ranker, path)).weights
        except RankerFileError as error:
            self._metrics.ranker_changes.labels("refused").inc()
            log.error("ranker_refused", extra={"file": str(path), "ranking": before.version, "reason": str(error)})
            return False
        if weights == before:
            return False
        self._knowledge.weights = weights
        self._metrics.ranker_changes.labels("swapped").inc()
        self._metrics.tell_ranker(weights.version)
        log.info("ranker_swapped", extra={"file": str(path), "ranking": weights.version, "before": before.version})
        return True
