"""The guide for tracker teams says what the code does."""

import json
import re
from pathlib import Path

import pytest

from graph.model import Kind
from stream.deadletter import HEADER_PREFIX, DeadLetter
from stream.settings import TrackerSettings
from stream.trackers import EXPLANATIONS, decode
from stream.trackers.native import NativeEvent
from stream.trackers.segment import ITEM_EVENTS, ORDER_EVENTS

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "trackers.md").read_text()
NOW = 1_800_000_000_000


def table(first_column: str) -> list[list[str]]:
    """Return the rows of the table whose first heading this is."""
    _, _, rest = GUIDE.partition(f"\n| {first_column} |")
    rows = rest.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_reason_is_in_the_table_in_its_own_words() -> None:
    rows = {row[0].strip("`"): (row[1], row[2]) for row in table("reason")}
    assert rows == {reason.value: tuple(explanation) for reason, explanation in EXPLANATIONS.items()}


def test_every_field_is_in_the_table() -> None:
    named = {name for row in table("field") for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(NativeEvent.__struct_fields__)


def test_every_kind_is_in_the_table() -> None:
    (kinds,) = [row[1] for row in table("field") if row[0] == "`kind`"]
    assert re.findall(r"`(\w+)`", kinds) == [kind.value for kind in Kind]


def test_every_segment_event_is_in_the_table() -> None:
    named = {row[0].strip("`"): row[1].split(",")[0] for row in table("event")}
    assert named == {name: kind.value for name, kind in (ITEM_EVENTS | ORDER_EVENTS).items()}


def test_every_header_is_in_the_table() -> None:
    named = {name for row in table("header") for name in re.findall(r"`([\w.]+)`", row[0])}
    assert named == {HEADER_PREFIX + field for field in DeadLetter.__struct_fields__}


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL))
def test_the_examples_are_accepted(example: str) -> None:
    json.loads(example)
    assert decode(example.encode(), record_at=NOW, now=NOW, settings=TrackerSettings()).interactions
