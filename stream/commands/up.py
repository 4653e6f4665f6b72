"""``interestream up``: a real Kafka and a real Neo4j on this machine, from their jars."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream.admin import AdminError, apply_topics
from stream.commands.console import ExitCode, fail, print_json, read_settings
from stream.servers.errors import PortTaken, ServerError
from stream.servers.local import ENVIRONMENT_FILE, Started, WantedPorts, start_servers
from stream.servers.local import Progress as JarProgress
from stream.servers.maven import JarReport
from stream.settings import KafkaSettings, Settings

DATA_DIR = Path("interestream-data")

Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default="the usual one, else any free one")]


def up(
    data_dir: Annotated[Path, typer.Option(help="Folder for data, logs and the password; made if missing.")] = DATA_DIR,
    kafka_port: Port = None,
    bolt_port: Port = None,
    http_port: Port = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object last on standard output.")] = False,
) -> None:
    """Start a real Kafka and a real Neo4j with its Browser on this machine, and create the topics.

    Needs Java 17 or newer, and Maven the first time (their jars, 180 MB, stay in your cache folder). Everything listens
    on 127.0.0.1 only. Run it again at any time: what runs is left alone, what died comes back on its ports with its
    data. The servers go on after this command; `interestream down` stops them.

    Exit codes: 0 both answer, 1 a server could not be started, 2 a port or setting cannot be used.
    """
    settings = read_settings()
    ports = WantedPorts(kafka=kafka_port, bolt=bolt_port, http=http_port)
    try:
        with jar_progress() as progress:
            started = start_servers(data_dir, ports, progress)
        left = [d for d in apply_topics(local_settings(settings, started)) if not d.applies]
    except PortTaken as error:
        fail(str(error), ExitCode.USAGE)
    except (ServerError, AdminError) as error:
        fail(str(error), ExitCode.FAILED)
    for difference in left:
        typer.echo(f"warning: {difference.topic} has {difference.actual} partitions: {difference.mend}", err=True)
    if as_json:
        print_json(started.endpoints)
    else:
        typer.echo(_next_steps(started, data_dir))


def local_settings(settings: Settings, started: Started) -> Settings:
    """Return the settings with which the servers just started are spoken to: one broker, so one replica."""
    return settings.model_copy(
        update={
            "kafka": KafkaSettings(bootstrap_servers=started.endpoints.bootstrap_servers),
            "topics": settings.topics.model_copy(update={"replication_factor": 1}),
        }
    )


@contextmanager
def jar_progress() -> Iterator[JarProgress]:
    """Show that something goes on, and the jars that arrive, on standard error: a spinner on a terminal, else lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_report
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as display:
        display.add_task("starting Kafka and Neo4j")

        def progress(title: str) -> JarReport:
            task = display.add_task(f"{title}: asking Maven for its jars", visible=False)

            def report(count: int, name: str) -> None:
                display.update(task, visible=True, description=f"{title}: {count} files, {name}")

            return report

        yield progress


def _plain_report(title: str) -> JarReport:
    def report(count: int, _: str) -> None:
        if count == 1:
            typer.echo(f"{title}: fetching its jars by Maven, once ...", err=True)

    return report


def _next_steps(started: Started, data_dir: Path) -> str:
    endpoints = started.endpoints
    exports = "\n".join(f"  export {name}={value}" for name, value in endpoints.environment().items())
    folder = "" if data_dir == DATA_DIR else f" --data-dir {quote(str(data_dir))}"
    return (
        f"Kafka    {endpoints.bootstrap_servers}\n"
        f"Neo4j    {endpoints.neo4j_uri}\n"
        f"Browser  {endpoints.browser_url}  (user {endpoints.neo4j_user}, password {endpoints.neo4j_password})\n"
        "\n"
        f"Tell the other commands where they are (or: source {quote(str(data_dir / ENVIRONMENT_FILE))}):\n"
        f"{exports}\n"
        "\n"
        "Then:    interestream worker\n"
        f"Stop:    interestream down{folder}"
    )
