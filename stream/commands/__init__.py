"""The command line: one file per command, imported only when it is called."""

import importlib
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from stream.commands.help_text import reflow

COMMANDS = {
    "demo": "the first minute: real shop events through the whole path, in this process",
    "up": "start a real Kafka and a real Neo4j on this machine",
    "down": "stop what `up` started",
    "worker": "run the agents",
    "topics": "compare the topics with how they should be, or make them so",
    "replay": "feed events from a file, or dead letters, into the topic",
    "dead-letters": "what was refused, and why",
    "validate": "check a file of events without sending any",
    "show": "a user's or a category's part of the graph",
    "refresh": "rank users again and publish their lists",
    "erase": "take users out of graph and lists, on their request",
    "report": "what became of the lists that were shown, and what the present ones expose",
    "signals": "warn of users about to leave, and of interests they have lost",
    "check": "compare graph, lists and dead letters with a recomputation from the log",
    "train": "fit what the encoders need",
    "evaluate": "how good the lists are, on a shop's own past or on a public data set",
    "doctor": "check broker, topics, graph, model, device",
    "schema": "the contracts as JSON Schema",
    "config": "the settings in force",
}
"""Name -> what it is for. The module stream.commands.<name> holds a function, or a Typer ``app``, of that name.

A hyphen of the name is an underscore there.
"""

_CALLED = "interestream.called"


class LazyCommands(TyperGroup):
    """Imports a command's module when it is called: `--help` and `config` do not wait for torch."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note which command is called: only that one is imported."""
        ctx.meta[_CALLED] = next((arg for arg in args if not arg.startswith("-")), None)
        return list(super().parse_args(ctx, args))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name != ctx.meta.get(_CALLED):
            return _listed(cmd_name)  # somebody only wants the list
        module = importlib.import_module(f"stream.commands.{cmd_name.replace('-', '_')}")
        return _as_command(module, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or suggest one whose name is near: Typer knows only commands that are imported."""
        if args[0] not in COMMANDS and (near := get_close_matches(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {', '.join(map(repr, near))}?")
        return super().resolve_command(ctx, args)


def _listed(name: str) -> Any:
    """Return a command that only the list of `--help` sees."""
    app = typer.Typer(add_completion=False)
    app.command(name, short_help=COMMANDS[name])(lambda: None)
    return get_command(app)


def _as_command(module: Any, name: str) -> Any:
    app = getattr(module, "app", None)
    if not isinstance(app, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(name)(getattr(module, name.replace("-", "_")))
    command = get_command(app)
    command.name = name
    _reflow_help(command)
    return command


def _reflow_help(command: Any) -> None:
    command.help = reflow(command.help or "")
    for each in getattr(command, "commands", {}).values():
        _reflow_help(each)


root = typer.Typer(
    name="interestream",
    cls=LazyCommands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},  # every command's: contexts inherit it
    help="A streaming real-time interest graph: clicks and purchases in, live Neo4j edges and fresh lists out.",
)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"interestream {metadata.version('interestream')}")
        raise typer.Exit


@root.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    root(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="interestream")
