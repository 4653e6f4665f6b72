"""This machine: the folder of lock files, its disk, the endpoint's port."""

import os
import shutil
import socket
from pathlib import Path

from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.membership import default_state_dir
from stream.settings import Settings

_LEAST_BYTES = 10_000_000
_COMFORTABLE_BYTES = 1_000_000_000


def check_state_dir(settings: Settings) -> list[Finding]:
    """Check that lock files can be made, by us and by nobody else, and that the disk has room."""
    folder = settings.worker.state_dir or default_state_dir()
    mend = "set worker.state_dir to a folder of the worker's own user"
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return [failed("state folder", f"{folder} cannot be made or written", mend)]
    if folder.exists() and folder.stat().st_uid != os.getuid():
        return [failed("state folder", f"{folder} belongs to another user", mend)]
    return [_check_space(folder, shutil.disk_usage(existing).free)]


def _check_space(folder: Path, free_bytes: int) -> Finding:
    room = f"{folder}, {free_bytes / 1e9:.1f} GB free"
    mend = "free some space, or set worker.state_dir to a folder on another disk"
    if free_bytes < _LEAST_BYTES:
        return failed("state folder", f"{room}: lock files cannot be written", mend)
    if free_bytes < _COMFORTABLE_BYTES:
        return warning("state folder", f"{room}: logs beside it may fill it", mend)
    return ok("state folder", room)


def check_port(settings: Settings) -> list[Finding]:
    """Say where the endpoint of a worker started now would be, and check that it can be at all."""
    host, port = settings.metrics.host, settings.metrics.port
    if port == 0:
        return [ok("metrics port", "any free port")]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the endpoint does
            probe.bind(found[4])
    except socket.gaierror:
        return [failed("metrics port", f"{host} is no address of this machine", "set metrics.host to 127.0.0.1")]
    except PermissionError:
        return [failed("metrics port", f"{port} is not for ordinary users", "set metrics.port to 1024 or higher")]
    except OSError:
        return [ok("metrics port", f"{port} is taken (a worker?); the next worker takes the next free one")]
    return [ok("metrics port", f"{port} is free")]
