"""A crashed worker starts itself again a few times, and then ends with the code it was given."""

import os
import sys
from typing import Any

import pytest

from stream.restart import MOST_RESTARTS, WINDOW_SECONDS, restart_in_place, restarts_before
from stream.settings import FAILPOINTS_VARIABLE, RESTARTS_VARIABLE


class Ended(Exception):
    """What stands in for the end of this process."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """How the process would have ended, instead of ending."""
    found: list[tuple[str, Any]] = []

    def end(how: str, what: object) -> None:
        found.append((how, what))
        raise Ended

    monkeypatch.setattr(os, "_exit", lambda code: end("exit", code))
    monkeypatch.setattr(os, "execv", lambda program, arguments: end("exec", arguments))
    monkeypatch.setattr("stream.restart.time.sleep", lambda seconds: None)
    monkeypatch.setattr("stream.restart.time.time", lambda: 10_000.0)
    monkeypatch.setattr(sys, "argv", ["interestream", "worker", "--role", "interest"])
    monkeypatch.delenv(RESTARTS_VARIABLE, raising=False)
    return found


def test_the_same_command_starts_again_without_the_fault_that_a_test_asked_for(
    ends: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAILPOINTS_VARIABLE, "after_commit=raise")
    with pytest.raises(Ended):
        restart_in_place()
    assert ends == [("exec", [sys.executable, "-m", "stream", "worker", "--role", "interest"])]
    assert FAILPOINTS_VARIABLE not in os.environ
    assert restarts_before(os.environ, 10_000.0) == [10_000.0]


def test_a_defect_that_comes_back_ends_the_process_with_its_code(ends: list[tuple[str, Any]]) -> None:
    for _ in range(MOST_RESTARTS):
        with pytest.raises(Ended):
            restart_in_place(7)
    with pytest.raises(Ended):
        restart_in_place(7)
    assert [how for how, _ in ends] == ["exec"] * MOST_RESTARTS + ["exit"]
    assert ends[-1] == ("exit", 7)


def test_restarts_of_long_ago_do_not_count(ends: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    old = ",".join(str(10_000.0 - WINDOW_SECONDS - n) for n in range(MOST_RESTARTS))
    monkeypatch.setenv(RESTARTS_VARIABLE, old)
    with pytest.raises(Ended):
        restart_in_place()
    assert [how for how, _ in ends] == ["exec"]
