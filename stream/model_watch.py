"""A new user model while the worker runs: seen, loaded and proven beside the old one, then swapped in between batches.

Users are encoded anew when they are next touched, or all at once by `interestream refresh --all`. A folder that cannot
be used is refused, once, with the reason in the log and in a metric; the old model goes on.
"""

import asyncio
import logging
from pathlib import Path

import numpy as np

from encoders.base import KIND_CODES, EncoderError, HistoryBatch, TextEncoder
from encoders.device import Device
from encoders.factory import load_user
from encoders.settings import EncoderSettings
from encoders.user.model import UserModel, model_fingerprint
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.serving import Changes, Serving
from stream.stillness import Stillness

log = logging.getLogger(__name__)

_PROBED_ITEMS = 256
_SAME = 0.9999
"""Users of different items whose vectors are all this near to each other are not told apart."""

_Stand = tuple[tuple[str, int, int, int], ...]


class ModelWatch:
    """Looks at ``encoder.user_model_dir``; one per process. Belongs to the event loop, loads in a thread of its own."""

    def __init__(
        self, settings: EncoderSettings, text: TextEncoder, device: Device, knowledge: Knowledge, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._text = text
        self._device = device
        self._knowledge = knowledge
        self._metrics = metrics
        self._stillness = Stillness[_Stand]()

    async def look(self) -> bool:
        """Look once; return whether another model serves now.

        A folder counts as new when its files have stood still between two looks: whoever copies into it is let finish.
        """
        folder = self._settings.user_model_dir
        if folder is None:
            return False
        if not self._stillness.is_new(await asyncio.to_thread(_stand_of, folder)):
            return False
        if await asyncio.to_thread(model_fingerprint, folder) == self._knowledge.serving.model.fingerprint:
            return False
        return await self._take_over(folder)

    async def _take_over(self, folder: Path) -> bool:
        before = self._knowledge.serving.model.name
        feed = self._knowledge.open_feed()
        changes = feed.drain(self._knowledge.items.item_id)
        try:
            model = await asyncio.to_thread(self._load, changes)
        except (EncoderError, OSError, MemoryError, RuntimeError, ValueError) as error:  # RuntimeError: of torch
            self._knowledge.close_feed(feed)
            self._metrics.model_changes.labels("refused").inc()
            log.error("model_refused", extra={"folder": str(folder), "serving": before, "reason": str(error)})
            return False
        self._knowledge.serve(Serving(model, feed))
        self._metrics.model_changes.labels("swapped").inc()
        self._metrics.tell_model(self._text.model, model.name, str(self._device.torch_device))
        log.info("model_swapped", extra={"folder": str(folder), "serving": model.name, "before": before})
        return True

    def _load(self, changes: Changes) -> UserModel:
        model = load_user(self._settings, self._text, self._device)
        changes.apply(model.matrix)
        prove(model)
        return model


def prove(model: UserModel) -> None:
    """Encode users of one item each. Raises EncoderError unless their vectors are of unit length and differ.

    What files and shapes cannot show: weights that are numbers, and still give nothing.
    """
    rows = np.flatnonzero(model.matrix.present)[:_PROBED_ITEMS, np.newaxis]
    if not len(model.matrix.vectors):
        return
    if not len(rows):
        raise EncoderError(f"{model.name} gives no item a vector")
    kinds = np.full(rows.shape, KIND_CODES["view"], np.int64)
    users = model.encoder.encode(HistoryBatch(rows, kinds, np.zeros(rows.shape, np.float32)))
    if not np.allclose(np.linalg.norm(users, axis=1), 1, atol=1e-3):
        raise EncoderError(f"{model.name} gives users no vector: it diverged in training")
    items = model.matrix.vectors[rows[:, 0]]
    if (items @ items[0]).min() < _SAME <= (users @ users[0]).min():
        raise EncoderError(f"{model.name} gives all users the same vector: it collapsed in training")


def _stand_of(folder: Path) -> _Stand:
    """Return name, inode, time and size of every file; empty for a folder that is not there."""
    try:
        files = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return ()
    return tuple((name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in files)
