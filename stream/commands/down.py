"""``interestream down``: stop what ``interestream up`` started."""

from pathlib import Path
from typing import Annotated

import typer

from stream.commands.console import ExitCode, fail, print_json
from stream.servers.errors import ServerError
from stream.servers.local import stop_servers


def down(
    data_dir: Annotated[Path, typer.Option(help="The folder that was given to `up`.")] = Path("interestream-data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object last on standard output.")] = False,
) -> None:
    """Stop the servers that `interestream up` started in a data folder, and nothing else.

    They are asked first and ended by force after 30 seconds. Data, ports and password stay: `up` goes on from there.

    Exit codes: 0 nothing of that folder runs any more, 1 the folder's state cannot be read.
    """
    try:
        stopped = stop_servers(data_dir)
    except ServerError as error:
        fail(str(error), ExitCode.FAILED)
    if as_json:
        print_json({"stopped": stopped})
    else:
        typer.echo(f"stopped {' and '.join(stopped)}" if stopped else f"nothing runs in {data_dir}")
