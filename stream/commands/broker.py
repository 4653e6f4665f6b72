"""What commands that talk to Kafka do alike: load settings that may be used, say that a broker or topic is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from stream.commands.console import ExitCode, fail, read_settings
from stream.sender import ServerAway, TopicMissing
from stream.settings import Settings, SettingsError, check_security


def read_secure_settings() -> Settings:
    """Load the settings, or end with what is wrong with them, or insecure in them."""
    settings = read_settings()
    try:
        check_security(settings)
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)
    return settings


@contextmanager
def broker_needed() -> Iterator[None]:
    """End with what to do when the broker is away or has no such topic."""
    try:
        yield
    except ServerAway as error:
        fail(f"{error}; start it, or set INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", ExitCode.AWAY)
    except TopicMissing as error:
        fail(f"{error}; create it with `interestream topics apply`", ExitCode.FAILED)
