"""Versions below which a dependency has a known hole: what is installed here, pinned, and asked for is above them."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
FLOORS = dict(
    re.findall(r"^\| (\S+) \| ([\d.]+) \| (?:CVE|PYSEC)", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE)
)
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
ASKED = {
    requirement.name: requirement
    for requirement in map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
}


def test_the_page_has_floors() -> None:
    assert {"torch", "transformers", "aiohttp"} <= FLOORS.keys()


@pytest.mark.parametrize("name", FLOORS)
def test_nothing_below_a_floor_can_be_installed(name: str) -> None:
    floor = Version(FLOORS[name])
    assert Version(PINS[name]) >= floor
    assert Version(version(name)) >= floor
    assert ASKED[name].specifier.contains(floor)
    below = Version(f"{floor.major}.{floor.minor - 1}")
    assert not ASKED[name].specifier.contains(below)
