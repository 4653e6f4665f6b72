"""What a data folder remembers of its servers: ports, processes, the password.

Not a database: small files, written whole, under one lock per folder.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stream.servers.errors import ServerError
from stream.servers.process import ProcessIdentity

STATE_FILE = "servers.json"
PASSWORD_FILE = "neo4j-password"  # noqa: S105 - a file's name
_FORMAT = 1


class State(msgspec.Struct, forbid_unknown_fields=True):
    """``servers.json``: ports by name, and the process last started per server."""

    format: int = _FORMAT
    ports: dict[str, int] = {}
    processes: dict[str, ProcessIdentity] = {}


def has_state(folder: Path) -> bool:
    """Tell whether servers were ever started in this data folder."""
    return (folder / STATE_FILE).is_file()


def read_state(folder: Path) -> State:
    """Return the folder's state, empty when it is new.

    Raises ServerError when the file cannot be read as ours.
    """
    file = folder / STATE_FILE
    try:
        state = msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except msgspec.DecodeError as error:
        raise ServerError(f"{file} cannot be read ({error}); stop the servers by hand and delete the file") from None
    if state.format != _FORMAT:
        raise ServerError(f"{file} has format {state.format}, this version knows {_FORMAT}")
    return state


def write_state(folder: Path, state: State) -> None:
    """Replace the folder's state."""
    write_private(folder / STATE_FILE, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")


def password(folder: Path) -> str:
    """Return the folder's Neo4j password, made up at the first call and kept readable by its owner only."""
    file = folder / PASSWORD_FILE
    if not file.exists():
        write_private(file, (secrets.token_hex(12) + "\n").encode())
    return file.read_text(encoding="ascii").strip()


def write_private(file: Path, content: bytes) -> None:
    """Replace a file by one that only its owner can read; readers see the former or the new content, never half."""
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        written.write(content)
    partial.rename(file)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two commands on one folder wait for each other."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
