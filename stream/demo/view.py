"""The picture on a terminal, and as plain lines where there is none."""

from datetime import UTC, datetime

from rich.align import Align
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream.demo.picture import EventLine, InterestLine, ListLine, Picture, ShopperPicture

_BAR = "█"
_PARTS = " ▏▎▍▌▋▊▉"
_WIDE = 120
_BAR_WIDTH, _WIDE_BAR_WIDTH = 5, 10
_LEAST_SHOWN = 0.05
_HEAD_LINES = 3
_FOOT_LINES = 4
_BORDER = "bright_black"
_STYLES = {"bought": "green", "returned": "yellow", "viewed": "blue"}
_CURRENCY = "£"


def render(picture: Picture, seconds: float, width: int, height: int) -> RenderableType:
    """Lay a picture out, ``seconds`` after the start, for a terminal of this size; made for 100 x 30 and more."""
    body_lines = max(8, height - _HEAD_LINES - _FOOT_LINES)
    layout = Layout()
    layout.split_column(
        Layout(_head(picture, seconds), size=_HEAD_LINES),
        Layout(name="body", size=body_lines),
        Layout(_foot(picture), size=_FOOT_LINES),
    )
    shopper = picture.shopper or ShopperPicture("")
    rows, bar_width = body_lines - 2, _WIDE_BAR_WIDTH if width >= _WIDE else _BAR_WIDTH
    cross_rows = body_lines * 5 // 9
    lists = Layout(ratio=22)
    lists.split_column(
        Layout(
            _panel("cross-sell: other categories", _list(shopper.cross_sell, (cross_rows - 2) // 2)), size=cross_rows
        ),
        Layout(_panel("up-sell: a better one", _list(shopper.up_sell, (body_lines - cross_rows - 2) // 2))),
    )
    who = f"shopper {shopper.user_id}" if shopper.user_id else "one shopper"
    layout["body"].split_row(
        Layout(_panel(who, _events(shopper.events, rows)), ratio=17),
        Layout(_panel("interests", _interests(shopper.interests, rows, bar_width)), ratio=15),
        lists,
    )
    return layout


def plain_line(picture: Picture) -> str:
    """Say a picture in one line, for logs."""
    parts = [picture.phase]
    if picture.total:
        parts.append(f"{picture.done:,} of {picture.total:,} {picture.unit}")
    if picture.per_second >= 1:
        parts.append(f"{picture.per_second:,.0f}/s")
    if picture.latencies:
        parts.append(f"event to list p50 {picture.latencies['p50']:.2f} s, p95 {picture.latencies['p95']:.2f} s")
    if picture.lists:
        parts.append(f"{picture.users:,} shoppers, {picture.lists:,} lists")
    return ", ".join(parts)


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=f"[bold]{title}[/]", title_align="left", border_style=_BORDER, padding=(0, 1))


def _head(picture: Picture, seconds: float) -> RenderableType:
    title = Table.grid(expand=True)
    title.add_column(no_wrap=True)
    title.add_column(justify="right", no_wrap=True)
    title.add_row(
        Text.assemble((" Interestream ", "bold black on cyan"), ("  " + picture.encoder, "dim")),
        Text(picture.phase + " ", style="cyan"),
    )
    progress = Table.grid(expand=True, padding=(0, 1))
    progress.add_column(ratio=1)
    progress.add_column(justify="right", no_wrap=True)
    figures = f"{picture.done:,} / {picture.total:,} {picture.unit}" if picture.total else ""
    if picture.per_second >= 1:
        figures += f"  [bold]{picture.per_second:,.0f}/s[/]"
    bar = ProgressBar(picture.total or None, picture.done, pulse=not picture.total, complete_style="cyan")
    progress.add_row(Align(bar, vertical="middle"), f"{figures}  {_clock(seconds)} ")
    return Group(title, Text(""), progress)


def _events(events: tuple[EventLine, ...], rows: int) -> RenderableType:
    if not events:
        return Text("not here yet", style="dim")
    lines: list[Text] = []
    day = ""
    for event in events[:rows]:
        date = datetime.fromtimestamp(event.at / 1000, UTC).strftime("%d %B").lstrip("0")
        if date != day:
            lines.append(Text(date, "dim"))
            day = date
        verb = f" {event.verb}{'*' if event.simulated else ''}".ljust(10)
        lines.append(_one_line((verb, _STYLES.get(event.verb, "")), event.title))
    return Group(*lines[:rows])


def _interests(interests: tuple[InterestLine, ...], rows: int, bar_width: int) -> RenderableType:
    if not interests:
        return Text("none yet", style="dim")
    table = _grid()
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, style="cyan", min_width=bar_width)
    table.add_column(no_wrap=True, justify="right", style="dim")
    ordered = sorted(interests, key=lambda interest: (-interest.weight, interest.category))
    largest = ordered[0].weight
    for interest in ordered[:rows]:
        weight = f"{interest.weight:.1f}" if interest.weight >= _LEAST_SHOWN else "·"
        table.add_row(Text(interest.category), _bar(interest.weight / largest, bar_width), weight)
    return table


def _list(lines: tuple[ListLine, ...], rows: int) -> RenderableType:
    if not lines:
        return Text("empty yet", style="dim")
    shown: list[RenderableType] = []
    for line in lines[:rows]:
        head = _grid()
        head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        head.add_column(no_wrap=True, justify="right", style="magenta")
        head.add_row(Text(line.title, "bold"), Text(_prices(line) or line.category))
        shown += [head, _one_line((f"  {line.because}", "dim"))]
    return Group(*shown)


def _prices(line: ListLine) -> str:
    if line.price is None or line.anchor_price is None:
        return ""
    return f"{_CURRENCY}{line.anchor_price:.2f} → {_CURRENCY}{line.price:.2f}"


def _one_line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _foot(picture: Picture) -> RenderableType:
    figures = Table.grid(expand=True, padding=(0, 2))
    figures.add_column(no_wrap=True)
    figures.add_column(justify="right", no_wrap=True)
    age = picture.latencies
    latency = "  ".join(f"{name} [bold]{age[name]:.2f} s[/]" for name in ("p50", "p95", "p99")) if age else "…"
    figures.add_row(
        f"event to list  {latency}",
        f"[bold]{picture.users:,}[/] shoppers  [bold]{picture.categories:,}[/] categories  "
        f"[bold]{picture.lists:,}[/] lists",
    )
    notes = Text("  ".join(picture.notes), style="dim", no_wrap=True, overflow="ellipsis")
    return Panel(Group(figures, notes), border_style=_BORDER, padding=(0, 1))


def _grid() -> Table:
    return Table.grid(expand=True, padding=(0, 1, 0, 0))


def _bar(share: float, width: int) -> str:
    """Return a bar of at most ``width`` cells, in eighths of a cell."""
    eighths = max(1, round(share * width * 8))
    return _BAR * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
