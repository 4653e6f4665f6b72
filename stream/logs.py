"""Logging: one event per line, JSON for machines, aligned text on a terminal; libraries through the same funnel."""

import logging
import re
import sys
import time
from typing import Any

import structlog

from stream.settings import LogSettings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOISY = dict.fromkeys(("aiokafka", "faust", "mode", "neo4j"), 60.0)
"""Loggers that repeat themselves every few milliseconds while a server is away -> seconds between equal lines."""


class RateLimit(logging.Filter):
    """Lets the same line of a noisy logger through once per period."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        period = _NOISY.get(record.name.partition(".")[0])
        if period is None or record.levelno < logging.WARNING:
            return True
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._last.get(key, -period) < period:
            return False
        self._last[key] = now
        return True


class Untraced(logging.Filter):
    """Takes the traceback from errors whose message says all that an operator needs. Lets every line through."""

    def __init__(self, explained: tuple[type[Exception], ...]) -> None:
        super().__init__()
        self._explained = explained

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True."""
        if record.exc_info and isinstance(record.exc_info[1], self._explained):
            record.exc_info = record.exc_text = None
        return True


def configure_logging(settings: LogSettings, explained: tuple[type[Exception], ...] = ()) -> None:
    """Send every log line to standard error in the configured form. Standard output belongs to results.

    ``explained`` are errors that come without a traceback.
    """
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    # The renderer's own tracebacks would show local variables: passwords, events, users.
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    renderer: Any = structlog.processors.JSONRenderer() if as_json else console
    chain: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _take_extra,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *([] if as_json else [_printable]),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(RateLimit())
    handler.addFilter(Untraced(explained))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("faust", "mode", "aiokafka", "neo4j", "transformers", "urllib3"):
        library = logging.getLogger(name)
        library.setLevel(max(logging.WARNING, root.level))
        library.handlers.clear()  # transformers, once imported, writes past us
        library.propagate = True


def printable(text: str) -> str:
    """Return a text of others with what a terminal would obey escaped: on one line, the cursor where it was."""
    return _CONTROL.sub(_escaped, text)


def _printable(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Escape what a terminal would obey; JSON does so by itself. A traceback keeps its lines."""
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(printable(line) for line in str(value).split("\n"))
        elif isinstance(value, str):
            event[key] = printable(value)
    return event


def _escaped(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


def _take_extra(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
    return event
