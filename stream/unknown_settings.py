"""What to say of a key that is no setting: as the user wrote it, with the one that was probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pydantic import BaseModel

_LISTED = "`interestream config` lists them"


def unknown_key(path: Sequence[str], tree: type[BaseModel], prefix: str, variables: Iterable[str]) -> str:
    """Return the message for ``path``, whose last part is no key of the section of ``tree`` that the others lead to.

    It is named as its variable where one of ``variables`` begins so, else as a key of the file.
    """
    name = prefix + "__".join(path).upper()
    section = _section(tree, path[:-1])
    meant = _nearest(path[-1], section)
    for variable in variables:
        if variable.upper() == name or variable.upper().startswith(f"{name}__"):
            rest = variable[len(name) :] if meant and _section(tree, [*path[:-1], meant]) else ""
            return _sentence(variable, prefix + "__".join([*path[:-1], meant]).upper() + rest if meant else "")
    return _sentence(".".join(path), ".".join([*path[:-1], meant]) if meant else "")


def _section(tree: type[BaseModel], path: Sequence[str]) -> type[BaseModel] | None:
    """Return the section at ``path``; None where there is a single setting."""
    for name in path:
        found = tree.model_fields[name].annotation
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return None
        tree = found
    return tree


def _nearest(key: str, section: type[BaseModel] | None) -> str:
    known = section.model_fields if section else {}
    return next(iter(get_close_matches(key.lower(), known, 1)), "")


def _sentence(written: str, meant: str) -> str:
    return f"{written} is not a setting; {f'did you mean {meant}? ' if meant else ''}{_LISTED}"
