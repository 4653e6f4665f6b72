"""What a command printed with ``--json``."""

import json
from typing import Any

from typer.testing import Result


def json_of(result: Result) -> dict[str, Any]:
    """Return the object that a command printed last; it must have ended well."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found
