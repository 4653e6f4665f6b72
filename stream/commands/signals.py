"""``interestream signals``: give the warnings that have become due since the last time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated

import typer
from confluent_kafka import Producer

from stream.commands.console import ExitCode, fail, print_json, progress_bar
from stream.commands.servers import connected_store, read_server_settings, run_with_servers
from stream.lapse_run import LapseFigures, LapseRun
from stream.publisher import Outgoing
from stream.recommendations import rfc3339
from stream.sender import Sending, ServerAway, check_topics, make_producer, send_all
from stream.settings import Settings


def signals(
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Up to this time (RFC 3339, with a zone) instead of now.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Warn of users who are about to leave, and of interests they have lost: once for each silence.

    Looks at every user of the graph and publishes what became due since the last run, on shop.signals.v1. Run it from
    a scheduler, every hour or every night: when a silence became a warning does not depend on when you look. The first
    run looks back a week. While workers are far behind the stream, users look silent who are not: run it when the lag
    is small. News of new items and of prices need no command: the workers send them. See docs/signals.md.

    Exit codes: 0 done; 1 a topic is missing; 2 an option or setting cannot be used, or another run took over; 3 Neo4j
    or Kafka is away. What an interrupted run had decided but not sent, the next one sends.

    Example: interestream signals --json
    """
    settings = read_server_settings()
    figures = run_with_servers(_signals(settings, _milliseconds(until)))
    if as_json:
        print_json(figures)
    else:
        typer.echo(
            f"{figures.churn:,} churn warnings and {figures.interest_loss:,} lost interests between "
            f"{rfc3339(figures.since)} and {rfc3339(figures.until)}, of {figures.users:,} users"
        )


def _milliseconds(until: str | None) -> int:
    if until is None:
        return time.time_ns() // 1_000_000
    try:
        at = datetime.fromisoformat(until)
    except ValueError:
        fail(f"--until {until} is not a time; write it like 2026-03-02T10:00:00Z", ExitCode.USAGE)
    if at.tzinfo is None:
        fail(f"--until {until} has no zone; write it like 2026-03-02T10:00:00Z", ExitCode.USAGE)
    return round(at.timestamp() * 1000)


async def _signals(settings: Settings, until: int) -> LapseFigures:
    async with connected_store(settings) as store:
        publisher = _Sender(settings)
        await asyncio.to_thread(publisher.check, [settings.topics.signals])
        with progress_bar("users", None) as step:
            return await LapseRun(store, publisher, settings).run(until, step)


class _Sender:
    """Publishes with the producer that commands use."""

    def __init__(self, settings: Settings) -> None:
        self._producer: Producer = make_producer(settings)
        self._servers = settings.kafka.bootstrap_servers

    def check(self, topics: Sequence[str]) -> None:
        check_topics(self._producer, topics, self._servers)

    async def publish(self, messages: Sequence[Outgoing], again: Callable[[], Awaitable[None]] | None = None) -> None:
        """Deliver every message, if ``again`` says that we may. Raises ServerAway, and what ``again`` raises."""
        if again is not None:
            await again()
        await asyncio.to_thread(self._deliver, messages, lambda: None)

    def _deliver(self, messages: Sequence[Outgoing], step: Callable[[], None]) -> None:
        figures = send_all(self._producer, (Sending(m.topic, m.key, m.value) for m in messages), None, step)
        if figures.failed:
            raise ServerAway(f"the broker at {self._servers} took no signal: {figures.error}")
