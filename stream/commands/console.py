"""What every command does alike: a progress bar, one JSON object last, an error that names the mend, an exit code."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.settings import Settings, SettingsError, load_settings


class ExitCode(IntEnum):
    """What a script may rely on."""

    OK = 0
    FAILED = 1  # the thing checked, or the thing asked for
    USAGE = 2  # an option, a file or a setting cannot be used
    AWAY = 3  # a server does not answer
    INTERRUPTED = 130  # as shells say it of SIGINT


def fail(message: str, code: ExitCode) -> NoReturn:
    """Say what is wrong on standard error and end."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def read_settings() -> Settings:
    """Load the settings, or end with the keys that are wrong."""
    try:
        return load_settings()
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)


def print_json(figures: object) -> None:
    """Print one JSON object on one line: the last line of standard output with ``--json``."""
    sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    sys.stdout.flush()


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show progress on standard error while it is a terminal; yields what to call for each step."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        pending = 0

        def step() -> None:
            nonlocal pending
            pending += 1
            if pending == 200:  # an update takes longer than a message
                progress.advance(task, pending)
                pending = 0

        yield step
        progress.advance(task, pending)
