"""``interestream refresh``: rank users again with all that is known now, and publish their lists."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated

import msgspec
import typer

from graph.store import GraphStore
from stream.commands.console import ExitCode, fail, print_json, progress_bar
from stream.commands.servers import connected_store, read_server_settings, run_with_servers
from stream.refresh_requests import NoWorker, Refreshed, Requests, refresh_users, settle_associations
from stream.sender import make_producer
from stream.settings import Settings

_PAGE = 5_000
_MOST_ROUNDS = 3
"""Events that keep coming keep changing associations: `--all` does not chase them for ever."""


class UnknownUsers(Exception):
    """Some ids are in no graph; nothing was asked for."""

    def __init__(self, user_ids: Sequence[str]) -> None:
        super().__init__(", ".join(user_ids))


def refresh(
    user_ids: Annotated[list[str] | None, typer.Argument(metavar="USER...", help="Users by id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every user of the graph.")] = False,
    patience: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Give up when no worker applied anything for so long.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank users again and publish their lists: after a change of settings, model or catalogue, or to compare graphs.

    Needs running workers with the roles association and interest: first every association is written and published,
    then the users are ranked with them. Events may flow meanwhile; two graphs compare equal only without them.

    Exit codes: 0 every list is published; 1 an unknown user, nothing was done; 2 an option or setting cannot be used;
    3 Neo4j, Kafka or the workers are away. What was asked for stays asked for: a worker that starts later does it.

    Example: interestream refresh --all
    """
    wanted = list(dict.fromkeys(user_ids or ()))
    if every == bool(wanted):
        fail("name users, or give --all, and not both", ExitCode.USAGE)
    settings = read_server_settings()
    try:
        figures = run_with_servers(_refresh(settings, wanted, patience))
    except UnknownUsers as error:
        fail(f"the graph has no user {error}; nothing was done", ExitCode.FAILED)
    except NoWorker as error:
        fail(str(error), ExitCode.AWAY)
    if as_json:
        print_json(msgspec.structs.asdict(figures))
    else:
        users = f"{figures.users:,} user{'' if figures.users == 1 else 's'}"
        typer.echo(f"{users} ranked and published in {figures.seconds:.1f} s")


async def _refresh(settings: Settings, wanted: Sequence[str], patience: float) -> Refreshed:
    async with connected_store(settings) as store:
        if wanted:
            found = await store.load_users(wanted)
            if missing := [user_id for user_id in wanted if user_id not in found]:
                raise UnknownUsers(missing)
        requests = Requests(store, make_producer(settings), settings, patience)
        with progress_bar("associations", None):
            _, asked = await settle_associations(requests, settings)
        total = len(wanted) or None
        for _ in range(1 if wanted else _MOST_ROUNDS):
            with progress_bar("users", total) as step:
                figures = await refresh_users(requests, settings, _pages(store, wanted), _several(step))
            if wanted:
                break
            # A refresh may itself change associations (a category that came meanwhile): then the lists are ranked anew.
            first, last = await settle_associations(requests, settings)
            if all(offset == asked[partition] + 1 for partition, offset in first.items()):
                break
            asked = last
        return figures


async def _pages(store: GraphStore, wanted: Sequence[str]) -> AsyncIterator[list[str]]:
    """Yield the users that are wanted; all of the graph when none is named."""
    if wanted:
        yield list(wanted)
        return
    page = await store.user_ids("", _PAGE)
    while page:
        yield page
        page = await store.user_ids(page[-1], _PAGE)


def _several(step: Callable[[], None]) -> Callable[[int], None]:
    def steps(count: int) -> None:
        for _ in range(count):
            step()

    return steps
