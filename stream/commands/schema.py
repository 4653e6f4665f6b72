"""``interestream schema``: the contracts with the outside, as JSON Schema and as one AsyncAPI document."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stream.asyncapi import ASYNCAPI_FILE, asyncapi_text, build_asyncapi
from stream.commands.console import ExitCode, fail, print_json, read_settings
from stream.contracts import Contract, build_schema, schema_file_name, schema_text


def schema(
    contract: Annotated[Contract | None, typer.Argument(help="Which one; all of them when left out.")] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="All of them and their topics, by your settings, as AsyncAPI 3.0.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="DIR", help="Write one file per contract into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print on one line.")] = False,
) -> None:
    """Print the contracts as JSON Schema: what to send, and what to expect.

    Exit codes: 0 printed or written; 2 an option, a setting or the folder cannot be used.

    Example: interestream schema interaction > interaction.schema.json
    """
    if asyncapi and contract:
        fail("--asyncapi describes every contract: leave out the name of one", ExitCode.USAGE)
    if write and not write.is_dir():
        fail(f"{write} is not a folder; create it first", ExitCode.USAGE)
    if asyncapi:
        settings = read_settings()
        files = {ASYNCAPI_FILE: asyncapi_text(settings.kafka, settings.topics)}
        printed = build_asyncapi(settings.kafka, settings.topics)
    else:
        contracts = [contract] if contract else list(Contract)
        files = {schema_file_name(each): schema_text(each) for each in contracts}
        schemas = {each.value: build_schema(each) for each in contracts}
        printed = schemas[contract.value] if contract else schemas
    if write:
        for name, text in files.items():
            (write / name).write_text(text, encoding="utf-8")
    if as_json:
        print_json(printed)
    elif not write:
        typer.echo(json.dumps(printed, indent=2, ensure_ascii=False))
