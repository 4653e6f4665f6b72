"""One user: interests as they are now, history, touched items, and the lists last published with their reasons."""

from collections.abc import Sequence

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graph.decay import decay_factor
from graph.settings import InterestSettings
from graph.state import UserState
from graph.store import UserView
from stream.recommendations import CrossSellItem, MicroTopic, Reason, Recommendation, UpSellItem, rfc3339
from stream.views.words import bar, minute, number, reason_in_words

_SHOWN_REASONS = 2


class InterestRow(msgspec.Struct, frozen=True):
    """An interest: ``weight`` valid at ``updated_at``, ``weight_now`` decayed to now, ``share`` of the strongest."""

    category: str
    weight: float
    updated_at: str
    weight_now: float
    share: float
    score: float
    views: int
    purchases: int


class HistoryRow(msgspec.Struct, frozen=True):
    """One interaction of the history. ``taken_back``: refunded, or removed from the cart."""

    at: str
    kind: str
    item_id: str
    category: str | None
    price: float | None
    currency: str | None
    taken_back: bool


class UserPage(msgspec.Struct, frozen=True):
    """Everything that is shown of a user. ``cross_sell`` and ``up_sell`` are the graph's item ids.

    ``published`` is the record with the highest version on the recommendations topic; None when there is none, or
    when the topic was not read.
    """

    user_id: str
    events: int
    last_event_at: str
    version: int
    interests: list[InterestRow]
    history: list[HistoryRow]
    viewed_items: dict[str, int]
    purchased_items: dict[str, int]
    cross_sell: list[str]
    up_sell: list[str]
    published: Recommendation | None


def user_page(
    view: UserView, state: UserState, published: Recommendation | None, now: int, settings: InterestSettings
) -> UserPage:
    """Put together what is shown, at ``now`` (ms). History: newest first."""
    return UserPage(
        user_id=view.user_id,
        events=view.events,
        last_event_at=rfc3339(view.last_event_at),
        version=view.version,
        interests=_interest_rows(view, now, settings),
        history=[
            HistoryRow(rfc3339(e.at), e.kind.value, e.item_id, e.category, e.price, e.currency, not e.active)
            for e in reversed(state.history)
        ],
        viewed_items={touch.item_id: touch.count for touch in view.touches if not touch.purchased},
        purchased_items={touch.item_id: touch.count for touch in view.touches if touch.purchased},
        cross_sell=view.cross_sell,
        up_sell=view.up_sell,
        published=published,
    )


def _interest_rows(view: UserView, now: int, settings: InterestSettings) -> list[InterestRow]:
    # All interests fade alike, so their shares are the same at any common time; at the latest update nothing is lost
    # to rounding, while in a shop of years ago every weight of today is nearly nothing.
    common = max((interest.updated_at for interest in view.interests), default=0)

    def weight_at(weight: float, updated_at: int, at: int) -> float:
        return weight * decay_factor(at - updated_at, settings.half_life_seconds)

    weights = [weight_at(interest.weight, interest.updated_at, common) for interest in view.interests]
    strongest = max(weights, default=1.0)
    rows = [
        InterestRow(
            interest.category,
            interest.weight,
            rfc3339(interest.updated_at),
            weight_at(interest.weight, interest.updated_at, max(now, interest.updated_at)),
            weight / strongest,
            interest.score,
            interest.views,
            interest.purchases,
        )
        for interest, weight in zip(view.interests, weights, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.share, row.category))


def render_user(page: UserPage, history_rows: int) -> Group:
    """Return the page as tables, with at most so many rows of history. Times are UTC."""
    head = Text.assemble(
        (page.user_id, "bold"),
        f"  {page.events:,} interactions, the last at {minute(page.last_event_at)} UTC",
    )
    parts: list[Table | Text] = [head, _interests_table(page), _history_table(page, history_rows)]
    if page.published is None:
        parts.append(Text(f"cross-sell: {', '.join(page.cross_sell) or 'empty'}"))
        parts.append(Text(f"up-sell: {', '.join(page.up_sell) or 'empty'}"))
    else:
        lists = page.published
        title = f"version {lists.version}, ranked at {minute(lists.generated_at)} UTC, {lists.model}"
        title += f", ranker {lists.ranker}" if lists.ranker else ""
        if lists.micro_topics:
            parts.append(_micro_topics_table(lists.micro_topics))
        parts.append(_list_table(f"Cross-sell ({title})", lists.cross_sell))
        parts.append(_list_table("Up-sell", lists.up_sell))
    return Group(*(line for part in parts for line in (part, Text())))


def _table(title: str, *columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", header_style="dim", pad_edge=False, box=None)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _interests_table(page: UserPage) -> Table:
    columns = ("category", "", "now", "weight", "last", "score", "views", "purchases")
    table = _table("Interests", *columns, numbers=("now", "weight", "score", "views", "purchases"))
    for row in page.interests:
        table.add_row(
            Text(row.category),
            bar(row.share),
            number(row.weight_now),
            number(row.weight),
            minute(row.updated_at),
            f"{row.score:.2f}",
            str(row.views),
            str(row.purchases),
        )
    return table


def _history_table(page: UserPage, rows: int) -> Table:
    shown = page.history[:rows]
    of_all = f"latest {len(shown)} of {len(page.history)} kept" if len(shown) < len(page.history) else "newest first"
    table = _table(f"History ({of_all})", "when (UTC)", "what", "item", "price", "category", numbers=("price",))
    for row in shown:
        price = "" if row.price is None else f"{row.price:.2f} {row.currency or ''}".rstrip()
        what = f"{row.kind} (taken back)" if row.taken_back else row.kind
        table.add_row(minute(row.at), what, Text(row.item_id), price, Text(row.category or "not known yet"))
    return table


def _micro_topics_table(topics: Sequence[MicroTopic]) -> Table:
    table = _table("Micro-topics", "topic", "", "share", "typical item", "title", numbers=("share",))
    for topic in topics:
        share = f"{topic.share:.1%}"
        table.add_row(Text(topic.name), bar(topic.share), share, Text(topic.item_id), Text(topic.title))
    return table


def _list_table(title: str, items: Sequence[CrossSellItem | UpSellItem]) -> Table:
    table = _table(title, "", "item", "score", "category", "because", numbers=("", "score"))
    for place, item in enumerate(items, start=1):
        category = item.category or "not known yet"
        if isinstance(item, UpSellItem):
            category = f"{category}\n{item.price:.2f} instead of {item.anchor_item_id} at {item.anchor_price:.2f}"
        table.add_row(str(place), Text(item.item_id), f"{item.score:.3f}", Text(category), Text(_because(item.because)))
    if not items:
        table.add_row("", "empty", "", "", "")
    return table


def _because(reasons: Sequence[Reason]) -> str:
    strongest = sorted(reasons, key=lambda reason: -abs(reason.contribution))[:_SHOWN_REASONS]
    return "\n".join(f"{reason.contribution:+.3f} {reason_in_words(reason)}" for reason in strongest)
