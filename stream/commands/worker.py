"""``interestream worker``: the agents."""

import asyncio
import logging
import os
from typing import Annotated

import typer

from encoders.base import EncoderError
from graph.failpoints import BadFailpoint, arm
from graph.store import Refused, Unavailable
from stream.app import Role, build_parts, build_worker
from stream.batch_consumer import LedgerPastLogEnd
from stream.bundles import NewerFormat
from stream.commands.console import ExitCode, fail, read_settings
from stream.last_resort import set_last_resort
from stream.logs import configure_logging
from stream.preflight import ServerAway, wait_for_topics
from stream.publisher import BrokerUnavailable
from stream.ranker_file import RankerFileError
from stream.restart import restart_in_place
from stream.settings import FAILPOINTS_VARIABLE, SettingsError, check_security
from stream.stores import open_store

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
    try:
        check_security(settings)
        facts = wait_for_topics(settings)
        parts = build_parts(settings, facts, open_store(settings))
        process, _ = build_worker(parts, roles)
    except (SettingsError, EncoderError, RankerFileError) as error:
        fail(str(error), ExitCode.USAGE)
    except ServerAway as error:
        fail(str(error), ExitCode.AWAY)
    set_last_resort(restart_in_place)
    log.info("starting", extra={"roles": [r.value for r in roles]})
    try:
        process.execute_from_commandline()
    except SystemExit as ended:
        if ended.code in (0, None):
            raise
        reason = process.crash_reason or ended.__context__  # Faust turns whatever ends it into an exit code
    except asyncio.CancelledError as cancelled:  # of an app whose sibling crashed
        reason = process.crash_reason or cancelled
    if isinstance(reason, (Refused, LedgerPastLogEnd, NewerFormat)):
        fail(str(reason), ExitCode.USAGE)
    if isinstance(reason, (ServerAway, Unavailable, BrokerUnavailable)):
        fail(str(reason), ExitCode.AWAY)
    log.error("crashed", exc_info=reason)
    restart_in_place(ExitCode.FAILED)
