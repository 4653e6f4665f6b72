"""What commands that talk to the servers do alike: connect to the graph, and say which server is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from graph.store import GraphStore, Refused, StoreError, Unavailable
from stream.commands.broker import broker_needed, read_secure_settings
from stream.commands.console import ExitCode, fail
from stream.settings import Settings, StoreName
from stream.stores import open_store

T = TypeVar("T")

_PATIENCE_SECONDS = 5.0


def read_server_settings() -> Settings:
    """Load the settings of a command that reads the graph, or end with what is wrong with them."""
    settings = read_secure_settings()
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
        with broker_needed():
            return asyncio.run(work)
    except Unavailable as error:
        reason = " ".join(str(error).split())
        fail(f"the graph is away: {reason}; start it, or set INTERESTREAM_NEO4J__URI", ExitCode.AWAY)
    except Refused as error:
        fail(str(error), ExitCode.USAGE)
    except StoreError as error:
        fail(f"the graph fails: {error}; look at its log", ExitCode.FAILED)
