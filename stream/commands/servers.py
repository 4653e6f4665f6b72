"""What commands that talk to the servers do alike: connect to the graph, and say which server is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from graph.store import GraphStore, Refused, StoreError, Unavailable
from stream import preflight, sender
from stream.commands.console import ExitCode, fail, read_settings
from stream.settings import Settings, SettingsError, StoreName, check_security
from stream.stores import open_store

T = TypeVar("T")

_PATIENCE_SECONDS = 5.0


def read_server_settings() -> Settings:
    """Load the settings of a command that reads the graph, or end with what is wrong with them."""
    settings = read_settings()
    try:
        check_security(settings)
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)
    if settings.store is StoreName.MEMORY:
        fail("store is memory: that graph lives in its worker alone; set INTERESTREAM_STORE=neo4j", ExitCode.USAGE)
    return settings


@asynccontextmanager
async def connected_store(settings: Settings) -> AsyncIterator[GraphStore]:
    """Connect to the graph, without a worker's patience, and disconnect at the end. Raises graph.store.StoreError."""
    logging.getLogger("neo4j").setLevel(logging.CRITICAL)  # what fails is raised, and said once
    store = open_store(settings, _PATIENCE_SECONDS)
    try:
        await store.start()
        yield store
    finally:
        await store.close()


def run_with_servers(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end; when a server is away or refuses, say which one, and end."""
    try:
        return asyncio.run(work)
    except Unavailable as error:
        reason = " ".join(str(error).split())
        fail(f"the graph is away: {reason}; start it, or set INTERESTREAM_NEO4J__URI", ExitCode.AWAY)
    except (sender.ServerAway, preflight.ServerAway) as error:
        fail(f"{error}; start it, or set INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", ExitCode.AWAY)
    except sender.TopicMissing as error:
        fail(f"{error}; create it with `interestream topics apply`", ExitCode.FAILED)
    except Refused as error:
        fail(str(error), ExitCode.USAGE)
    except StoreError as error:
        fail(f"the graph fails: {error}; look at its log", ExitCode.FAILED)
