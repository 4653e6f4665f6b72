"""``interestream replay``: a file, or the dead letters, into the topics that the workers read."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from confluent_kafka import Message

from stream.catalogue import decode_row
from stream.commands.broker import broker_needed, read_secure_settings
from stream.commands.console import ExitCode, fail, print_json, progress_bar
from stream.deadletter import NotADeadLetter, is_complete, original_headers, parse_dead_letter
from stream.deadletter_reader import read_to_current_end
from stream.event_files import (
    EventFileError,
    NumberedMessage,
    count_hint,
    read_numbered_catalogue,
    read_numbered_messages,
)
from stream.mistaken_files import refuse_events, refuse_rows
from stream.sender import Figures, Sending, check_topics, make_producer, send_all
from stream.settings import Settings
from stream.trackers import Reason, Rejected, Stage, decode

_DAY_MS = 86_400_000


def parse_rate(text: str) -> float:
    """Read "500" or "500/s" as messages per second.

    Raises typer.BadParameter.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/s)?", text.strip())
    if not match or float(match[1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a rate; write 500/s")
    return float(match[1])


class Skipped(msgspec.Struct):
    """Dead letters that were not sent, by cause; those ``still_refused`` also by the reason of today."""

    causes: Counter[str] = msgspec.field(default_factory=Counter)
    still_refused: Counter[str] = msgspec.field(default_factory=Counter)


def letters_to_send(
    records: Iterable[Message],
    settings: Settings,
    stage: str | None,
    reason: str | None,
    refused: Callable[[str, bytes | None, bytes | None], Reason | None],
    skipped: Skipped,
) -> Iterator[Sending]:
    """Turn dead letters back into the messages they were, for the topics they came from.

    Only the topics that workers read are written to, whatever a header says. ``refused`` (topic, key, value) says why
    a message is to stay; ``skipped`` counts what is not sent.
    """
    targets = {settings.topics.interactions, settings.topics.catalogue}
    for record in records:
        headers = record.headers() or []
        try:
            letter = parse_dead_letter(headers)
        except NotADeadLetter:
            skipped.causes["not_a_dead_letter"] += 1
            continue
        key, value = record.key(), record.value()
        if stage not in (None, letter.stage) or reason not in (None, letter.reason):
            skipped.causes["not_selected"] += 1
        elif letter.topic not in targets:
            skipped.causes["unknown_topic"] += 1
        elif not is_complete(headers) or (letter.stage == Stage.APPLY and value is None):
            skipped.causes["incomplete"] += 1  # what was decoded had a value: the broker no longer had it
        elif (why := refused(letter.topic, key, value)) is not None:
            skipped.causes["still_refused"] += 1
            skipped.still_refused[why.value] += 1
        else:
            yield Sending(letter.topic, key, value, original_headers(headers))


def replay(
    file: Annotated[
        Path | None, typer.Argument(help="A .jsonl, .ndjson or .csv file, also with .gz behind it.")
    ] = None,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="The file holds catalogue rows.")] = False,
    rate: Annotated[
        float | None, typer.Option(parser=parse_rate, metavar="N/s", help="Messages per second, such as 500/s.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
    shift_days: Annotated[
        float, typer.Option(help="Add days to the times in a CSV whose clock only tells an order.")
    ] = 0.0,
    from_dlq: Annotated[bool, typer.Option("--from-dlq", help="Send the dead letters again.")] = False,
    stage: Annotated[
        Stage | None, typer.Option(metavar="CODE", help="With --from-dlq: only this stage, such as decode.")
    ] = None,
    reason: Annotated[
        Reason | None, typer.Option(metavar="CODE", help="With --from-dlq: only this reason, such as too_long.")
    ] = None,
    mended: Annotated[
        bool, typer.Option("--mended", help="With --from-dlq: only what today's rules and settings accept.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Feed a file of events (or catalogue rows, or the dead letters) to the workers.

    Sending a file twice is harmless: an event counts once per `event_id`. Dead letters are read to where their topic
    ends now and go back, byte for byte, to the topic they came from.

    Exits with 1 when a message was too large or a topic is missing, 2 on a wrong option or file, 3 when the broker
    does not answer or a delivery failed, 130 when interrupted (Ctrl-C), then with how many were delivered.

    Example: interestream replay events.csv.gz --rate 500/s
    """
    settings = read_secure_settings()
    selecting = [name for name, given in (("--stage", stage), ("--reason", reason), ("--mended", mended)) if given]
    if selecting and not from_dlq:
        fail(f"{' and '.join(selecting)} need{'' if selecting[1:] else 's'} --from-dlq", ExitCode.USAGE)
    if from_dlq == (file is not None):
        fail("name a file, or --from-dlq, and not both", ExitCode.USAGE)
    topics, skipped = settings.topics, Skipped()
    try:
        with broker_needed():
            producer = make_producer(settings)
            if file is None:
                source, total = topics.dead_letters, limit
                check_topics(producer, [topics.dead_letters, topics.interactions, topics.catalogue], _servers(settings))
                records = read_to_current_end(settings, topics.dead_letters)
                refused = _refused_today(settings) if mended else _never
                messages = letters_to_send(records, settings, stage, reason, refused, skipped)
            else:
                source, total = str(file), min(count_hint(file), limit or count_hint(file))
                topic = topics.catalogue if catalogue else topics.interactions
                check_topics(producer, [topic], _servers(settings))
                messages = (Sending(topic, key, value) for _, key, value in _read(file, catalogue, shift_days))
            with progress_bar(f"replaying {source}", total) as step:
                figures = send_all(producer, islice(messages, limit), rate, step)
    except EventFileError as error:
        fail(str(error), ExitCode.USAGE)
    _tell(source, figures, skipped, as_json)
    if figures.interrupted:
        of = f" of about {total:,}" if file is not None else ""
        again = "sending the file again" if file is not None else "sending the dead letters again"
        noun = "message" if not of and figures.delivered == 1 else "messages"
        typer.echo(f"stopped: {figures.delivered:,}{of} {noun} delivered; {again} is harmless", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED)
    if figures.failed:
        fail(f"{figures.failed:,} not delivered: {figures.error}", ExitCode.AWAY)
    if figures.too_large:
        raise typer.Exit(ExitCode.FAILED)


def _read(file: Path, catalogue: bool, shift_days: float) -> Iterator[NumberedMessage]:
    if catalogue:
        return refuse_events(file, read_numbered_catalogue(file))
    return refuse_rows(file, read_numbered_messages(file, shift_ms=round(shift_days * _DAY_MS)))


def _tell(source: str, figures: Figures, skipped: Skipped, as_json: bool) -> None:
    per_second = round(figures.delivered / figures.seconds, 1) if figures.seconds else 0.0
    if as_json:
        figures_of = {**msgspec.structs.asdict(figures), "per_second": per_second}
        print_json({"source": source, **figures_of, "skipped": skipped.causes, "still_refused": skipped.still_refused})
    else:
        typer.echo(f"{source}: {figures.delivered:,} delivered in {figures.seconds:.1f} s ({per_second:,.0f}/s)")
        for cause, count in skipped.causes.most_common():
            reasons = ", ".join(f"{reason} {of:,}" for reason, of in skipped.still_refused.most_common())
            why = f": {reasons}" if cause == "still_refused" else ""
            typer.echo(f"  {count:,} skipped: {cause}{why}")
        if figures.too_large:
            typer.echo(f"  {figures.too_large:,} not sent: larger than the topic allows")


def _servers(settings: Settings) -> str:
    return settings.kafka.bootstrap_servers


def _never(topic: str, key: bytes | None, value: bytes | None) -> None:
    return None


def _refused_today(settings: Settings) -> Callable[[str, bytes | None, bytes | None], Reason | None]:
    def refused(topic: str, key: bytes | None, value: bytes | None) -> Reason | None:
        now = time.time_ns() // 1_000_000
        try:
            if topic == settings.topics.catalogue:
                decode_row(key, value, settings.trackers)
            else:
                decode(value, record_at=now, now=now, settings=settings.trackers)
        except Rejected as rejected:
            return rejected.reason
        return None

    return refused
