"""One category: how many items and users it has, and which categories lead to it and away from it."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graph.decay import decay_factor
from graph.model import CATEGORY_SEPARATOR, AssociationEdge, category_labels
from graph.settings import AssociationSettings
from graph.store import CategoryView
from stream.recommendations import rfc3339
from stream.views.words import minute, number


class AssociationRow(msgspec.Struct, frozen=True):
    """An association with another category: ``weight`` valid at ``updated_at``, ``weight_now`` decayed to now."""

    family: str
    category: str
    users: int
    confidence: float
    lift: float
    weight: float
    weight_now: float
    updated_at: str


class CategoryPage(msgspec.Struct, frozen=True):
    """Everything that is shown of a category; associations strongest first (weight now, then family and category)."""

    path: str
    derived: bool
    items: int
    interested_users: int
    leads_to: list[AssociationRow]
    comes_from: list[AssociationRow]


def category_page(view: CategoryView, now: int, settings: AssociationSettings) -> CategoryPage:
    """Put together what is shown, at ``now`` (ms)."""
    return CategoryPage(
        view.path,
        view.derived,
        view.items,
        view.interested_users,
        _rows(((edge.target, edge) for edge in view.outgoing), now, settings),
        _rows(((edge.source, edge) for edge in view.incoming), now, settings),
    )


def matching_categories(name: str, known: Sequence[str]) -> list[str]:
    """Return the paths that ``name`` may mean: itself, else those that end in its labels, whatever the case.

    >>> matching_categories("mugs", ["Garden > Mugs", "Kitchen", "Kitchen > Mugs"])
    ['Garden > Mugs', 'Kitchen > Mugs']
    """
    if name in known:
        return [name]
    wanted = [label.casefold() for label in category_labels(name)]
    return [path for path in known if [label.casefold() for label in category_labels(path)][-len(wanted) :] == wanted]


def similar_categories(name: str, known: Sequence[str]) -> list[str]:
    """Return up to three paths whose last label is spelt nearly like that of ``name``.

    >>> similar_categories("Mgus", ["Kitchen", "Kitchen > Mugs"])
    ['Kitchen > Mugs']
    """
    labels = {path: category_labels(path)[-1].casefold() for path in known}
    near = get_close_matches(category_labels(name)[-1].casefold(), set(labels.values()))
    return [path for path, label in labels.items() if label in near][:3]


def category_name(text: str, separator: str) -> str:
    """Write a category as its path is written, whatever blanks stand around the separator.

    >>> category_name("Kitchen>Mugs", ">")
    'Kitchen > Mugs'
    """
    return CATEGORY_SEPARATOR.join(label.strip() for label in text.split(separator))


def render_category(page: CategoryPage, rows: int) -> Group:
    """Return the page as tables of at most ``rows`` associations each. Times are UTC."""
    derived = ", derived from item texts" if page.derived else ""
    head = Text.assemble(
        (page.path, "bold"), f"  {page.items:,} items, {page.interested_users:,} users are interested{derived}"
    )
    leads_to, comes_from = _table("Leads to", page.leads_to, rows), _table("Comes from", page.comes_from, rows)
    return Group(head, Text(), leads_to, Text(), comes_from)


def _rows(
    edges: Iterable[tuple[str, AssociationEdge]], now: int, settings: AssociationSettings
) -> list[AssociationRow]:
    rows = [
        AssociationRow(
            edge.family.value,
            other,
            edge.users,
            edge.confidence,
            edge.lift,
            edge.weight,
            edge.weight * decay_factor(max(0, now - edge.updated_at), settings.half_life_seconds),
            rfc3339(edge.updated_at),
        )
        for other, edge in edges
    ]
    return sorted(rows, key=lambda row: (-row.weight_now, row.family, row.category))


def _table(title: str, found: Sequence[AssociationRow], rows: int) -> Table:
    more = f" (the strongest {rows} of {len(found)})" if len(found) > rows else ""
    table = Table(title=f"{title}{more}", title_justify="left", header_style="dim", pad_edge=False, box=None)
    for column in ("category", "how", "users", "confidence", "lift", "now", "weight", "last"):
        table.add_column(column, justify="left" if column in ("category", "how", "last") else "right", overflow="fold")
    for row in found[:rows]:
        table.add_row(
            Text(row.category),
            row.family,
            f"{row.users:,}",
            f"{row.confidence:.1%}",
            f"{row.lift:.2f}",
            number(row.weight_now),
            number(row.weight),
            minute(row.updated_at),
        )
    if not found:
        table.add_row("none", *[""] * 7)
    return table
