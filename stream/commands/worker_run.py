"""A worker's life, from its first question to the broker to its exit code. Brings torch and Faust with it."""

import asyncio
import logging
from collections.abc import Sequence

from encoders.base import EncoderError
from graph.store import Refused, Unavailable
from stream.app import build_parts, build_worker
from stream.batch_consumer import LedgerPastLogEnd
from stream.bundles import NewerFormat
from stream.commands.console import ExitCode, fail
from stream.last_resort import set_last_resort
from stream.logs import configure_logging
from stream.preflight import ServerAway, wait_for_topics
from stream.publisher import BrokerUnavailable
from stream.ranker_file import RankerFileError
from stream.restart import restart_in_place
from stream.roles import Role
from stream.settings import Settings, SettingsError, check_security
from stream.stores import open_store

log = logging.getLogger(__name__)

_UNUSABLE = (Refused, LedgerPastLogEnd, NewerFormat)
_AWAY = (ServerAway, Unavailable, BrokerUnavailable)


def run_worker(settings: Settings, roles: Sequence[Role]) -> None:
    """Run the agents until a signal comes; ends the process with the worker's exit code."""
    # Again: libraries that have been imported since bring handlers of their own.
    configure_logging(settings.log, explained=(*_UNUSABLE, *_AWAY))
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
    log.info("loaded")
    try:
        process.execute_from_commandline()
    except SystemExit as ended:
        if ended.code in (0, None):
            raise
        reason = process.crash_reason or ended.__context__  # Faust turns whatever ends it into an exit code
    except asyncio.CancelledError as cancelled:  # of an app whose sibling crashed
        reason = process.crash_reason or cancelled
    if isinstance(reason, _UNUSABLE):
        fail(str(reason), ExitCode.USAGE)
    if isinstance(reason, _AWAY):
        fail(str(reason), ExitCode.AWAY)
    log.error("crashed", exc_info=reason)
    restart_in_place(ExitCode.FAILED)
