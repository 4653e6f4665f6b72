"""``interestream config``: the settings in force, with where each can be set."""

from typing import Annotated

import typer

from stream.commands.console import ExitCode, fail, print_json, read_settings
from stream.settings_reference import Key, Section, describe_settings, reference_page, toml_file, toml_value


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: key -> value, variable, ...")] = False,
    as_toml: Annotated[bool, typer.Option("--toml", help="Print a file to start from.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/configuration.md: every setting with its default.")
    ] = False,
) -> None:
    """Print every setting in force: its value (secrets masked), its environment variable, what it is for.

    A value that is not the default is marked with a star. Settings come from INTERESTREAM_* variables and from the
    TOML file that INTERESTREAM_CONFIG_FILE names; the environment wins.

    Exit codes: 0 printed; 2 a key is unknown or its value wrong.

    Example: interestream config --toml > interestream.toml
    """
    if as_json + as_toml + markdown > 1:
        fail("choose one of --json, --toml and --markdown", ExitCode.USAGE)
    sections = describe_settings(read_settings())
    if as_json:
        print_json({key.path: _as_json(key) for section in sections for key in section.keys})
    elif as_toml:
        typer.echo(toml_file(sections), nl=False)
    elif markdown:
        typer.echo(reference_page(sections), nl=False)
    else:
        typer.echo(_text(sections))


def _as_json(key: Key) -> dict[str, object]:
    return {
        "value": key.value,
        "default": key.default,
        "variable": key.variable,
        "allowed": key.limits.replace("`", ""),
        "description": key.description,
        "secret": key.secret,
    }


def _text(sections: list[Section]) -> str:
    lines: list[str] = []
    for section in sections:
        title = f"[{section.path}]" if section.path else "at the root"
        lines += ["", f"{typer.style(title, bold=True)} {section.description if section.path else ''}".rstrip()]
        for key in section.keys:
            changed = key.value != key.default
            value = "unset" if key.value is None else toml_value(key.value)
            lines.append(f"{'*' if changed else ' '} {key.name} = {typer.style(value, bold=changed)}")
            lines.append(typer.style(f"    {key.description} ({key.limits})".replace("`", ""), dim=True))
            lines.append(typer.style(f"    {key.variable}", dim=True))
    return "\n".join(lines[1:])
