import json
import logging
import sys
from collections.abc import Iterator

import pytest

from graph.store import Refused
from stream.logs import RateLimit, configure_logging
from stream.settings import LogSettings

LIBRARIES = ("faust", "mode", "aiokafka", "neo4j", "transformers", "urllib3")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == "", "standard output belongs to results"
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_one_json_object_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json"))
    logging.getLogger("stream.agents.interest").info("batch", extra={"role": "interest", "offsets": {0: 17}})
    (line,) = lines(capsys)
    assert line["event"] == "batch"
    assert line["level"] == "info"
    assert line["logger"] == "stream.agents.interest"
    assert (line["role"], line["offsets"]) == ("interest", {"0": 17})
    assert str(line["timestamp"]).endswith("Z")


def test_a_message_with_line_breaks_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json"))
    logging.getLogger("stream").warning("refused %s", 'x\n{"event": "forged"}')
    (line,) = lines(capsys)
    assert line["event"] == 'refused x\n{"event": "forged"}'


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json"))
    try:
        raise ValueError("no such offset")
    except ValueError:
        logging.getLogger("stream").exception("crashed")
    (line,) = lines(capsys)
    assert "ValueError: no such offset" in str(line["exception"])


def test_an_explained_error_comes_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json"), explained=(Refused,))
    for error in (Refused("neo4j.password is not set"), ValueError("a defect")):
        logging.getLogger("stream").error("Error: %r", error, exc_info=error)
    explained, defect = lines(capsys)
    assert "neo4j.password is not set" in str(explained["event"])
    assert "exception" not in explained
    assert "ValueError: a defect" in str(defect["exception"])


def test_auto_means_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert not sys.stderr.isatty()
    configure_logging(LogSettings(format="auto"))
    logging.getLogger("stream").info("starting")
    assert lines(capsys)[0]["event"] == "starting"


def test_console_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="console"))
    logging.getLogger("stream").info("starting", extra={"roles": ["intake"]})
    written = capsys.readouterr().err
    assert "starting" in written
    assert "intake" in written
    assert not written.startswith("{")


HOSTILE = "\n2026 CRITICAL forged\x1b[2J\x9b31m\x07\u2028"


@pytest.mark.parametrize("format_", ["json", "console"])
def test_texts_of_strangers_cannot_forge_lines_or_move_the_cursor(
    format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(LogSettings(format=format_))
    logging.getLogger("aiokafka").warning("the broker says %s", HOSTILE)
    for hostile in (HOSTILE, "\x1b[2Jone-word", "\u2028", "\x00"):
        logging.getLogger("stream").warning("halved", extra={"error": hostile})
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 5
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in written.replace("\n", ""))


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_traceback_shows_no_local_variable_and_moves_no_cursor(
    format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(LogSettings(format=format_))
    password = "".join(["hun", "ter2"])
    try:
        raise ValueError(f"{len(password)} characters of {HOSTILE}")
    except ValueError:
        logging.getLogger("stream").exception("crashed")
    written = capsys.readouterr().err
    assert "Traceback" in written
    assert password not in written
    assert "\x1b" not in written
    assert "\x9b" not in written


def test_levels_are_kept_and_libraries_speak_only_of_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(level="debug", format="json"))
    logging.getLogger("stream").debug("ours")
    for name in LIBRARIES:
        logging.getLogger(name).info("noise")
        logging.getLogger(name).warning("trouble of %s", name)
    assert [line["event"] for line in lines(capsys)] == ["ours", *(f"trouble of {name}" for name in LIBRARIES)]
    configure_logging(LogSettings(level="ERROR", format="json"))
    logging.getLogger("neo4j").warning("trouble")
    assert lines(capsys) == []


def test_configuring_twice_doubles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json"))
    configure_logging(LogSettings(format="json"))
    logging.getLogger("stream").info("once")
    assert len(lines(capsys)) == 1


def record(name: str, message: str, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, ("x",), None)


def test_a_repeated_line_of_a_noisy_library_passes_once_per_period(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("stream.logs.time.monotonic", lambda: now)
    limit = RateLimit()
    assert limit.filter(record("aiokafka.conn", "connect to %s failed"))
    assert not limit.filter(record("aiokafka.conn", "connect to %s failed"))
    assert limit.filter(record("aiokafka.conn", "another line about %s"))
    assert limit.filter(record("aiokafka.cluster", "connect to %s failed"))
    now += 60.1
    assert limit.filter(record("aiokafka.conn", "connect to %s failed"))


def test_our_own_lines_are_never_limited() -> None:
    limit = RateLimit()
    assert all(limit.filter(record("stream.ledgered", "store_away")) for _ in range(3))
    assert all(limit.filter(record("aiokafka.conn", "sent %s", logging.DEBUG)) for _ in range(3))
