"""``interestream check``: whether the graph and the lists are what the log says."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from graph.store import Refused
from stream.bundles import NewerFormat
from stream.checking.check import Options
from stream.checking.check import check as run_check
from stream.checking.kafka_topics import KafkaTopics
from stream.checking.report import Report, render
from stream.commands.console import ExitCode, fail, print_json, progress_bar
from stream.commands.servers import connected_store, read_server_settings, run_with_servers
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.checking.lists import ListCheck

_ROWS = 20


def check(
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for everything that came to be applied.")
    ] = 60.0,
    lists: Annotated[
        bool,
        typer.Option(
            "--lists",
            help="Rank every user and the popular lists anew too: at rest, after `interestream refresh --all`.",
        ),
    ] = False,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Compare so many older lists with the prefix that they name.")
    ] = 200,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Name at most so many differences of each invariant; count all.")
    ] = 100,
    accept_unappliable: Annotated[
        bool,
        typer.Option("--accept-unappliable", help="Messages isolated as unappliable are known, and no difference."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with all that is named.")] = False,
) -> None:
    """Compare the graph, the lists, the dead letters and the ledgers with a recomputation from the log.

    Reads the topics from their start and the whole graph, changes nothing, and trusts no counter of a worker: each
    source record must have come to one thing, each user, interest, association, item and list must be what the log
    gives, to nine digits. What the broker no longer has is named, and what cannot be judged is counted apart. Workers
    may go on; what they apply meanwhile is not judged.

    Exit codes: 0 nothing found; 1 differences; 2 an option or setting cannot be used; 3 Neo4j or Kafka is away.

    Example: interestream check --lists
    """
    settings = read_server_settings()
    options = Options(patience_seconds=patience, sample=sample, limit=limit, accept_unappliable=accept_unappliable)
    report = run_with_servers(_check(settings, options, lists))
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


async def _check(settings: Settings, options: Options, lists: bool) -> Report:
    async with connected_store(settings) as store:
        topics = KafkaTopics(settings)
        try:
            if not lists:
                return await run_check(settings, store, topics, options, progress_bar, _say)
            ranking = _ranking(settings)
            try:
                return await run_check(settings, store, topics, options, progress_bar, _say, ranking)
            finally:
                await ranking.close()
        except NewerFormat as error:
            raise Refused(str(error)) from None
        finally:
            topics.close()


def _ranking(settings: Settings) -> "ListCheck":
    from encoders.base import EncoderError
    from stream.checking.lists import ListCheck  # brings torch with it, which nothing else here needs
    from stream.encoding import load_encoders
    from stream.ranker_file import RankerFileError

    try:
        return ListCheck(settings, load_encoders(settings.encoder))
    except (EncoderError, RankerFileError) as error:
        fail(str(error), ExitCode.USAGE)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _print(report: Report) -> None:
    console = Console()
    console.print(render(report, _ROWS), soft_wrap=not console.is_terminal)
    count = report.differences
    outcome = "nothing found" if report.ok else f"{count:,} difference{'' if count == 1 else 's'}"
    console.print(
        f"{outcome}: {report.source.records:,} source records, {report.users:,} users, {report.seconds:.1f} s"
    )
