"""Static membership: an instance id per process that survives its restart, so that a kill -9 stops no other worker.

The id is host, role and the number of the first lock file that is free. The kernel frees a lock when its process
dies, however it dies.
"""

import fcntl
import getpass
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

_MOST_WORKERS_PER_HOST = 1024


def default_state_dir() -> Path:
    """Return the folder of lock files when none is configured: one per user, in the system's temporary folder."""
    return Path(tempfile.gettempdir()) / f"interestream-{getpass.getuser()}"


class InstanceLock:
    """Holds one numbered lock file for the life of the process."""

    def __init__(self, state_dir: Path, group_prefix: str) -> None:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.number, self._file = _take(state_dir, group_prefix)

    def instance_id(self, role: str) -> str:
        """Return the role's member id: one per role, since each role is a group of its own."""
        return f"{socket.gethostname()}-{role}-{self.number}"

    def release(self) -> None:
        """Let another process have the number."""
        self._file.close()


def _take(state_dir: Path, group_prefix: str) -> tuple[int, IO[str]]:
    for number in range(_MOST_WORKERS_PER_HOST):
        file = (state_dir / f"{group_prefix}-{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        file.write(str(os.getpid()))
        file.flush()
        return number, file
    raise RuntimeError(f"{_MOST_WORKERS_PER_HOST} workers already run on this host")
