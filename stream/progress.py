"""How long work tells whoever waits for it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[], None]]]
"""Title and number of steps to what is called for each step; see stream.commands.console.progress_bar."""
