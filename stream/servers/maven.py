"""Bring a server's jars by Maven, once, into a per-user cache."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.servers.errors import JarsMissing
from stream.servers.tools import find_maven

JarReport = Callable[[int, str], None]
"""Is told of each file that arrives: how many so far, and its name."""

_ARRIVED = re.compile(r"(?:Downloaded from \S+: \S+/|Copying )([^/\s]+\.(?:jar|pom))\b")


def jar_cache() -> Path:
    """Return the folder of all jars: ``$XDG_CACHE_HOME/interestream/jars``, by default under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "interestream" / "jars"


def jar_folder(pom: Path, cache: Path) -> Path:
    """Return where a POM's jars belong: named by the POM's folder and content, so that a change fetches anew."""
    return cache / f"{pom.parent.name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"


def arrived(line: str) -> str | None:
    """Return the file that a line of Maven's output says has arrived.

    >>> arrived("[INFO] Copying scala-library-2.13.16.jar to /tmp/x/scala-library-2.13.16.jar")
    'scala-library-2.13.16.jar'
    """
    found = _ARRIVED.search(line)
    return found[1] if found else None


def fetch_jars(pom: Path, cache: Path, report: JarReport = lambda count, name: None) -> Path:
    """Return the folder with the run-time jars of ``pom``, having copied them there by Maven if it was missing.

    The folder appears whole or not at all; several processes may ask at once. Raises JarsMissing when Maven fails,
    ToolMissing when there is no Maven.
    """
    folder = jar_folder(pom, cache)
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one(cache / f".{folder.name}.lock"):
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as partial:
            _copy_jars(pom, Path(partial) / "jars", cache / f"{folder.name}.log", report)
            (Path(partial) / "jars").rename(folder)
    return folder


def _copy_jars(pom: Path, target: Path, log: Path, report: JarReport) -> None:
    command = [
        *(str(find_maven()), "--batch-mode", "-Dstyle.color=never", "--file", str(pom)),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"),
    ]
    errors: list[str] = []
    count = 0
    with (
        log.open("w", encoding="utf-8") as written,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as maven,
    ):
        for line in maven.stdout or ():
            written.write(line)
            if line.startswith("[ERROR]"):
                errors.append(line.removeprefix("[ERROR]").strip())
            elif (name := arrived(line)) is not None:
                count += 1
                report(count, name)
    if maven.returncode != 0 or not any(target.glob("*.jar")):
        shutil.rmtree(target, ignore_errors=True)
        reason = errors[0] if errors else f"mvn ended with status {maven.returncode}"
        raise JarsMissing(f"Maven could not bring the jars of {pom}: {reason} (see {log})")


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
