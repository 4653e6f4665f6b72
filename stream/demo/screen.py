"""Where the picture is shown: a live view on a terminal, a line now and then anywhere else. Always standard error."""

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live

from stream.demo.picture import Picture
from stream.demo.view import plain_line, render

_PICTURES_PER_SECOND = 4
_LINE_SECONDS = 5.0


class Screen(Protocol):
    """Shows the latest picture from entering its context to leaving it."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, the last picture on it."""

    def show(self, picture: Picture) -> None:
        """Replace the picture."""


class LiveScreen:
    """Draws in a thread of its own, so that a slow terminal holds nothing up."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture("")
        self._started_at = time.monotonic()
        self._live = Live(
            get_renderable=self._render,
            console=console,
            refresh_per_second=_PICTURES_PER_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, picture: Picture) -> None:
        """Replace the picture; it is drawn at the next turn."""
        self._picture = picture

    def _render(self) -> RenderableType:
        width, height = self._console.size
        # One line is left for the cursor: a picture as high as the terminal would scroll at every turn.
        return render(self._picture, time.monotonic() - self._started_at, width, height - 1)


class PlainScreen:
    """Writes a line when the phase changes, and every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._said_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, picture: Picture) -> None:
        """Write the picture as a line, if it is time."""
        now = time.monotonic()
        if picture.phase == self._phase and now - self._said_at < _LINE_SECONDS:
            return
        self._phase, self._said_at = picture.phase, now
        self._console.print(plain_line(picture), markup=False, highlight=False, soft_wrap=True)


def open_screen(console: Console) -> Screen:
    """Return the screen that suits the console."""
    return LiveScreen(console) if console.is_terminal and not console.is_dumb_terminal else PlainScreen(console)
