"""``interestream validate``: what a worker would say of a file of events, without a worker and without sending."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stream.catalogue import Removal, decode_row
from stream.commands.console import ExitCode, fail, print_json, progress_bar, read_settings
from stream.event_files import (
    EventFileError,
    NumberedMessage,
    count_hint,
    read_numbered_catalogue,
    read_numbered_messages,
)
from stream.mistaken_files import refuse_rows
from stream.settings import TrackerSettings
from stream.trackers import EXPLANATIONS, Rejected, decode

_MAX_NAMES = 50
_OTHER_NAMES = "(others)"


class Refusal(msgspec.Struct, frozen=True):
    """One refused message, with what its producer can do about it."""

    line: int
    reason: str
    field: str
    message: str
    mend: str


class Report(msgspec.Struct):
    """What became of the messages: ``accepted`` per kind (or rows), ``ignored`` per name, ``refused`` per reason."""

    messages: int = 0
    dialects: Counter[str] = msgspec.field(default_factory=Counter)
    accepted: Counter[str] = msgspec.field(default_factory=Counter)
    ignored: Counter[str] = msgspec.field(default_factory=Counter)
    filtered: int = 0
    late: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    examples: list[Refusal] = msgspec.field(default_factory=list)

    def count_ignored(self, name: str) -> None:
        """Count an ignored name; a file of a million names is not a million counters."""
        known = name in self.ignored or len(self.ignored) < _MAX_NAMES
        self.ignored[name if known else _OTHER_NAMES] += 1

    def count_refused(self, line: int, rejected: Rejected, max_examples: int) -> None:
        """Count a refusal and keep it if it is among the first of its reason."""
        self.refused[rejected.reason.value] += 1
        if self.refused[rejected.reason.value] <= max_examples:
            mend = EXPLANATIONS[rejected.reason].mend
            self.examples.append(Refusal(line, rejected.reason.value, rejected.field, rejected.message, mend))


def check_events(
    messages: Iterable[NumberedMessage],
    settings: TrackerSettings,
    now: int,
    max_examples: int,
    step: Callable[[], None],
) -> Report:
    """Decode every message as if its record were written ``now`` (ms); ``step`` is called for each."""
    report = Report()
    for line, _, value in messages:
        report.messages += 1
        step()
        try:
            decoded = decode(value, record_at=now, now=now, settings=settings)
        except Rejected as rejected:
            report.count_refused(line, rejected, max_examples)
            continue
        report.dialects[decoded.dialect] += 1
        report.accepted.update(interaction.kind.value for interaction in decoded.interactions)
        report.filtered += decoded.filtered
        report.late += decoded.late
        if decoded.ignored:
            report.count_ignored(decoded.ignored_name)
    return report


def check_catalogue(
    messages: Iterable[NumberedMessage], settings: TrackerSettings, max_examples: int, step: Callable[[], None]
) -> Report:
    """Decode every catalogue row; ``step`` is called for each."""
    report = Report()
    for line, key, value in messages:
        report.messages += 1
        step()
        try:
            row = decode_row(key, value, settings)
        except Rejected as rejected:
            report.count_refused(line, rejected, max_examples)
            continue
        report.accepted["removals" if isinstance(row, Removal) else "rows"] += 1
    return report


def validate(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .ndjson or .csv file, also with .gz behind it.")],
    catalogue: Annotated[bool, typer.Option("--catalogue", help="The file holds catalogue rows.")] = False,
    examples: Annotated[int, typer.Option(min=0, help="Show the first so many refusals of each reason.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a file of events without sending anything: what would be applied, ignored, refused, and why.

    Uses the settings of the environment, such as INTERESTREAM_TRACKERS__CATEGORY_SEPARATOR. Exits with 1 when a
    message would be refused, with 2 when the file cannot be read.

    Example: interestream validate events.jsonl
    """
    settings = read_settings().trackers
    try:
        with progress_bar(f"checking {file.name}", count_hint(file)) as step:
            if catalogue:
                report = check_catalogue(read_numbered_catalogue(file), settings, examples, step)
            else:
                now = time.time_ns() // 1_000_000
                messages = refuse_rows(file, read_numbered_messages(file))
                report = check_events(messages, settings, now, examples, step)
    except EventFileError as error:
        fail(str(error), ExitCode.USAGE)
    if as_json:
        print_json({"file": str(file), "ok": not report.refused, **msgspec.structs.asdict(report)})
    else:
        typer.echo(_text(file, report))
    if report.refused:
        raise typer.Exit(ExitCode.FAILED)


def _text(file: Path, report: Report) -> str:
    lines = [f"{file}: {report.messages:,} messages"]
    lines += [f"  {count:>9,}  {name}" for name, count in report.accepted.most_common()]
    lines += [f"  {count:>9,}  ignored: {name!r}" for name, count in report.ignored.most_common()]
    lines += [f"  {report.filtered:>9,}  filtered: without consent"] if report.filtered else []
    lines += [f"  {report.late:>9,}  late"] if report.late else []
    for reason, count in report.refused.most_common():
        lines.append(f"  {count:>9,}  refused: {reason}")
        for example in report.examples:
            if example.reason == reason:
                field = f"{example.field}: " if example.field else ""
                lines.append(f"             line {example.line}: {field}{example.message}; {example.mend}")
    return "\n".join(lines)
