"""The graph of the real servers; and ``interestream up`` as a user runs it: a process that ends, servers that stay."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.store import GraphStore
from stream.servers.maven import jar_cache
from stream.settings import ENVIRONMENT_PREFIX, Settings
from stream.stores import open_store

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def interestream() -> Command:
    """Run the command line in a process of its own, without the developer's settings."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
        return subprocess.run(
            [sys.executable, "-m", "stream", *arguments],
            env={**inherited, **variables},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[GraphStore]:
    """The graph that the workers write, open."""
    opened = open_store(settings)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def data_dir(
    tmp_path_factory: pytest.TempPathFactory, interestream: Command, jars: Callable[[str], Path], java: Path
) -> Iterator[Path]:
    """A data folder that all tests of ``up`` share; each runs ``up`` first, whatever the one before has done."""
    assert all(jars(server).is_relative_to(jar_cache()) for server in ("kafka", "neo4j"))
    folder = tmp_path_factory.mktemp("up") / "data folder"
    yield folder
    ended = interestream("down", "--data-dir", str(folder))
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def up(data_dir: Path, interestream: Command) -> Callable[[], dict[str, Any]]:
    """Run ``up --json`` on the shared data folder and return what it printed last."""

    def run() -> dict[str, Any]:
        ended = interestream("up", "--data-dir", str(data_dir), "--json", INTERESTREAM_TOPICS__PARTITIONS="2")
        assert ended.returncode == 0, ended.stderr
        printed: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return printed

    return run
