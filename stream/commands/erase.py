"""``interestream erase``: take users out of the graph, the associations and the lists."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from graph.store import GraphStore
from stream.commands.console import ExitCode, fail, print_json, progress_bar
from stream.commands.servers import connected_store, read_server_settings, run_with_servers
from stream.pseudonyms import Pseudonyms
from stream.published import users_with_lists
from stream.refresh_requests import NoWorker, Requests, erase_users
from stream.sender import make_producer
from stream.settings import Settings


class Erased(msgspec.Struct, frozen=True):
    """What was done. unknown: ids of which neither graph nor lists knew anything; left: of which something is left."""

    users: int
    unknown: list[str]
    left: list[str]
    seconds: float


def erase(
    user_ids: Annotated[list[str] | None, typer.Argument(metavar="USER...", help="Users by id.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with one id a line, besides those named.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    patience: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Give up when no worker applied anything for so long.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Erase users on their request: node, state and edges in Neo4j, what they add to associations, and their lists.

    Needs running workers with the roles interest and association. It goes through the log like every event, so it
    survives a crash, and what a user does later begins anew. Afterwards graph and lists are looked through, and what
    is left is said. An id is as trackers sent it; with a pseudonym key it is made one here. What an anonymous visitor
    did is under `anon:` and its id.

    It does not reach what others keep: source topics, internal topics and dead letters until their retention ends,
    backups, files exported or trained from them. docs/guides/operators.md says for how long, and what to do.

    Exit codes: 0 nothing of them is left; 1 something is left, or you said no; 2 an option or setting cannot be used;
    3 Neo4j, Kafka or the workers are away. What was asked for stays asked for: a worker that starts later does it.

    Example: interestream erase 14834 anon:5f1c --yes
    """
    named = [*(user_ids or ()), *_of_file(file)]
    if not named:
        fail("name users, or a --file of them", ExitCode.USAGE)
    if not yes and not typer.confirm(f"Erase {_users(len(set(named)))}? This cannot be undone.", err=True):
        fail("nothing was done", ExitCode.FAILED)
    settings = read_server_settings()
    try:
        done = run_with_servers(_erase(settings, named, patience))
    except NoWorker as error:
        fail(str(error), ExitCode.AWAY)
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{_users(done.users - len(done.unknown))} erased in {done.seconds:.1f} s")
        for user_id in done.unknown:
            typer.echo(f"{user_id}: neither the graph nor the lists knew this user", err=True)
    if done.left:
        fail(f"something is left of {', '.join(done.left)}: their events go on, or a worker is behind", ExitCode.FAILED)


def _of_file(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--file: {file}: {error}", ExitCode.USAGE)


def _users(count: int) -> str:
    return f"{count:,} user{'' if count == 1 else 's'}"


async def _erase(settings: Settings, named: Sequence[str], patience: float) -> Erased:
    pseudonyms = Pseudonyms(settings.pseudonym_key)
    async with connected_store(settings) as store:
        as_named = await store.load_users(named)  # an id of the graph already
        name_of = {name if name in as_named else pseudonyms.of(name): name for name in named}
        requests = Requests(store, make_producer(settings), settings, patience)
        before = await _known(store, settings, list(name_of))
        with progress_bar("users", len(name_of)) as step:

            def several(count: int) -> None:
                for _ in range(count):
                    step()

            done = await erase_users(requests, settings, list(name_of), several)
        left = await _known(store, settings, list(name_of))
    unknown = [name for user_id, name in name_of.items() if user_id not in before]
    return Erased(done.users, unknown, [name for user_id, name in name_of.items() if user_id in left], done.seconds)


async def _known(store: GraphStore, settings: Settings, user_ids: Sequence[str]) -> set[str]:
    stored = await store.load_users(user_ids)
    return stored.keys() | await asyncio.to_thread(users_with_lists, settings, user_ids)
