import io

import pytest
from rich.console import Console

from stream.demo.picture import EventLine, InterestLine, ListLine, Picture, ShopperPicture
from stream.demo.screen import LiveScreen, PlainScreen, open_screen
from stream.demo.view import plain_line, render

DAY = 86_400_000
START = 1_315_526_400_000  # 9 September 2011

SHOPPER = ShopperPicture(
    "14217",
    (
        EventLine(START + 2000, "returned", "Lantern [red]", False),
        EventLine(START + 1000, "viewed", "Candle", True),
        EventLine(START - DAY, "bought", "Lantern [red]", False),
    ),
    (InterestLine("Candles", 2.0, 1, 0), InterestLine("Lanterns", 8.0, 0, 2), InterestLine("Mugs", 0.01, 1, 0)),
    (ListLine("Storm match", "Matches", "312 shoppers went from Lanterns to Matches"),),
    (ListLine("Big lantern", "Lanterns", "a step up from Lantern", 8.5, 4.95),),
)
PICTURE = Picture(
    "replaying", 6_123, 14_430, "events", 352.4, SHOPPER, {"p50": 0.21, "p95": 0.4, "p99": 0.613}, 290, 60, 5_123,
    "some-model/1", ("Views* are made up.",),
)  # fmt: skip


def drawn(picture: Picture, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(render(picture, 83.0, width, height), height=height)
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 45), (200, 60)])
def test_the_picture_fills_the_terminal_and_no_more(width: int, height: int) -> None:
    lines = drawn(PICTURE, width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert lines[-1].endswith("╯")


@pytest.mark.parametrize(("width", "height"), [(100, 30), (140, 45)])
@pytest.mark.parametrize(
    "words",
    [
        "6,123 / 14,430 events",
        "352/s",
        "1:23",
        "shopper 14217",
        "returned Lantern [red]",
        "viewed*  Candle",
        "8 September",
        "Storm match",
        "312 shoppers went from Lantern",
        "£4.95 → £8.50",
        "p50 0.21 s  p95 0.40 s  p99 0.61 s",
        "290 shoppers  60 categories  5,123 lists",
        "Views* are made up.",
    ],
)
def test_everything_is_on_it(words: str, width: int, height: int) -> None:
    assert words in "\n".join(drawn(PICTURE, width, height))


def test_the_strongest_interest_comes_first_with_the_longest_bar() -> None:
    lines = drawn(PICTURE, 140, 45)
    rows = [next(n for n, line in enumerate(lines) if name in line and "█" in line) for name in ("Lanterns", "Candles")]
    assert rows[0] < rows[1]
    assert lines[rows[0]].count("█") == 4 * lines[rows[1]].count("█") + 2  # ten cells, two and a half
    assert any("Mugs" in line and "·" in line for line in lines)


@pytest.mark.parametrize("picture", [Picture("loading"), Picture("replaying", shopper=ShopperPicture("1"))])
def test_a_picture_of_nothing_can_be_drawn(picture: Picture) -> None:
    assert picture.phase in drawn(picture, 100, 30)[0]


def test_a_line_says_the_same_where_there_is_no_terminal() -> None:
    assert plain_line(PICTURE) == (
        "replaying, 6,123 of 14,430 events, 352/s, event to list p50 0.21 s, p95 0.40 s, 290 shoppers, 5,123 lists"
    )
    assert plain_line(Picture("loading")) == "loading"


def test_lines_are_written_when_the_phase_changes_and_not_for_every_picture() -> None:
    file = io.StringIO()
    with PlainScreen(Console(file=file, width=40)) as screen:
        for picture in (Picture("loading"), Picture("loading"), PICTURE, PICTURE):
            screen.show(picture)
    assert file.getvalue().splitlines() == ["loading", plain_line(PICTURE)]


def test_the_live_view_leaves_its_last_picture_on_the_terminal() -> None:
    file = io.StringIO()
    with LiveScreen(Console(file=file, width=100, height=30, force_terminal=True)) as screen:
        screen.show(PICTURE)
    assert "shopper 14217" in file.getvalue()


@pytest.mark.parametrize(("terminal", "kind"), [(True, LiveScreen), (False, PlainScreen)])
def test_the_screen_suits_the_console(monkeypatch: pytest.MonkeyPatch, terminal: bool, kind: type) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_screen(Console(file=io.StringIO(), force_terminal=terminal)), kind)
