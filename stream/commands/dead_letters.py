"""``interestream dead-letters``: what was refused, why, and where it came from."""

from typing import Annotated

import typer

from stream.commands.broker import broker_needed, read_secure_settings
from stream.commands.console import print_json, progress_bar
from stream.deadletter_reader import read_to_current_end
from stream.deadletter_summary import ShownLetter, Summary, summarise
from stream.logs import printable
from stream.sender import check_topics, make_producer
from stream.trackers import Reason, Stage


def dead_letters(
    stage: Annotated[Stage | None, typer.Option(metavar="CODE", help="Only this stage, such as decode.")] = None,
    reason: Annotated[Reason | None, typer.Option(metavar="CODE", help="Only this reason, such as too_long.")] = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Show the latest so many; count all.")] = 10,
    values: Annotated[
        bool, typer.Option("--values", help="Show the messages' first characters too: they may name people.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count the dead letters by reason, stage and field, and show the latest.

    Reads their topic to where it ends now, changes nothing, and leaves no trace. A letter may be there twice after a
    crash, and is there again when a message that was sent again was refused again. What a message says is shown with
    --values only: not even a pseudonym key hides the ids in it. `interestream replay --from-dlq` sends them again.

    Exit codes: 0 shown, or there are none; 1 the topic is missing; 2 an option or setting cannot be used; 3 Kafka is
    away.

    Example: interestream dead-letters --reason missing_field --limit 3
    """
    settings = read_secure_settings()
    topic = settings.topics.dead_letters
    with broker_needed():
        check_topics(make_producer(settings), [topic], settings.kafka.bootstrap_servers)
        with progress_bar("dead letters", None) as step:
            records = read_to_current_end(settings, topic)
            summary = summarise(records, topic, stage, reason, limit, values=values, step=step)
    if as_json:
        print_json(summary)
    else:
        typer.echo(_text(summary))


def _text(summary: Summary) -> str:
    number = "no" if not summary.letters else f"{summary.letters:,}"
    lines = [f"{summary.topic}: {number} dead letter{'' if summary.letters == 1 else 's'}"]
    lines[0] += f" selected, {summary.not_selected:,} not" if summary.not_selected else ""
    for kind in summary.counts:
        field = f": {printable(kind.field)}" if kind.field else ""
        lines.append(f"  {kind.letters:>9,}  {printable(kind.reason)} ({printable(kind.stage)}){field}")
    if summary.not_a_dead_letter:
        lines.append(f"  {summary.not_a_dead_letter:>9,}  not ours: without the headers of a dead letter")
    if summary.latest:
        lines.append("latest first:" if len(summary.latest) == summary.letters else f"latest {len(summary.latest):,}:")
    for letter in summary.latest:
        lines += _letter(letter)
    return "\n".join(lines)


def _letter(letter: ShownLetter) -> list[str]:
    place = printable(f"{letter.topic}/{letter.partition}@{letter.offset}")
    field = f"{letter.field}: " if letter.field else ""
    mend = f"; {letter.mend}" if letter.mend else ""
    lines = [
        f"  {letter.at}  {printable(letter.reason)}  {place}",
        f"             {printable(field + letter.message)}{mend}",
    ]
    if isinstance(letter.value, str):
        lines.append(f"             {printable(letter.value)}")
    elif letter.value is None:
        lines.append("             (no value)")
    return lines
