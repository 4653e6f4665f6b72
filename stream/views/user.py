"""One user: interests as they are now, history, touched items, and the lists last published with their reasons."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graph.decay import decay_factor
from graph.settings import InterestSettings
from graph.state import UserState
from graph.store import UserView
from stream.recommendations import CrossSellItem, ForYouItem, MicroTopic, Reason, Recommendation, UpSellItem, rfc3339
from stream.views.words import bar, minute, number, reason_in_words

_SHOWN_REASONS = 2
_ITEM_PATH = 3
_HOW_TO_READ = (
    "Lists stand in the order to show, in which likes are spread: scores need not fall from place to place. "
    f"Of each item's reasons the {_SHOWN_REASONS} strongest are shown; all of them (--json) add up to the score."
)
_HOW_TO_READ_FOR_YOU = " In the for-you list each says what the score would lose without that item."
_NO_CATALOGUE = (
    "The catalogue has none of these items: without categories there are no interests and no lists. "
    "Send it: interestream replay --catalogue FILE"
)


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
    when the topic was not read. ``titles``: of the items that the page names, by id, where the catalogue has one.
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
    titles: dict[str, str]


def named_items(view: UserView, state: UserState, published: Recommendation | None) -> list[str]:
    """Return the ids of all items that the user's page names, in order."""
    named = {entry.item_id for entry in state.history} | {*view.cross_sell, *view.up_sell}
    listed = [item for items in published.lists().values() for item in items] if published else []
    named.update(item.item_id for item in listed)
    named.update(item.anchor_item_id for item in listed if isinstance(item, UpSellItem))
    # A path of three names an item; a longer one leads through categories.
    named.update(r.path[1] for item in listed for r in item.because if len(r.path) == _ITEM_PATH)
    return sorted(named)


def user_page(
    view: UserView,
    state: UserState,
    published: Recommendation | None,
    titles: Mapping[str, str],
    now: int,
    settings: InterestSettings,
) -> UserPage:
    """Put together what is shown, at ``now`` (ms). History: newest first. titles: of :func:`named_items`, by id."""
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
        titles=dict(titles),
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
        parts.append(_list_table(f"Cross-sell ({title})", lists.cross_sell, page.titles))
        parts.append(_list_table("Up-sell", lists.up_sell, page.titles))
        if (visit := lists.next_visit) is not None:
            title = f"Cross-sell, next visit (ranker {visit.ranker})"
            parts.append(_list_table(title, visit.cross_sell, page.titles))
            parts.append(_list_table("Up-sell, next visit", visit.up_sell, page.titles))
        if (mine := lists.for_you) is not None:
            parts.append(_list_table(f"For you (ranker {mine.ranker})", mine.items, page.titles))
        if any(lists.lists().values()):
            parts.append(Text(_HOW_TO_READ + (_HOW_TO_READ_FOR_YOU if lists.for_you else ""), style="dim"))
    if not page.titles and all(row.category is None for row in page.history):
        parts.append(Text(_NO_CATALOGUE, style="yellow"))
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
    if any(row.taken_back for row in page.history):
        of_all += "; a refund or removal has no line, it marks what it takes back"
    table = _table(
        f"History ({of_all})", "when (UTC)", "what", "item", "title", "price", "category", numbers=("price",)
    )
    for row in shown:
        price = "" if row.price is None else f"{row.price:.2f} {row.currency or ''}".rstrip()
        what = f"{row.kind} (taken back)" if row.taken_back else row.kind
        title, category = page.titles.get(row.item_id, ""), row.category or "not known yet"
        table.add_row(minute(row.at), what, Text(row.item_id), Text(title), price, Text(category))
    return table


def _micro_topics_table(topics: Sequence[MicroTopic]) -> Table:
    table = _table("Micro-topics", "topic", "", "share", "typical item", "title", numbers=("share",))
    for topic in topics:
        share = f"{topic.share:.1%}"
        table.add_row(Text(topic.name), bar(topic.share), share, Text(topic.item_id), Text(topic.title))
    return table


def _list_table(
    title: str, items: Sequence[CrossSellItem | UpSellItem | ForYouItem], titles: Mapping[str, str]
) -> Table:
    table = _table(title, "", "item", "score", "category", "because", numbers=("", "score"))
    for place, item in enumerate(items, start=1):
        category = item.category or "not known yet"
        if isinstance(item, UpSellItem):
            anchor = titles.get(item.anchor_item_id, item.anchor_item_id)
            category = f"{category}\n{item.price:.2f} instead of {anchor} at {item.anchor_price:.2f}"
        named = "\n".join(part for part in (item.item_id, titles.get(item.item_id)) if part)
        why = _because(item.because, titles)
        table.add_row(str(place), Text(named), f"{item.score:.3f}", Text(category), Text(why))
    if not items:
        table.add_row("", "empty", "", "", "")
    return table


def _because(reasons: Sequence[Reason], titles: Mapping[str, str]) -> str:
    def title_of(item_id: str) -> str:
        return titles.get(item_id, item_id)

    strongest = sorted(reasons, key=lambda reason: -abs(reason.contribution))[:_SHOWN_REASONS]
    return "\n".join(f"{reason.contribution:+.3f} {reason_in_words(reason, title_of)}" for reason in strongest)
