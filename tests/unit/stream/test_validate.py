"""``interestream validate``, as a script and as a person see it."""

import json
from collections import Counter
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stream.commands.validate import check_events, validate
from stream.event_files import NumberedMessage
from stream.settings import TrackerSettings

NOW = 1_800_000_000_000
GOOD = '{"event_id":"e1","kind":"view","user_id":"u1","item_id":"i1","occurred_at":1700000000000}'
LINES = [
    GOOD,
    GOOD.replace("view", "wishlist"),
    GOOD[:-1] + ',"consent":false}',
    GOOD[:-1] + ',"price":"free"}',
    GOOD.replace("1700000000000", "1700000000"),
    GOOD[:-1] + ',"price":true}',
    '{"type":"track","event":"Order Completed","messageId":"m","userId":"u","timestamp":"2023-11-14T22:13:20Z",'
    '"properties":{"products":[{"product_id":"a"},{"product_id":"b"}]}}',
]

app = typer.Typer()
app.command()(validate)
runner = CliRunner()


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_every_message_is_accounted_for(events: Path) -> None:
    result = runner.invoke(app, [str(events), "--json"])
    report = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 1
    assert report["messages"] == 7
    assert report["accepted"] == {"view": 1, "purchase": 2}
    assert report["ignored"] == {"wishlist": 1}
    assert report["filtered"] == 1
    assert report["late"] == 0
    assert report["refused"] == {"wrong_type": 2, "bad_timestamp_unit": 1}
    assert report["dialects"] == {"native": 3, "segment": 1}
    assert report["ok"] is False
    assert [(example["line"], example["field"]) for example in report["examples"]] == [
        (4, "price"),
        (5, "occurred_at"),
        (6, "price"),
    ]


def test_a_person_reads_line_field_and_mend(events: Path) -> None:
    result = runner.invoke(app, [str(events), "--examples", "1"])
    assert "line 4: price: expected number or null, got text; send the type of the schema" in result.stdout
    assert "line 6" not in result.stdout
    assert "2  refused: wrong_type" in result.stdout
    assert "1  ignored: 'wishlist'" in result.stdout


def test_a_file_without_fault_exits_with_zero(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD)
    result = runner.invoke(app, [str(path), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["ok"] is True


def test_catalogue_rows(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,category_path,price\ni1,Mug,Kitchen > Mugs,3.5\ni2,Cup,,free\n")
    result = runner.invoke(app, [str(path), "--catalogue", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["accepted"], report["refused"]) == ({"rows": 1}, {"wrong_type": 1})
    assert (report["examples"][0]["line"], report["examples"][0]["field"]) == (3, "price")


def test_events_are_no_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"item_id":"i1","title":"Mug"}\n' + GOOD)
    result = runner.invoke(app, [str(path), "--catalogue"])
    assert result.exit_code == 1
    assert "1  rows" in result.stdout
    assert "1  refused: not_a_row" in result.stdout
    assert "line 2: event_id: together with occurred_at this is an event, not a catalogue row" in result.stdout
    assert "without --catalogue" in result.stdout


def test_columns_of_events_are_no_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("event_id,user_id,item_id,type,ts_ms,price\ne0,u,i,view,1700000000000,2\n")
    result = runner.invoke(app, [str(path), "--catalogue"])
    assert result.exit_code == 2
    assert "line 1 names the columns event_id, user_id, type, ts_ms" in result.stderr
    assert "without --catalogue" in result.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [("items.jsonl", '\n{"item_id":"i1","title":"Mug"}\n'), ("items.csv", "item_id,title,price\ni1,Mug,5\n")],
)
def test_a_catalogue_is_no_file_of_events(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    result = runner.invoke(app, [str(path)])
    assert result.exit_code == 2
    assert "event_id, kind or occurred_at" in result.stderr
    assert "--catalogue" in result.stderr
    assert runner.invoke(app, [str(path), "--catalogue"]).exit_code == 0


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    result = runner.invoke(app, [str(tmp_path / "none.jsonl")])
    assert result.exit_code == 2
    assert "No such file" in result.stderr


@pytest.mark.parametrize("name", ["folder", "folder.jsonl"])
def test_a_folder_is_called_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    result = runner.invoke(app, [str(tmp_path / name)])
    assert result.exit_code == 2
    assert f"{name}: is a folder; name a file in it" in result.stderr


def test_the_settings_of_the_environment_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD)
    monkeypatch.setenv("INTERESTREAM_TRACKERS__MAX_MESSAGE_BYTES", "10")
    result = runner.invoke(app, [str(path), "--json"])
    assert json.loads(result.stdout)["refused"] == {"too_large": 1}
    monkeypatch.setenv("INTERESTREAM_TRACKERS__MAX_MESSAGE_BYTES", "many")
    result = runner.invoke(app, [str(path), "--json"])
    assert result.exit_code == 2
    assert "trackers.max_message_bytes" in result.stderr


def test_a_million_names_are_not_a_million_counters() -> None:
    messages = [NumberedMessage(line, None, GOOD.replace("view", f"kind{line}").encode()) for line in range(1000)]
    report = check_events(messages, TrackerSettings(), NOW, 3, lambda: None)
    assert sum(report.ignored.values()) == 1000
    assert len(report.ignored) == 51


def test_the_shipped_messages_of_trackers_are_all_accepted(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "data" / "trackers"
    paths = [path for path in sorted(folder.glob("*/*.json")) if not path.name.endswith(".expected.json")]
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(json.dumps(json.loads(message.read_text())) for message in paths))
    result = runner.invoke(app, [str(path), "--json"])
    report = json.loads(result.stdout)
    expected = Counter(message.parent.name for message in paths)
    assert (result.exit_code, report["dialects"]) == (0, dict(expected))
