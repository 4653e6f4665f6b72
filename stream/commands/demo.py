"""``interestream demo``: the first minute."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from encoders.base import EncoderError
from encoders.settings import TextEncoderName
from stream.commands.console import ExitCode, fail, print_json, read_settings
from stream.demo.errors import DemoError
from stream.demo.picture import Picture
from stream.demo.screen import open_screen
from stream.event_files import EventFileError
from stream.ranker_file import RankerFileError

if TYPE_CHECKING:
    from stream.demo.figures import Figures

_NEXT = """
What next:

  interestream up
      starts a real Kafka and a real Neo4j on this machine (Java 17 and Maven, no Docker)
      and prints their addresses; then run `interestream worker`

  interestream validate YOUR-EVENTS.jsonl
      says what of your tracker's events would be refused, and why; then point the tracker
      at the Kafka topic shop.interactions.v1, any key: Segment or RudderStack `track`
      calls, or the JSON of `interestream schema`

  interestream show user USER
      shows a user's interests, and lists with their reasons; the whole graph can be looked
      at in Neo4j Browser, whose address `up` prints
"""


def demo(
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many events; all by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which purchases a made-up view comes before.")] = 0,
    speed: Annotated[float, typer.Option(min=0.01, help="Replay so many times as fast.")] = 1.0,
    text: Annotated[
        TextEncoderName | None,
        typer.Option(help="How titles become vectors; by default the sentence model, if it is installed."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replay a real shop's events through the whole path, in this process, and watch one shopper's lists change.

    Needs no server, no account and no network: the broker is embedded, the graph is kept in memory, and both are gone
    afterwards. The events are three months of purchases and returns of a gift shop (UCI Online Retail, CC BY 4.0);
    views are made up, and marked. Takes about a minute on two cores. Of your settings, graph.* and encoder.device
    apply. Ctrl-C stops it.

    It checks itself: every event that was sent must be in the graph, once. Latencies run from the timestamp of an
    event's record to the arrival, at a subscriber, of the first list that knows of it; on a slow machine the replay
    slows down rather than let a queue grow.

    Exit codes: 0 every event arrived; 1 some did not, or it was stopped early; 2 a setting or a model cannot be used.
    """
    begun_at = time.monotonic()
    settings = read_settings()
    try:
        with open_screen(Console(stderr=True)) as screen:
            screen.show(Picture("loading the encoders"))
            from stream.demo.run import Options, run_demo  # torch takes seconds: first show something

            figures = run_demo(Options(events, seed, speed, text), settings, screen, begun_at)
    except (EncoderError, EventFileError, RankerFileError) as error:
        fail(str(error), ExitCode.USAGE)
    except DemoError as error:
        fail(str(error), ExitCode.FAILED)
    if as_json:
        print_json(figures)
    else:
        typer.echo(_summary(figures))
        typer.echo(_NEXT)
    if figures.missing:
        fail(f"{figures.missing:,} of {figures.events:,} events are not in the graph", ExitCode.FAILED)


def _summary(figures: "Figures") -> str:
    age = figures.latency_seconds
    twice = f"{figures.duplicates:,} came twice" if figures.duplicates else "none came twice"
    return "\n".join(
        (
            f"{figures.applied:,} of {figures.events:,} events are in the graph, {twice}.",
            f"{figures.users:,} shoppers have lists, published {figures.lists:,} times; {figures.items:,} items in "
            f"{figures.categories:,} categories.",
            f"From an event's record to its list at the subscriber: p50 {age['p50']:.2f} s, p95 {age['p95']:.2f} s, "
            f"p99 {age['p99']:.2f} s.",
            f"The replay took {figures.seconds:.0f} s, all {figures.total_seconds:.0f} s, with {figures.encoder}.",
        )
    )
