"""``interestream train``, as a script and as a person see it; texts are hashed, so that nothing heavy loads."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from encoders.categories import DerivedCategories
from encoders.factory import load_projection, load_user
from encoders.hashing import HashingTextEncoder
from encoders.micro_topics import MicroTopics
from encoders.settings import EncoderSettings
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


def test_micro_topics_are_made_written_usable_and_grown_on(items: Path, tmp_path: Path) -> None:
    out, grown = tmp_path / "made.safetensors", tmp_path / "grown.safetensors"
    options = ["--items", str(items), "--seed", "3", "--json"]
    result = runner.invoke(app, ["micro-topics", *options, "--out", str(out), "--clusters", "8"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert len(report["micro_topics"]) == 8
    assert sum(report["micro_topics"].values()) == report["metrics"]["items"] == 180
    encoder = HashingTextEncoder()
    topics = MicroTopics.load(out, encoder.model)
    assert topics.assign(encoder.encode(["red coffee mug"]))[0] in report["micro_topics"]
    assert "interestream train micro-topics --items items.csv --clusters 8 --seed 3" in Path(report["card"]).read_text()

    former = ["--former", str(out), "--clusters", "2"]  # never fewer than there were
    again = runner.invoke(app, ["micro-topics", *options, "--out", str(grown), *former])
    assert again.exit_code == 0, again.output
    then = json.loads(again.stdout.splitlines()[-1])
    assert then["micro_topics"] == report["micro_topics"]
    assert then["metrics"]["kept"] == 1.0
    assert "--former made.safetensors" in Path(then["card"]).read_text()


def test_former_micro_topics_are_no_categories(items: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.safetensors"
    assert (
        runner.invoke(app, ["categories", "--items", str(items), "--out", str(made), "--clusters", "4"]).exit_code == 0
    )
    options = ["--items", str(items), "--out", str(tmp_path / "out.safetensors"), "--former", str(made)]
    result = runner.invoke(app, ["micro-topics", *options])
    assert result.exit_code == 2
    assert "--former" in result.stderr


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


@pytest.mark.parametrize("command", ["categories", "micro-topics", "projection"])
def test_what_does_not_allow_it_fails_with_one(command: str, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("title\nmug\nmug\n")
    options = ["--items", str(tmp_path / "items.csv"), "--out", str(tmp_path / "out.safetensors")]
    result = runner.invoke(app, [command, *options])
    assert result.exit_code == 1
    assert "too few" in result.stderr
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("command", ["categories", "micro-topics", "projection"])
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


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Path, Path]:
    """A shop where item n is followed by item n + 1; 30 users of 6 events, and one event that nobody can read."""
    items, events = tmp_path / "items.jsonl", tmp_path / "events.jsonl"
    rows = [{"item_id": f"i{n}", "title": f"thing {n}", "category": f"C{n % 3}", "price": 1 + n} for n in range(12)]
    items.write_text("\n".join(json.dumps(row) for row in [*rows, {"item_id": "i99", "title": ""}]))
    lines = [
        {"event_id": f"{user}-{step}", "kind": "view", "user_id": f"u{user}", "item_id": f"i{(user + step) % 12}",
         "occurred_at": 1_700_000_000_000 + 3_600_000 * step}
        for user in range(30)
        for step in range(6)
    ]  # fmt: skip
    events.write_text("\n".join(json.dumps(line) for line in [*lines, {"kind": "view"}, lines[0]]))
    return events, items


def test_a_user_model_is_trained_written_and_usable(shop: tuple[Path, Path], tmp_path: Path) -> None:
    events, items = shop
    options = ["--events", str(events), "--items", str(items), "--out", str(tmp_path / "model"), "--encoder", "gru"]
    options += ["--hold-out", "last", "--epochs", "2", "--data", "made up", "--licence", "CC0", "--json"]
    result = runner.invoke(app, ["user", *options])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["metrics"]["users"] == 30
    assert report["metrics"]["interactions"] == 180
    assert report["metrics"].keys() >= {"validation_hr@10", "test_hr@10", "untrained_test_hr@10_propagated"}
    assert report["refused"]["events"] == {"missing_field": 1}
    assert "refused: events: missing_field 1\n" in result.stderr
    model = load_user(EncoderSettings(user_model_dir=tmp_path / "model"), HashingTextEncoder())
    assert model.name == report["model"]
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (card["data"], card["licence"]) == ("made up", "CC0")
    assert card["metrics"] == report["metrics"]
    assert "--encoder gru --hold-out last" in card["command"]
    again = runner.invoke(app, ["user", *options])  # all of it is in the checkpoints
    assert json.loads(again.stdout.splitlines()[-1])["model"] == report["model"]
    assert "epoch" not in again.stderr


def test_too_little_to_learn_from_fails_with_one(shop: tuple[Path, Path], tmp_path: Path) -> None:
    events, items = shop
    events.write_text(events.read_text().splitlines()[0])
    options = ["--events", str(events), "--items", str(items), "--out", str(tmp_path / "model")]
    result = runner.invoke(app, ["user", *options])
    assert result.exit_code == 1
    assert "cannot be divided" in result.stderr
    assert not (tmp_path / "model" / "model.json").exists()


def test_events_of_which_all_are_refused_are_told_from_those_of_another_shop(
    shop: tuple[Path, Path], tmp_path: Path
) -> None:
    events, items = shop
    events.write_text(events.read_text().replace("0000000,", "0000,").replace("00000}", "00}"))  # seconds
    with items.open("a") as file:
        file.write('\n{"title": "nobody"}')
    options = ["--events", str(events), "--items", str(items), "--out", str(tmp_path / "model")]
    result = runner.invoke(app, ["user", *options])
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert "refused: events: bad_timestamp_unit 181, missing_field 1; rows: missing_field 1" in told


def test_a_catalogue_without_titles_fails_with_two(shop: tuple[Path, Path], tmp_path: Path) -> None:
    events, items = shop
    items.write_text('{"item_id": "i1"}')
    options = ["--events", str(events), "--items", str(items), "--out", str(tmp_path / "model")]
    result = runner.invoke(app, ["user", *options])
    assert result.exit_code == 2
    assert "has no item with a title" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("option", "file"), [("--events", "gone.jsonl"), ("--items", "gone.csv"), ("--out", "items.jsonl")]
)
def test_a_file_that_cannot_be_used_to_train_users_fails_with_two(
    option: str, file: str, shop: tuple[Path, Path], tmp_path: Path
) -> None:
    events, items = shop
    options = {"--events": events, "--items": items, "--out": tmp_path / "model"} | {option: tmp_path / file}
    result = runner.invoke(app, ["user", *(str(part) for pair in options.items() for part in pair)])
    assert result.exit_code == 2
    assert file in result.stderr.replace("\n", " ")
