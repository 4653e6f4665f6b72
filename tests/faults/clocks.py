"""Workers whose clock is wrong."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "wrong_clock"


def skewed(seconds: int) -> dict[str, str]:
    """Return the variables that make a Python process's wall clock wrong by ``seconds``."""
    if not seconds:
        return {}
    path = os.pathsep.join(filter(None, [str(_FOLDER), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path, "WRONG_CLOCK_SECONDS": f"{seconds}"}
