"""Failpoints: free when off, each place reached by some code, each charge fired once."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.failpoints import PLACES, BadFailpoint, FailpointError, arm, failpoint

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("")


def test_every_place_is_reached_by_some_code_and_has_a_name() -> None:
    sources = (path for package in ("graph", "stream", "encoders") for path in (ROOT / package).rglob("*.py"))
    reached = {place for path in sources for place in re.findall(r'\bfailpoint\("(\w+)"\)', path.read_text())}
    assert reached == set(PLACES)


def test_nothing_happens_where_nothing_was_armed() -> None:
    for place in PLACES:
        failpoint(place)


def test_a_charge_fires_the_nth_time_and_only_once() -> None:
    arm("after_commit=raise@3; mid_publish=raise")
    failpoint("after_commit")
    failpoint("after_commit")
    with pytest.raises(FailpointError, match="after_commit"):
        failpoint("after_commit")
    failpoint("after_commit")
    with pytest.raises(FailpointError, match="mid_publish"):
        failpoint("mid_publish")


@pytest.mark.parametrize(("action", "number"), [("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)])
def test_a_process_kills_or_freezes_itself(
    monkeypatch: pytest.MonkeyPatch, action: str, number: signal.Signals
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, which: sent.append((pid, which)))
    arm(f"after_poll={action}")
    failpoint("after_poll")
    assert sent == [(os.getpid(), number)]


def test_a_pause_ends() -> None:
    arm("after_poll=pause:0.001")
    failpoint("after_poll")


@pytest.mark.parametrize(
    ("text", "named"),
    [("nowhere=kill", "nowhere"), ("after_poll=explode", "explode"), ("after_poll=kill@x", "numbers")],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    with pytest.raises(BadFailpoint, match=named):
        arm(text)
