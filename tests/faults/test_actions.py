"""What a timeline does when its target is not there to be hit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.faults.actions import Actions
from tests.faults.clocks import skewed
from tests.faults.grounds import Grounds
from tests.faults.schedule import Blow, Deed
from tests.faults.supervise import Crew

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """A crew of one process that does nothing."""

    def launch(name: str, failpoints: str, log: Path) -> "subprocess.Popen[bytes]":
        assert not failpoints
        log.touch()
        return subprocess.Popen(SLEEPER)

    crew = Crew(launch, tmp_path, [])
    crew.start("worker-0")
    yield crew
    crew.kill_all()


def state(crew: Crew) -> str:
    pid = crew.places["worker-0"].process.pid
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for_state(crew: Crew, *states: str) -> None:
    deadline = time.monotonic() + 30
    while state(crew) not in states:
        assert time.monotonic() < deadline, state(crew)
        time.sleep(0.01)


def test_a_freeze_that_finds_its_worker_frozen_comes_when_it_has_woken(crew: Crew) -> None:
    blows = [Blow(1.0, Deed.FREEZE, "0", 60.0), Blow(2.0, Deed.FREEZE, "0", 60.0)]
    actions = Actions(cast("Grounds", None), crew, None, blows)
    actions.advance(1.0)
    wait_for_state(crew, "T")
    actions.advance(2.0)
    assert len(actions.blows) == 1
    assert crew.ends["frozen"] == 1
    os.kill(crew.places["worker-0"].process.pid, signal.SIGCONT)
    wait_for_state(crew, "S", "R")
    actions.advance(60.0)
    assert actions.blows == []
    assert crew.ends["frozen"] == actions.done["freeze"] == 2


def test_a_guest_leaves_only_after_it_has_arrived(crew: Crew) -> None:
    blows = [
        Blow(1.0, Deed.JOIN, "guest-0:interest"),
        Blow(2.0, Deed.LEAVE, "guest-0"),
        Blow(2.5, Deed.JOIN, "guest-1"),
    ]
    actions = Actions(cast("Grounds", None), crew, None, blows)
    actions.advance(3.0)
    assert actions.done == {"join guest": 1}
    crew.places["guest-0:interest"].log.write_text('{"event": "claimed", "partitions": [1]}\n')
    actions.advance(6.0)
    assert actions.done == {"join guest": 2, "leave guest": 1}
    assert crew.places.keys() == {"worker-0", "guest-1"}


def test_a_guest_whose_arrival_is_put_off_leaves_after_it(crew: Crew) -> None:
    blows = [
        Blow(1.0, Deed.JOIN, "guest-0"),
        Blow(1.5, Deed.JOIN, "guest-1:interest"),
        Blow(2.0, Deed.LEAVE, "guest-1"),
    ]
    actions = Actions(cast("Grounds", None), crew, None, blows)
    actions.advance(3.0)
    assert actions.done == {"join guest": 1}
    crew.places["guest-0"].log.write_text('{"event": "claimed", "partitions": [1]}\n')
    actions.advance(6.0)
    assert actions.done == {"join guest": 2}
    crew.places["guest-1:interest"].log.write_text('{"event": "claimed", "partitions": [1]}\n')
    actions.advance(9.0)
    assert actions.done == {"join guest": 2, "leave guest": 1}
    assert crew.places.keys() == {"worker-0", "guest-0"}


def test_a_crew_gathers_until_everybody_has_claimed(crew: Crew) -> None:
    assert crew.gathering()
    crew.places["worker-0"].log.write_text('{"event": "claimed", "partitions": []}\n')
    assert not crew.gathering()


def test_a_wrong_clock_is_wrong_by_as_much_as_was_asked_for() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(0.01); print(time.time(), time.monotonic())"]
    before, monotonic_before = time.time(), time.monotonic()
    said = subprocess.run(command, env={**os.environ, **skewed(-3600)}, capture_output=True, text=True, check=True)
    wall, monotonic = map(float, said.stdout.split())
    assert -3600 <= wall - before <= -3600 + 60
    assert 0 <= monotonic - monotonic_before <= 60
