import stat
from pathlib import Path

import pytest

from stream.servers.errors import ToolMissing
from stream.servers.tools import find_java, find_maven, java_version, maven_version


def program(folder: Path, name: str, answer: str, to: str = "1") -> Path:
    """Make a program that answers with one line and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{answer}' >&{to}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with one empty folder."""
    for variable in ("JAVA_HOME", "MAVEN_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('java version "1.8.0_391"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ("no such thing", None),
    ],
)
def test_java_tells_its_version_in_many_ways(answer: str, version: int | None) -> None:
    assert java_version(answer) == version


def test_maven_tells_its_version_among_other_things() -> None:
    assert maven_version("\x1b[1mApache Maven 3.9.12 (abc)\x1b[m\nMaven home: /x\nJava version: 17.0.1") == (3, 9, 12)
    assert maven_version("mvn: not found") is None


def test_missing_java_is_said_with_the_mend(nothing_installed: Path) -> None:
    with pytest.raises(ToolMissing, match=r"Java 17 or newer is missing.*JAVA_HOME"):
        find_java()


def test_missing_maven_is_said_with_the_mend(nothing_installed: Path) -> None:
    with pytest.raises(ToolMissing, match=r"Maven 3\.6\.3 or newer is missing.*PATH"):
        find_maven()


def test_old_java_is_named_with_its_version(nothing_installed: Path) -> None:
    java = program(nothing_installed / "bin", "java", 'openjdk version "11.0.2"', to="2")
    with pytest.raises(ToolMissing, match=f"{java} is Java 11; Java 17"):
        find_java()


def test_old_maven_is_named_with_its_version(nothing_installed: Path) -> None:
    program(nothing_installed / "bin", "mvn", "Apache Maven 3.5.4")
    with pytest.raises(ToolMissing, match=r"is Maven 3\.5\.4"):
        find_maven()


def test_a_java_that_tells_nothing_is_not_trusted(nothing_installed: Path) -> None:
    program(nothing_installed / "bin", "java", "hello")
    with pytest.raises(ToolMissing, match="does not tell its version"):
        find_java()


def test_java_home_goes_before_path(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(nothing_installed / "bin", "java", 'openjdk version "11.0.2"', to="2")
    chosen = program(nothing_installed / "jdk" / "bin", "java", 'openjdk version "21.0.1"', to="2")
    monkeypatch.setenv("JAVA_HOME", str(nothing_installed / "jdk"))
    assert find_java() == chosen
