"""Messages as trackers publish them, with what they must become: a file beside each."""

import json
from pathlib import Path

import msgspec
import pytest

from stream.settings import TrackerSettings
from stream.trackers import decode

FOLDER = Path(__file__).parents[2] / "data" / "trackers"
MESSAGES = sorted(path for path in FOLDER.glob("*/*.json") if not path.name.endswith(".expected.json"))
NOW = 1_800_000_000_000


def test_every_dialect_has_messages() -> None:
    assert {path.parent.name for path in MESSAGES} == {"native", "segment"}
    assert len(MESSAGES) >= 8


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_trackers_message_becomes_what_its_file_says(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text())

    decoded = decode(path.read_bytes(), record_at=NOW, now=NOW, settings=TrackerSettings())

    assert [msgspec.structs.asdict(interaction) for interaction in decoded.interactions] == expected
    assert decoded.dialect == path.parent.name
    assert (decoded.ignored, decoded.filtered, decoded.late) == (0, 0, 0)
