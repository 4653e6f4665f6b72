import asyncio
import os
from collections.abc import Iterator

import pytest

from stream.embedded import EmbeddedBroker
from stream.settings import ENVIRONMENT_PREFIX, KafkaSettings, Settings
from tests.unit.stream.sample_shop import SampleShop, make_sample_shop


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the shell it was started from."""
    for variable in list(os.environ):
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(variable)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of a broker in this process that has the topics; commands find it, too."""
    with EmbeddedBroker() as embedded:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers))
        embedded.create_topics(settings.topics)
        monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", embedded.bootstrap_servers)
        yield settings


@pytest.fixture(scope="session")
def sample_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleShop]:
    """The shipped sample at rest; to be read only. ``fork()`` gives a copy to go on with."""
    with asyncio.Runner() as runner:
        shop = make_sample_shop(tmp_path_factory.mktemp("sample"), runner)
        yield shop
        shop.close()
