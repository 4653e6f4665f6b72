"""One server process: started detached, recognised again later, stopped politely or not."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

_POLL_SECONDS = 0.05


class ProcessIdentity(msgspec.Struct, frozen=True):
    """A process id with the moment its process started, as the system tells it: ids are used again."""

    pid: int
    started: str


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a process that runs, or None when there is none (a zombie does not run)."""
    if Path("/proc/self/stat").exists():
        return _identify_by_proc(pid)
    return _identify_by_ps(pid)


def _identify_by_proc(pid: int) -> ProcessIdentity | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # proc(5): fields after the command's closing parenthesis; state is the third field, starttime the 22nd.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return ProcessIdentity(pid, f"{boot}/{fields[19]}")


def _identify_by_ps(pid: int) -> ProcessIdentity | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    if len(answer) != 2 or answer[0].startswith("Z"):
        return None
    return ProcessIdentity(pid, answer[1].strip())


class DetachedProcess:
    """A process in a session of its own: it outlives its starter and no terminal signal reaches it.

    Give ``identity`` to take up a process that another program has started.
    """

    def __init__(self, identity: ProcessIdentity | None = None) -> None:
        self._identity = identity
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def identity(self) -> ProcessIdentity | None:
        """The process as it was started, running or not; None before any start."""
        return self._identity

    @property
    def running(self) -> bool:
        """Whether the very process that was started still runs (paused counts as running)."""
        if self._child is not None:
            return self._child.poll() is None
        return self._identity is not None and identify(self._identity.pid) == self._identity

    def start(self, command: Sequence[str], folder: Path, output: Path) -> None:
        """Start ``command`` in ``folder``, appending what it prints to ``output``."""
        with output.open("ab") as sink:
            self._child = subprocess.Popen(
                command,
                cwd=folder,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        self._identity = identify(self._child.pid)

    def stop(self, patience_seconds: float) -> bool:
        """Ask the process to end; end it by force after ``patience_seconds``. Returns whether asking was enough."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # a paused process would never see the request
        if wait_until(lambda: not self.running, patience_seconds):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """End the process at once, without warning (kill -9), and wait until it is gone."""
        self.send(signal.SIGKILL)
        wait_until(lambda: not self.running, 30.0)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended (its id may be another's by now)."""
        if self._identity is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._identity.pid, number)


def server_environment() -> dict[str, str]:
    """Return our environment in a locale that can spell every path: Java reads its arguments in the locale's."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def wait_until(condition: Callable[[], bool], patience_seconds: float, poll_seconds: float = _POLL_SECONDS) -> bool:
    """Wait for ``condition`` at most ``patience_seconds``; return whether it came true."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll_seconds)
    return True
