"""One item: what the catalogue says of it, and what people bought and viewed after it."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graph.association import PairSums, SourceState
from graph.decay import decay_factor
from graph.model import ItemRow
from graph.settings import AssociationSettings
from graph.store import CategoryView
from stream.recommendations import rfc3339
from stream.views.words import minute, number

NEAR_ITEMS = 5
"""Suggested for an id that there is none of, at most."""
_LOOKED_THROUGH = 100_000
_NO_ROW = "The catalogue has no row of this item. Send it: interestream replay --catalogue FILE"


class NextRow(msgspec.Struct, frozen=True):
    """What people went on to: ``weight`` valid at ``updated_at``, ``weight_now`` decayed to now.

    ``users``: how many hold the transition in their history; ``title``: None where the catalogue has none.
    """

    item_id: str
    title: str | None
    users: int
    weight: float
    weight_now: float
    updated_at: str


class ItemPage(msgspec.Struct, frozen=True):
    """Everything that is shown of an item; transitions strongest first (weight at a common time, then item id).

    ``in_catalogue``: false where the catalogue has no row of the item; then nothing but its transitions is known.
    ``category_items`` and ``category_users``: items and interested users of the item's category.
    """

    item_id: str
    in_catalogue: bool
    title: str | None
    category: str | None
    derived: bool
    category_items: int | None
    category_users: int | None
    brand: str | None
    price: float | None
    currency: str | None
    available: bool | None
    quality: float | None
    micro_topic: str | None
    bought_next: list[NextRow]
    viewed_next: list[NextRow]


def item_page(
    row: ItemRow | None,
    category: CategoryView | None,
    state: SourceState,
    titles: Mapping[str, str],
    now: int,
    settings: AssociationSettings,
) -> ItemPage:
    """Put together what is shown of the source of ``state``, at ``now`` (ms).

    row: None where the catalogue has none; category: the row's; titles: of the successors, by id.
    """
    said = row or ItemRow(state.source)
    return ItemPage(
        item_id=state.source,
        in_catalogue=row is not None,
        title=said.title or None,
        category=said.category,
        derived=said.derived,
        category_items=category.items if category else None,
        category_users=category.interested_users if category else None,
        brand=said.brand,
        price=said.price,
        currency=said.currency,
        available=row.available if row else None,
        quality=said.quality,
        micro_topic=said.micro_topic,
        bought_next=_rows(state.bought, titles, now, settings),
        viewed_next=_rows(state.viewed, titles, now, settings),
    )


def neighbours(item_id: str, known: Sequence[str]) -> Sequence[str]:
    """Return the ids among which near ones are looked for: all of ``known`` (ordered), unless they are very many.

    Comparing takes seconds per hundred thousand ids. Of more, those are taken that stand around ``item_id`` in the
    order: what is misspelt is seldom so at its beginning.
    """
    first = bisect_left(known, item_id) - _LOOKED_THROUGH // 2
    first = max(0, min(first, len(known) - _LOOKED_THROUGH))
    return known[first : first + _LOOKED_THROUGH]


def similar_ids(item_id: str, known: Iterable[str]) -> list[str]:
    """Return the ids that are spelt nearly like ``item_id``, whatever the case, the nearest first.

    >>> similar_ids("MGU-1", ["lamp", "mug-12", "mug-1"])
    ['mug-1', 'mug-12']
    """
    by_spelling: dict[str, list[str]] = {}
    for candidate in known:
        by_spelling.setdefault(candidate.casefold(), []).append(candidate)
    near = get_close_matches(item_id.casefold(), by_spelling, NEAR_ITEMS)
    return [candidate for spelling in near for candidate in by_spelling[spelling]][:NEAR_ITEMS]


def titled(text: str, rows: Iterable[ItemRow]) -> list[ItemRow]:
    """Return the rows whose title holds ``text``, whatever the case.

    >>> [row.item_id for row in titled("holder", [ItemRow("1", "Letter Holder"), ItemRow("2", "Lamp")])]
    ['1']
    """
    wanted = text.casefold()
    return [row for row in rows if wanted in row.title.casefold()]


def render_item(page: ItemPage, rows: int) -> Group:
    """Return the page as tables of at most ``rows`` transitions each. Times are UTC."""
    head = Text.assemble((page.item_id, "bold"), f"  {page.title or ''}".rstrip())
    known = _catalogue_table(page) if page.in_catalogue else Text(_NO_ROW, style="yellow")
    bought, viewed = _table("Bought next", page.bought_next, rows), _table("Viewed next", page.viewed_next, rows)
    return Group(head, known, Text(), bought, Text(), viewed)


def _rows(
    successors: Mapping[str, PairSums], titles: Mapping[str, str], now: int, settings: AssociationSettings
) -> list[NextRow]:
    def weight_at(sums: PairSums, at: int) -> float:
        return sums.weight * decay_factor(max(0, at - sums.at), settings.half_life_seconds)

    # All fade alike. At the latest time nothing is lost to rounding; of a shop of years ago, all is nothing by now.
    newest = max((sums.at for sums in successors.values()), default=0)
    strongest = sorted(successors, key=lambda item_id: (-weight_at(successors[item_id], newest), item_id))
    return [
        NextRow(
            item_id,
            titles.get(item_id),
            successors[item_id].users,
            successors[item_id].weight,
            weight_at(successors[item_id], now),
            rfc3339(successors[item_id].at),
        )
        for item_id in strongest
    ]


def _catalogue_table(page: ItemPage) -> Table:
    table = Table(show_header=False, pad_edge=False, box=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in (
        ("category", _category(page)),
        ("brand", page.brand),
        ("price", None if page.price is None else f"{page.price:.2f} {page.currency or ''}".rstrip()),
        ("available", "yes" if page.available else "no"),
        ("quality", None if page.quality is None else f"{page.quality:g}"),
        ("micro-topic", page.micro_topic),
    ):
        table.add_row(name, Text(value or "none"))
    return table


def _category(page: ItemPage) -> str | None:
    if page.category is None:
        return None
    derived = ", derived from the item's text" if page.derived else ""
    if page.category_items is None or page.category_users is None:
        return page.category + derived
    return f"{page.category}{derived} ({page.category_items:,} items, {page.category_users:,} users are interested)"


def _table(title: str, found: Sequence[NextRow], rows: int) -> Table:
    more = f" (the strongest {rows} of {len(found)})" if len(found) > rows else ""
    table = Table(title=f"{title}{more}", title_justify="left", header_style="dim", pad_edge=False, box=None)
    for column in ("item", "title", "users", "now", "weight", "last"):
        table.add_column(column, justify="right" if column in ("users", "now", "weight") else "left", overflow="fold")
    for row in found[:rows]:
        table.add_row(
            Text(row.item_id),
            Text(row.title or ""),
            f"{row.users:,}",
            number(row.weight_now),
            number(row.weight),
            minute(row.updated_at),
        )
    if not found:
        table.add_row("none", *[""] * 5)
    return table
