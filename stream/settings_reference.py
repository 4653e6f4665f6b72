"""The settings tree as a list of keys: what each is for, its limits, its variable, its value with secrets masked.

Everything is derived from the tree itself: what ``interestream config`` prints and what docs/configuration.md says.
"""

import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr

from stream.settings import ENVIRONMENT_PREFIX, Settings

MASK = "********"
Plain = str | int | float | bool | None
"""A value as JSON and TOML know it."""

_CREDENTIALS = re.compile(r"//[^/@\s]*@")


class Key(NamedTuple):
    """One setting. ``path`` is ``kafka.bootstrap_servers``; ``limits`` are in words; secrets are masked everywhere."""

    path: str
    variable: str
    limits: str
    description: str
    default: Plain
    value: Plain
    secret: bool

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


class Section(NamedTuple):
    """One table of the tree; ``path`` is empty for the keys at its root."""

    path: str
    description: str
    keys: tuple[Key, ...]


def describe_settings(settings: Settings) -> list[Section]:
    """Return the tree in force, section by section, in the order of its definition."""
    schema = Settings.model_json_schema()
    return list(_sections("", schema, schema.get("$defs", {}), settings, Settings.model_construct()))


def reference_page(sections: list[Section]) -> str:
    """Return docs/configuration.md: keys, variables, defaults and limits; says nothing of the values in force."""
    lines = [_PREFACE]
    for section in sections:
        lines.append(f"## {section.path}\n\n{section.description}\n" if section.path else "## At the root\n")
        lines.append("| key | default | allowed | meaning |\n|---|---|---|---|")
        for key in section.keys:
            default = "unset" if key.default is None else f"`{toml_value(key.default)}`"
            cells = (f"`{key.path}`<br>`{key.variable}`", default, key.limits, key.description)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def toml_file(sections: list[Section]) -> str:
    """Return the tree in force as a configuration file. What is unset, and every secret, is a comment."""
    lines = ["# Settings of Interestream. The environment wins over this file, which INTERESTREAM_CONFIG_FILE names."]
    for section in sections:
        lines += ["", f"# {section.description}", f"[{section.path}]"] if section.path else [""]
        for key in section.keys:
            lines.append(f"# {key.description} ({key.limits}) {key.variable}".replace("`", ""))
            assignment = f"{key.name} = {toml_value('' if key.value is None else key.value)}"
            lines.append(f"# {assignment}" if key.value is None or key.secret else assignment)
    return "\n".join(lines) + "\n"


_PREFACE = f"""\
# Configuration

Generated from the settings tree by `interestream config --markdown`; do not edit.

Settings come from environment variables, and from the TOML file that `INTERESTREAM_CONFIG_FILE` names; the environment
wins. A variable is `{ENVIRONMENT_PREFIX}` and the key in capitals, with two underscores for each dot. An unknown key
is refused by name. `interestream config` prints what is in force (secrets masked), `interestream config --toml` the
same as a file to start from.
"""


def _sections(
    path: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], values: BaseModel, defaults: BaseModel
) -> Iterator[Section]:
    keys: list[Key] = []
    below: list[Iterator[Section]] = []
    for name, field in schema["properties"].items():
        child = f"{path}.{name}" if path else name
        definition = definitions.get(str(field.get("$ref", "")).rpartition("/")[2], {})
        value, default = getattr(values, name), getattr(defaults, name)
        if "properties" in definition:
            below.append(_sections(child, definition, definitions, value, default))
            continue
        limits, secret = _limits({**definition, **field}), _is_secret(field)
        variable = ENVIRONMENT_PREFIX + child.replace(".", "__").upper()
        keys.append(Key(child, variable, limits, field["description"], _plain(default), _plain(value), secret))
    if keys:
        yield Section(path, schema["description"], tuple(keys))
    for sections in below:
        yield from sections


def _plain(value: object) -> Plain:
    """Return a value as JSON knows it; a secret becomes its mask, an empty secret nothing at all."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else None
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return _CREDENTIALS.sub(f"//{MASK}@", value)  # user:password@host in an address
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"a setting of type {type(value).__name__} cannot be printed")


def _is_secret(field: Mapping[str, Any]) -> bool:
    return any(option.get("format") == "password" for option in (field, *field.get("anyOf", ())))


def _limits(field: Mapping[str, Any]) -> str:
    """Put a field's JSON Schema into words."""
    options = [option for option in field.get("anyOf", ()) if option.get("type") != "null"]
    merged = {**field, **options[0]} if options else field
    if "enum" in merged:
        return " or ".join(f"`{name}`" for name in merged["enum"])
    if found := re.fullmatch(r"\^\(([\w|]+)\)\$", merged.get("pattern", "")):
        return " or ".join(f"`{name}`" for name in found[1].split("|"))
    if merged.get("format") in _FORMATS:
        return _FORMATS[merged["format"]]
    words = _TYPES[merged["type"]]
    bounds = [f"{sign} {merged[bound]:g}" for bound, sign in _BOUNDS.items() if bound in merged]
    return f"{words} {' and '.join(bounds)}" if bounds else words


_FORMATS = {"password": "secret text", "path": "path"}
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


def toml_value(value: Plain) -> str:
    """Write a value as TOML does; None as JSON does, for TOML has nothing for it."""
    # JSON's texts, numbers and booleans are also TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
