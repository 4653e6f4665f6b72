import threading
from pathlib import Path

import pytest

from stream.servers.errors import JarsMissing
from stream.servers.maven import arrived, fetch_jars, jar_cache, jar_folder
from stream.servers.resources import deploy_folder, pom

FAKE_MAVEN = """#!/bin/sh
case "$1" in --version) echo "Apache Maven 3.8.7"; exit 0;; esac
echo called >> "$CALLS"
for argument; do case "$argument" in -DoutputDirectory=*) folder="${argument#-DoutputDirectory=}";; esac; done
echo "[INFO] Downloaded from central: https://repository.example/a/b-1.0.pom (1 kB at 1 kB/s)"
mkdir -p "$folder"
echo jar > "$folder/b-1.0.jar"
echo "[INFO] Copying b-1.0.jar to $folder/b-1.0.jar"
if [ -n "$FAILS" ]; then echo "[ERROR] Could not find artifact b:1.0"; exit 1; fi
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven that brings one jar; returns the file that counts its calls."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(FAKE_MAVEN)
    program.chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.delenv("MAVEN_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(calls))
    return calls


@pytest.fixture
def some_pom(tmp_path: Path) -> Path:
    file = tmp_path / "kafka" / "pom.xml"
    file.parent.mkdir()
    file.write_text("<project/>")
    return file


def test_jars_come_once_and_are_reported(maven: Path, some_pom: Path, tmp_path: Path) -> None:
    reported: list[tuple[int, str]] = []
    cache = tmp_path / "cache"
    first = fetch_jars(some_pom, cache, lambda count, name: reported.append((count, name)))
    assert [file.name for file in first.iterdir()] == ["b-1.0.jar"]
    assert reported == [(1, "b-1.0.pom"), (2, "b-1.0.jar")]
    assert fetch_jars(some_pom, cache) == first
    assert maven.read_text().count("called") == 1


def test_a_changed_pom_brings_other_jars(maven: Path, some_pom: Path, tmp_path: Path) -> None:
    first = fetch_jars(some_pom, tmp_path / "cache")
    some_pom.write_text("<project><version>2</version></project>")
    assert fetch_jars(some_pom, tmp_path / "cache") != first
    assert maven.read_text().count("called") == 2


def test_a_failure_leaves_nothing_behind_and_names_the_reason(
    maven: Path, some_pom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(JarsMissing, match=r"Could not find artifact b:1\.0 \(see .*\.log\)"):
        fetch_jars(some_pom, cache)
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == []
    monkeypatch.delenv("FAILS")
    assert fetch_jars(some_pom, cache).is_dir()


def test_two_at_once_ask_maven_once(maven: Path, some_pom: Path, tmp_path: Path) -> None:
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(fetch_jars(some_pom, tmp_path / "cache"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 1
    assert maven.read_text().count("called") == 1


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jar_cache() == tmp_path / "interestream" / "jars"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert jar_cache() == Path.home() / ".cache" / "interestream" / "jars"


def test_only_files_that_arrived_count() -> None:
    assert arrived("[INFO] Downloading from central: https://repository.example/a/b-1.0.jar") is None
    assert arrived("[INFO] BUILD SUCCESS") is None


@pytest.mark.parametrize("server", ["kafka", "neo4j"])
def test_each_server_has_a_pom(server: str, tmp_path: Path) -> None:
    assert "<packaging>pom</packaging>" in pom(server).read_text()
    assert pom(server).is_relative_to(deploy_folder())
    assert jar_folder(pom(server), tmp_path).name.startswith(server)
