import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.servers import process as process_module
from stream.servers.process import DetachedProcess, ProcessIdentity, identify, wait_until

ENDURING = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[DetachedProcess]:
    process = DetachedProcess()
    yield process
    process.kill()


def start(process: DetachedProcess, folder: Path, program: str = ENDURING) -> ProcessIdentity:
    output = folder / "output"
    process.start([sys.executable, "-c", program], folder, output)
    assert wait_until(lambda: "up" in output.read_text(), 30)
    identity = process.identity
    assert identity is not None
    return identity


def test_runs_in_a_session_of_its_own(process: DetachedProcess, tmp_path: Path) -> None:
    identity = start(process, tmp_path)
    assert process.running
    assert os.getsid(identity.pid) == identity.pid


def test_is_recognised_by_another_program(process: DetachedProcess, tmp_path: Path) -> None:
    identity = start(process, tmp_path)
    found = DetachedProcess(identity)
    assert found.running
    assert found.stop(patience_seconds=30)
    assert not any(each.running for each in (found, process))


def test_a_process_that_got_the_same_id_later_is_left_alone(process: DetachedProcess, tmp_path: Path) -> None:
    identity = start(process, tmp_path)
    former = DetachedProcess(ProcessIdentity(identity.pid, "long ago"))
    assert not former.running
    former.kill()
    assert former.stop(patience_seconds=1)
    assert process.running


def test_one_that_does_not_listen_is_ended_by_force(process: DetachedProcess, tmp_path: Path) -> None:
    start(process, tmp_path, DEAF)
    assert not process.stop(patience_seconds=0.2)
    assert not process.running


def test_a_paused_one_can_be_stopped(process: DetachedProcess, tmp_path: Path) -> None:
    start(process, tmp_path)
    process.send(signal.SIGSTOP)
    assert process.running
    assert process.stop(patience_seconds=30)


def test_can_be_started_again(process: DetachedProcess, tmp_path: Path) -> None:
    first = start(process, tmp_path)
    process.kill()
    assert start(process, tmp_path) != first


def test_what_never_started_does_not_run() -> None:
    assert not DetachedProcess().running
    assert DetachedProcess().identity is None


def test_an_ended_child_that_nobody_waited_for_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        assert wait_until(lambda: identify(child.pid) is None, 30)
    finally:
        child.wait()


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="needs ps")
def test_a_system_without_proc_tells_the_same_by_ps() -> None:
    ours = process_module._identify_by_ps(os.getpid())
    assert ours is not None
    assert ours == process_module._identify_by_ps(os.getpid())
    assert process_module._identify_by_ps(2**22 + 1) is None
