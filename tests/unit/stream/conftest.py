import os

import pytest

from stream.settings import ENVIRONMENT_PREFIX


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the shell it was started from."""
    for variable in list(os.environ):
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(variable)
