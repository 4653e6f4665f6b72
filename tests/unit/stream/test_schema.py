"""The contracts as JSON Schema: current, and saying what the code does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from graph.model import Kind
from stream.commands.schema import Contract, build_schema, schema, schema_file_name, schema_text
from stream.deadletter import DeadLetter, build_dead_letter
from stream.trackers import Reason

FOLDER = Path(__file__).parents[3] / "docs" / "schemas"

app = typer.Typer()
app.command()(schema)
runner = CliRunner()


@pytest.mark.parametrize("contract", list(Contract))
def test_the_files_are_current(contract: Contract) -> None:
    written = (FOLDER / schema_file_name(contract)).read_text(encoding="utf-8")
    assert written == schema_text(contract), "run: interestream schema --write docs/schemas"


def test_no_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {schema_file_name(contract) for contract in Contract}


def test_an_interaction_needs_a_user_and_a_kind_of_ours() -> None:
    found = build_schema(Contract.INTERACTION)
    assert [choice["required"] for choice in found["anyOf"]] == [["user_id"], ["anonymous_id"]]
    assert found["properties"]["kind"]["enum"] == [kind.value for kind in Kind]
    assert set(found["required"]) == {"event_id", "kind", "item_id", "occurred_at"}


def test_a_dead_letters_headers_are_those_of_the_schema() -> None:
    found = build_schema(Contract.DEAD_LETTER)
    letter = DeadLetter("t", 0, 7, "decode", "too_long", "", "m")
    headers = dict(build_dead_letter(letter, None, None, []).headers)
    assert list(headers) == found["required"]
    for name, value in headers.items():
        assert value is not None
        rule: dict[str, Any] = found["properties"][name]
        assert re.search(rule.get("pattern", ""), value.decode())
        assert value.decode() in rule.get("enum", [value.decode()])
    assert set(found["properties"]["dlq.errors.reason"]["enum"]) == set(Reason)


def test_references_can_be_followed() -> None:
    found = build_schema(Contract.RECOMMENDATION)
    for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(found)):
        assert name in found["$defs"]


def test_one_contract_is_printed_alone_and_all_by_name() -> None:
    one = runner.invoke(app, ["catalogue"])
    assert json.loads(one.stdout) == build_schema(Contract.CATALOGUE)
    every = runner.invoke(app, ["--json"])
    assert list(json.loads(every.stdout.splitlines()[-1])) == [contract.value for contract in Contract]


def test_the_files_are_written_where_asked(tmp_path: Path) -> None:
    assert runner.invoke(app, ["--write", str(tmp_path)]).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {schema_file_name(contract) for contract in Contract}
    assert runner.invoke(app, ["--write", str(tmp_path / "none")]).exit_code == 2
