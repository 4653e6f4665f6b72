from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from encoders.model_folder import packaged_model
from tests.conftest import not_tested


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two test runs on one machine otherwise wait for each other's spinning threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def minilm_folder(pytestconfig: pytest.Config) -> Path:
    """The folder of the installed model package."""
    folder = packaged_model()
    if folder is None:
        not_tested(pytestconfig, "THE TEXT MODEL WAS NOT TESTED: pip install 'interestream[model]'")
    return folder
