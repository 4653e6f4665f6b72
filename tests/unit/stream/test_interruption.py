"""Signals that come before a command has begun: no traceback, and the exit code that operators.md promises."""

import signal
import subprocess
import sys

import pytest

from stream.commands import config, main

SECONDS = 60

_INTERRUPTED_WHILE_IMPORTING = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "stream.commands":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from stream.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_while_it_loads_ends_with_0(number: signal.Signals) -> None:
    worker = subprocess.Popen([sys.executable, "-m", "stream", "worker"], stderr=subprocess.PIPE, text=True)
    with worker:
        assert worker.stderr is not None
        assert '"starting"' in worker.stderr.readline()
        worker.send_signal(number)
        _, said = worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0
    assert "Traceback" not in said


def test_an_interrupt_before_the_command_line_is_loaded_ends_with_130() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE_IMPORTING],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interrupted_command_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(config, "read_settings", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["config"])
    assert ended.value.code == 130
    assert "Traceback" not in capsys.readouterr().err
