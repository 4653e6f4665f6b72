"""Days and times as people type them."""

from datetime import UTC, datetime

from stream.commands.console import ExitCode, fail


def read_day(option: str, text: str) -> int:
    """Return milliseconds; without a zone it is UTC. Exits with 2, naming the option, when it is no day."""
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is no day such as 2011-10-01", ExitCode.USAGE)
    return round((day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp() * 1000)
