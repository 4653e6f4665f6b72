"""``interestream train for-you``, as a script and as a person see it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream.commands.train import app
from stream.for_you.file import read_for_you
from tests.unit.stream.evaluation.small_shops import write_shop
from tests.unit.stream.for_you.learned import SHIFT_MS


def train(events: Path, items: Path, *arguments: str, shift: int = SHIFT_MS) -> Result:
    files = ["--events", str(events), "--items", str(items), "--shift-ms", str(shift)]
    return CliRunner().invoke(app, ["for-you", *files, *arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_shop(tmp_path_factory.mktemp("shop"))


def test_it_says_how_good_the_lists_are_on_what_it_has_not_seen(files: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    result = train(*files, "--out", str(output), "--data", "made up", "--json")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    card = json.loads(line)["for_you"]
    _, written = read_for_you(output)
    assert card["version"] == written.version
    assert card["cases"] > 100
    assert card["data"] == "made up"
    assert card["occasion"] == "next-step"
    assert 0.3 < card["figures"]["HR@10"] < 1  # of 60 items, by chance one in six
    assert card["lead"]["NDCG@10"]["low"] <= card["lead"]["NDCG@10"]["value"] <= card["lead"]["NDCG@10"]["high"]
    assert "--for next-step --seed 0" in card["command"]


def test_a_person_reads_it_in_words(files: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    result = train(*files, "--out", str(output), "--for", "next-visit")
    assert result.exit_code == 0, result.output
    first, counts, test, *leads = result.stdout.splitlines()
    assert first.endswith("for the next visit")
    assert "150 users with 60 items" in counts
    assert "NDCG@10" in test
    assert any("over its best part" in lead for lead in leads)
    assert read_for_you(output)[0].sessions


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "mine.json"), "must end in .safetensors"),
        (("--out", "nowhere/mine.safetensors"), "create it first"),
    ],
)
def test_a_file_that_cannot_be_written_is_said_first(
    files: tuple[Path, Path], arguments: tuple[str, str], said: str
) -> None:
    result = train(*files, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_too_little_says_what_was_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    result = train(*files, "--out", str(output), shift=0)  # 1970: no clock of a shop
    assert result.exit_code == 1
    assert "no interaction that teaches" in result.stderr
    assert "bad_timestamp_unit" in result.stderr
    assert not output.exists()


def test_one_interaction_a_user_is_too_little(files: tuple[Path, Path], tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    rows = [f"e{number},u{number},i{number % 7},view,{number + 1},,1," for number in range(100)]
    events.write_text("event_id,user_id,item_id,type,ts_ms,price,quantity,session_id\n" + "\n".join(rows) + "\n")
    result = train(events, files[1], "--out", str(tmp_path / "mine.safetensors"))
    assert result.exit_code == 1
    assert "the data holds no case" in result.stderr


def test_a_file_that_is_not_there_is_said(files: tuple[Path, Path], tmp_path: Path) -> None:
    result = train(tmp_path / "no.csv", files[1], "--out", str(tmp_path / "mine.safetensors"))
    assert result.exit_code == 2
    assert "no.csv" in result.stderr
