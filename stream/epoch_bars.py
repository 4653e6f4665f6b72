"""How a training run gets on, for one who waits for it."""

from collections.abc import Callable
from contextlib import ExitStack

from encoders.training.fit import Watcher
from stream.progress import Progress


class EpochBars(Watcher):
    """A progress bar for each epoch, and a line behind it."""

    def __init__(self, progress: Progress, say: Callable[[str], None]) -> None:
        self._progress = progress
        self._say = say
        self._open = ExitStack()
        self._step: Callable[[], None] = lambda: None

    def __enter__(self) -> "EpochBars":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin_epoch(self, stage: str, number: int, samples: int) -> None:
        """Show a new bar."""
        self._step = self._open.enter_context(self._progress(f"{stage}, epoch {number}", samples))

    def step(self, samples: int) -> None:
        """Move it."""
        for _ in range(samples):
            self._step()

    def end_epoch(self, stage: str, number: int, figures: dict[str, float]) -> None:
        """Take it away, and say what the epoch reached."""
        self._open.close()
        self._say(f"{stage}, epoch {number}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
