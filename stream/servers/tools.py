"""Find Java and Maven, and say in one sentence what is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from stream.servers.errors import ToolMissing

JAVA_MINIMUM = 17
MAVEN_MINIMUM = (3, 6, 3)
_ANSWER_SECONDS = 60


def find_java() -> Path:
    """Return the java of JAVA_HOME, else of PATH, having asked its version.

    Raises ToolMissing when there is none or it is older than 17.
    """
    java = _find("java", "JAVA_HOME")
    if java is None:
        raise ToolMissing(f"Java {JAVA_MINIMUM} or newer is missing: put java on PATH, or set JAVA_HOME")
    version = java_version(_ask([str(java), "-version"]))
    if version is None:
        raise ToolMissing(f"{java} does not tell its version; Java {JAVA_MINIMUM} or newer is needed")
    if version < JAVA_MINIMUM:
        raise ToolMissing(f"{java} is Java {version}; Java {JAVA_MINIMUM} or newer is needed (PATH or JAVA_HOME)")
    return java


def find_maven() -> Path:
    """Return the mvn of MAVEN_HOME, else of PATH, having asked its version.

    Raises ToolMissing when there is none or it is too old.
    """
    wanted = ".".join(map(str, MAVEN_MINIMUM))
    maven = _find("mvn", "MAVEN_HOME")
    if maven is None:
        raise ToolMissing(f"Maven {wanted} or newer is missing: install it and put mvn on PATH; it is needed only once")
    answer = _ask([str(maven), "--version"])
    version = maven_version(answer)
    if version is None:
        raise ToolMissing(f"{maven} does not tell its version ({answer[:80].strip()}); {wanted} or newer is needed")
    if version < MAVEN_MINIMUM:
        found = ".".join(map(str, version))
        raise ToolMissing(f"{maven} is Maven {found}; Maven {wanted} or newer is needed")
    return maven


def java_version(answer: str) -> int | None:
    """Return the feature release that ``java -version`` names.

    >>> java_version('openjdk version "17.0.15" 2025-04-15'), java_version('java version "1.8.0_391"')
    (17, 8)
    """
    found = re.search(r'version "(\d+)(?:\.(\d+))?', answer)
    if found is None:
        return None
    first, second = int(found[1]), found[2]
    return int(second) if first == 1 and second else first


def maven_version(answer: str) -> tuple[int, ...] | None:
    """Return the release that ``mvn --version`` names.

    >>> maven_version("Apache Maven 3.8.7")
    (3, 8, 7)
    """
    found = re.search(r"Apache Maven (\d+)\.(\d+)\.(\d+)", answer)
    return tuple(map(int, found.groups())) if found else None


def _find(program: str, home_variable: str) -> Path | None:
    if home := os.environ.get(home_variable):
        candidate = Path(home) / "bin" / program
        if candidate.is_file():
            return candidate
    found = shutil.which(program)
    return Path(found) if found else None


def _ask(command: list[str]) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(f"{command[0]} cannot be run: {error}") from None
    return answer.stdout + answer.stderr
