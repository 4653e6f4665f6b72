"""When is a file that somebody writes finished? When it looks the same at two looks in a row."""

from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
FileStand = tuple[int, int, int]
"""Inode, time and size of a file."""


class Stillness(Generic[T]):
    """Remembers what was seen at the last look, and what was taken over. ``T``: inode, time, size, compared as a whole.

    >>> files = Stillness[int]()
    >>> files.is_new(1), files.is_new(2), files.is_new(2), files.is_new(2)
    (False, False, True, False)
    """

    def __init__(self) -> None:
        self._seen: T | None = None
        self._settled: T | None = None

    def is_new(self, stand: T) -> bool:
        """Tell, once, that what was seen twice is another one than before."""
        if stand == self._settled:
            return False
        if stand != self._seen:
            self._seen = stand
            return False
        self._settled = stand
        return True


def stand_of(path: Path) -> FileStand | None:
    """Return a file's stand; None for one that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
