"""``interestream train``, as a script and as a person see it; texts are hashed, so that nothing heavy loads."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from encoders.categories import DerivedCategories
from encoders.factory import load_projection
from encoders.hashing import HashingTextEncoder
from stream.commands.train import app

THINGS = ["coffee mug", "garden lantern", "bead necklace", "wall clock"]
LOOKS = ["red", "blue", "set of 3 green", "small white", "vintage"]

runner = CliRunner()


@pytest.fixture(autouse=True)
def _hashed_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_ENCODER__TEXT", "hashing")


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "items.csv"
    rows = [f'{look} {thing} {number},"Brand {number}",' for number in range(9) for thing in THINGS for look in LOOKS]
    path.write_text("title,brand,category\n" + "\n".join(rows))
    return path


def test_categories_are_made_written_and_usable(items: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.safetensors"
    options = ["--items", str(items), "--out", str(out), "--clusters", "4", "--licence", "CC0", "--json"]
    result = runner.invoke(app, ["categories", *options])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert sorted(report["categories"]) == ["Bead Necklace", "Coffee Mug", "Garden Lantern", "Wall Clock"]
    assert sum(report["categories"].values()) == 180
    encoder = HashingTextEncoder()
    assert report["text_model"] == encoder.model
    categories = DerivedCategories.load(out, encoder.model)
    assert categories.assign(encoder.encode(["yellow coffee mug"])) == ["Derived > Coffee Mug"]
    card = json.loads(Path(report["card"]).read_text())
    assert card["licence"] == "CC0"
    assert "--clusters 4 --seed 0" in card["command"]


def test_a_projection_is_fitted_written_and_usable(items: Path, tmp_path: Path) -> None:
    out = tmp_path / "fitted.safetensors"
    items.write_text("title\n" + "\n".join(f"thing{number} part{number * 7}" for number in range(300)))
    result = runner.invoke(app, ["projection", "--items", str(items), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["metrics"]["items"] == 300
    assert load_projection(HashingTextEncoder(), out).name.startswith("fitted/")


def test_a_person_reads_the_names(items: Path, tmp_path: Path) -> None:
    options = ["--items", str(items), "--out", str(tmp_path / "made.safetensors"), "--clusters", "4"]
    result = runner.invoke(app, ["categories", *options])
    assert "Coffee Mug" in result.stdout
    assert "4 categories for hashing/" in result.stdout


@pytest.mark.parametrize("command", ["categories", "projection"])
def test_what_does_not_allow_it_fails_with_one(command: str, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("title\nmug\nclock\n")
    options = ["--items", str(tmp_path / "items.csv"), "--out", str(tmp_path / "out.safetensors")]
    result = runner.invoke(app, [command, *options])
    assert result.exit_code == 1
    assert "too few" in result.stderr
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("command", ["categories", "projection"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"--items": "gone.csv"}, "gone.csv cannot be read"),
        ({"--out": "out.pkl"}, "must end in .safetensors"),
        ({"--out": "nowhere/out.safetensors"}, "is not a folder"),
    ],
)
def test_a_wrong_file_fails_with_two_and_is_named(
    command: str, changes: dict[str, str], reason: str, items: Path, tmp_path: Path
) -> None:
    files = {"--items": "items.csv", "--out": "out.safetensors"} | changes
    options = [part for option, file in files.items() for part in (option, str(tmp_path / file))]
    result = runner.invoke(app, [command, *options])
    assert result.exit_code == 2
    assert reason in result.stderr.replace("\n", " ")


def test_a_text_model_that_cannot_be_loaded_fails_with_two(
    items: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTREAM_ENCODER__TEXT", "transformers")
    monkeypatch.setenv("INTERESTREAM_ENCODER__TEXT_MODEL_DIR", str(tmp_path / "no-model"))
    result = runner.invoke(app, ["projection", "--items", str(items), "--out", str(tmp_path / "out.safetensors")])
    assert result.exit_code == 2
    assert "encoder.text_model_dir" in result.stderr
