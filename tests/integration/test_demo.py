"""The first minute as a visitor sees it: a process of its own, no server, no settings."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stream.settings import ENVIRONMENT_PREFIX

Command = Callable[..., subprocess.CompletedProcess[str]]

OPTIONS = ("demo", "--events", "800", "--text", "hashing", "--seed", "7", "--json")


@pytest.fixture(scope="module")
def ended(interestream: Command) -> subprocess.CompletedProcess[str]:
    return interestream(*OPTIONS)


@pytest.fixture(scope="module")
def figures(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return printed


def test_every_event_is_in_the_graph_once(figures: dict[str, Any]) -> None:
    assert figures["events"] == figures["applied"] == 800
    assert (figures["missing"], figures["duplicates"], figures["refused"]) == (0, 0, 0)
    assert 0 < figures["simulated_views"] < 400


def test_every_shopper_has_lists(figures: dict[str, Any]) -> None:
    assert figures["users"] > 50
    assert figures["lists"] >= figures["users"]
    assert figures["items"] == 1_792
    assert figures["categories"] == 60


def test_the_shopper_has_interests_and_both_lists(figures: dict[str, Any]) -> None:
    shopper = figures["shopper"]
    assert shopper["interests"]
    assert all(interest["weight"] > 0 for interest in shopper["interests"])
    assert len(shopper["cross_sell"]) == 10
    assert shopper["up_sell"]
    for items in (shopper["cross_sell"], shopper["up_sell"]):
        assert len(set(items)) == len(items)


def test_latencies_are_measured_in_seconds(figures: dict[str, Any]) -> None:
    latencies = figures["latency_seconds"]
    assert 0 < latencies["p50"] <= latencies["p95"] <= latencies["p99"] <= latencies["max"] < figures["seconds"] + 1
    assert figures["total_seconds"] > figures["seconds"]


def test_without_a_terminal_it_writes_plain_lines(ended: subprocess.CompletedProcess[str]) -> None:
    lines = ended.stderr.splitlines()
    assert lines[0] == "loading the encoders"
    assert any(re.match(r"(replaying|waiting for the last lists), .* of 800 events", line) for line in lines)
    assert lines[-1].startswith("done, 800 of 800 events")
    assert len(ended.stdout.splitlines()) == 1


def test_the_same_seed_gives_the_same_interests(figures: dict[str, Any], interestream: Command) -> None:
    ended = interestream(*OPTIONS)
    assert ended.returncode == 0, ended.stderr
    again = json.loads(ended.stdout.splitlines()[-1])
    assert again["interests"] == figures["interests"]
    assert again["shopper"]["interests"] == figures["shopper"]["interests"]


def test_ctrl_c_stops_it_without_a_traceback() -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    options = "demo", "--text", "hashing", "--speed", "0.1"
    with subprocess.Popen(
        [sys.executable, "-m", "stream", *options],
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = threading.Timer(200, process.kill)
        deadline.start()
        try:
            assert process.stderr is not None
            said = []
            for line in iter(process.stderr.readline, ""):
                said.append(line)
                if line.startswith("replaying"):
                    break
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
        finally:
            deadline.cancel()
    assert said[-1].startswith("replaying"), said
    assert process.returncode == 1
    assert output == ""
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "error: stopped before the end; nothing is kept"
