import json
from collections.abc import Callable

import msgspec
import pytest
import typer

from encoders.base import EncoderError
from stream.commands.demo import demo
from stream.demo import run
from stream.demo.errors import Crashed, DemoError, StoppedEarly, Stuck
from stream.demo.figures import Figures, Shopper
from stream.demo.picture import Picture
from stream.demo.screen import Screen
from stream.settings import Settings

FIGURES = Figures(
    events=1_000, simulated_views=250, applied=1_000, duplicates=0, refused=0, missing=0, users=60, categories=59,
    items=1_792, lists=312, latency_seconds={"p50": 0.12, "p95": 0.3, "p99": 0.41, "max": 0.5}, seconds=12.3,
    total_seconds=25.6, encoder="some-model/1", user_encoder="decay/untrained", seed=5, interests="ab",
    shopper=Shopper("u", [], ["a"], ["b"]),
)  # fmt: skip

Play = Callable[[run.Options, Settings, Screen, float], Figures]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[run.Options]:
    """Let every demo end well, and note with which options it was called."""
    options: list[run.Options] = []

    def play(called_with: run.Options, base: Settings, screen: Screen, begun_at: float) -> Figures:
        options.append(called_with)
        screen.show(Picture("done"))
        return FIGURES

    monkeypatch.setattr(run, "run_demo", play)
    return options


def failing(error: Exception) -> Play:
    def play(options: run.Options, base: Settings, screen: Screen, begun_at: float) -> Figures:
        raise error

    return play


def call(*arguments: str) -> int:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(demo)
    with pytest.raises(SystemExit) as end:
        app(args=arguments, prog_name="interestream demo")
    return int(end.value.code or 0)


def test_it_ends_with_the_figures_and_what_to_do_next(
    played: list[run.Options], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call() == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["loading the encoders", "done"]
    assert "1,000 of 1,000 events are in the graph, none came twice." in printed.out
    assert "p50 0.12 s, p95 0.30 s, p99 0.41 s" in printed.out
    for command in ("interestream up", "interestream validate", "interestream show user"):
        assert f"\n  {command}" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 100
    assert played == [run.Options(None, 0, 1.0, None)]


def test_options_reach_the_demo(played: list[run.Options], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--events", "50", "--seed", "5", "--speed", "2.5", "--text", "hashing", "--json") == 0
    (options,) = played
    assert (options.events, options.seed, options.speed) == (50, 5, 2.5)
    assert options.text is not None
    assert options.text.value == "hashing"
    assert json.loads(capsys.readouterr().out) == msgspec.to_builtins(FIGURES)


@pytest.mark.parametrize("arguments", [("--events", "0"), ("--seed", "-1"), ("--speed", "0"), ("--text", "magic")])
def test_an_impossible_option_is_refused(arguments: tuple[str, str], played: list[run.Options]) -> None:
    assert call(*arguments) == 2
    assert not played


def test_missing_events_fail_the_demo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lossy = msgspec.structs.replace(FIGURES, applied=990, missing=10)
    monkeypatch.setattr(run, "run_demo", lambda *_: lossy)
    assert call("--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["missing"] == 10
    assert "error: 10 of 1,000 events are not in the graph" in printed.err


@pytest.mark.parametrize("kind", [Stuck, StoppedEarly, Crashed])
def test_whatever_ends_it_early_is_said(
    kind: type[DemoError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_demo", failing(kind("because of this")))
    assert call() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: because of this"


def test_a_model_that_cannot_be_used_is_a_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_demo", failing(EncoderError("weights are damaged")))
    assert call() == 2
    assert "error: weights are damaged" in capsys.readouterr().err


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INTERESTREAM_GRAPH__LISTS__SIZE", "none")
    assert call() == 2
    assert "graph.lists.size" in capsys.readouterr().err
