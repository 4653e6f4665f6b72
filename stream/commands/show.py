"""``interestream show``: a user, an item or a category as the graph has it now."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console, Group

from graph.association import SourceState, decode_source, source_key
from graph.model import ItemRow, Level
from graph.state import decode_state
from graph.store import CategoryView, GraphStore, UserView
from stream.commands.console import ExitCode, fail, print_json, progress_bar
from stream.commands.servers import connected_store, read_server_settings, run_with_servers
from stream.pseudonyms import Pseudonyms
from stream.published import read_published
from stream.settings import Settings
from stream.views.category import category_name, category_page, matching_categories, render_category, similar_categories
from stream.views.item import NEAR_ITEMS, ItemPage, item_page, neighbours, render_item, similar_ids, titled
from stream.views.user import UserPage, named_items, render_user, user_page

_PIPE_WIDTH = 160
_PAGE = 5_000

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Show a user, an item or a category as the graph has it now.",
)


class UnknownUser(Exception):
    """Nobody of this id is in the graph."""


class UnknownItem(Exception):
    """No item of this id is in the graph; ``near`` ones are, by id, with their titles."""

    def __init__(self, near: dict[str, str]) -> None:
        super().__init__()
        self.near = near


class UnknownCategory(Exception):
    """No category of this name is in the graph; ``similar`` ones are."""

    def __init__(self, similar: Sequence[str]) -> None:
        super().__init__()
        self.similar = similar


class SeveralCategories(Exception):
    """The name may mean any of ``paths``."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__()
        self.paths = paths


@app.command()
def user(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="As events name the user; anonymous ones as anon:ID.")],
    history: Annotated[int, typer.Option(min=0, help="Show the latest so many interactions.")] = 10,
    graph_only: Annotated[
        bool, typer.Option("--graph-only", help="Do not ask Kafka for the reasons of the lists.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with the whole history.")] = False,
) -> None:
    """Show a user's interests (weights decayed to now), history, and the lists last published, with reasons.

    Where a pseudonym key is configured, the id is looked up as it is, then under its pseudonym.

    Exit codes: 0 shown; 1 no such user; 2 the settings cannot be used; 3 Neo4j or Kafka is away.

    Example: interestream show user 17850
    """
    settings = read_server_settings()
    try:
        page = run_with_servers(_read_user(settings, user_id, graph_only))
    except UnknownUser:
        fail(
            f"the graph has no user {user_id!r}: ids are as events name them, with anon: before an anonymous_id; "
            "a user appears with the first interaction that is applied (is a worker running?)",
            ExitCode.FAILED,
        )
    if as_json:
        print_json(page)
    else:
        _print(render_user(page, history))


@app.command()
def item(
    item_id: Annotated[str, typer.Argument(metavar="ID", help="As events and the catalogue name the item.")],
    rows: Annotated[int, typer.Option(min=1, help="Show at most so many items bought next, and viewed next.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every transition.")] = False,
) -> None:
    """Show an item: what the catalogue says of it, and what people bought and viewed after it.

    Weights are decayed to now. For an unknown id, those that are spelt nearly alike are listed, else items by title.

    Exit codes: 0 shown; 1 no such item; 2 the settings cannot be used; 3 Neo4j is away.

    Example: interestream show item 85123A
    """
    settings = read_server_settings()
    try:
        page = run_with_servers(_read_item(settings, item_id))
    except UnknownItem as error:
        meant = "".join(f"\n  {near_id}  {title}".rstrip() for near_id, title in error.near.items())
        fail(f"the graph has no item {item_id!r}{'; did you mean' if meant else ''}{meant}", ExitCode.FAILED)
    if as_json:
        print_json(page)
    else:
        _print(render_item(page, rows))


@app.command()
def category(
    name: Annotated[str, typer.Argument(help="The path, such as 'Kitchen > Mugs', or its last label.")],
    rows: Annotated[int, typer.Option(min=1, help="Show at most so many associations each way.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every association.")] = False,
) -> None:
    """Show a category: its items and users, the categories it leads to and those it is reached from.

    A last label is enough where only one category has it; when several match, they are listed.

    Exit codes: 0 shown; 1 no such category, or several; 2 the settings cannot be used; 3 Neo4j is away.

    Example: interestream show category Mugs
    """
    settings = read_server_settings()
    path = category_name(name, settings.trackers.category_separator)
    try:
        view = run_with_servers(_read_category(settings, path))
    except SeveralCategories as error:
        listed = "".join(f"\n  {candidate}" for candidate in error.paths)
        fail(f"{name!r} may be one of {len(error.paths)} categories; give the path:{listed}", ExitCode.FAILED)
    except UnknownCategory as error:
        meant = "".join(f"\n  {candidate}" for candidate in error.similar)
        fail(f"the graph has no category {name!r}{'; did you mean' if meant else ''}{meant}", ExitCode.FAILED)
    page = category_page(view, _now(), settings.graph.association)
    if as_json:
        print_json(page)
    else:
        _print(render_category(page, rows))


async def _read_user(settings: Settings, user_id: str, graph_only: bool) -> UserPage:
    async with connected_store(settings) as store:
        view = await _find_user(store, settings, user_id)
        state = decode_state((await store.load_users([view.user_id]))[view.user_id].state)
        published = None
        if not graph_only:
            with progress_bar("reading lists", None) as step:
                published = await asyncio.to_thread(read_published, settings, view.user_id, step)
        titles = await _titles(store, named_items(view, state, published))
    return user_page(view, state, published, titles, _now(), settings.graph.interest)


async def _find_user(store: GraphStore, settings: Settings, user_id: str) -> UserView:
    if (view := await store.view_user(user_id)) is not None:
        return view
    pseudonym = Pseudonyms(settings.pseudonym_key).of(user_id)
    if pseudonym != user_id and (view := await store.view_user(pseudonym)) is not None:
        return view
    raise UnknownUser(user_id)


async def _read_item(settings: Settings, item_id: str) -> ItemPage:
    key = source_key(Level.ITEM, item_id)
    async with connected_store(settings) as store:
        row = (await store.load_items([item_id])).get(item_id)
        data = (await store.load_associations([key])).get(key)
        if row is None and data is None:
            known = await _every(store.item_ids)
            if item_id not in known:
                raise UnknownItem(await _near_items(store, item_id, neighbours(item_id, known)))
        state = decode_source(data) if data else SourceState(Level.ITEM, item_id)
        category = await store.view_category(row.category) if row and row.category else None
        titles = await _titles(store, sorted({*state.viewed, *state.bought}))
    return item_page(row, category, state, titles, _now(), settings.graph.association)


async def _near_items(store: GraphStore, text: str, known: Sequence[str]) -> dict[str, str]:
    if near := similar_ids(text, known):
        titles = await _titles(store, near)
        return {item_id: titles.get(item_id, "") for item_id in near}
    found: list[ItemRow] = []
    for start in range(0, len(known), _PAGE):
        found += titled(text, (await store.load_items(known[start : start + _PAGE])).values())
        if len(found) >= NEAR_ITEMS:
            break
    return {row.item_id: row.title for row in found[:NEAR_ITEMS]}


async def _titles(store: GraphStore, item_ids: Sequence[str]) -> dict[str, str]:
    return {item_id: row.title for item_id, row in (await store.load_items(item_ids)).items() if row.title}


async def _read_category(settings: Settings, name: str) -> CategoryView:
    async with connected_store(settings) as store:
        if (view := await store.view_category(name)) is not None:
            return view
        known = await _every(store.category_paths)
        found = matching_categories(name, known)
        if len(found) > 1:
            raise SeveralCategories(found)
        if not found or (view := await store.view_category(found[0])) is None:
            raise UnknownCategory(similar_categories(name, known))
        return view


async def _every(page_after: Callable[[str, int], Awaitable[list[str]]]) -> list[str]:
    names: list[str] = []
    while page := await page_after(names[-1] if names else "", _PAGE):
        names += page
    return names


def _print(page: Group) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(page)


def _now() -> int:
    return time.time_ns() // 1_000_000
