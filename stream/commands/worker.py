"""``interestream worker``: the agents."""

import logging
import os
from typing import Annotated

import typer

from graph.failpoints import BadFailpoint, arm
from stream.commands.console import ExitCode, fail, read_settings
from stream.logs import configure_logging
from stream.roles import Role
from stream.settings import FAILPOINTS_VARIABLE

log = logging.getLogger(__name__)


def worker(
    role: Annotated[
        list[Role] | None, typer.Option(help="Host this role only; repeat for several. All four by default.")
    ] = None,
) -> None:
    """Run the agents until SIGTERM: events in; graph, lists and associations out.

    Start as many as you like, on one host or many: they share the partitions, and any mixture of roles is safe.
    Settings come from INTERESTREAM_* variables (see `interestream config`). Waits for Kafka, its topics and Neo4j,
    and says what it waits for. A worker that crashed starts itself again, one that was killed is started by you: it
    goes on exactly where the graph says.

    Exit codes: 0 stopped by SIGTERM or SIGINT; 1 crashed again and again; 2 the settings or the graph cannot be
    used as they are (an operator acts); 3 a server stayed away for longer than worker.patience_seconds.
    """
    settings = read_settings()
    configure_logging(settings.log)
    try:
        arm(os.environ.get(FAILPOINTS_VARIABLE, ""))
    except BadFailpoint as error:
        fail(f"{FAILPOINTS_VARIABLE}: {error}", ExitCode.USAGE)
    roles = list(dict.fromkeys(role or list(Role)))
    log.info("starting", extra={"roles": [r.value for r in roles]})
    from stream.commands.worker_run import run_worker  # takes seconds, most of them torch's

    run_worker(settings, roles)
