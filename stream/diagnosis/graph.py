"""The graph: does it answer, does it let us in, was it built by this version and with these topics."""

import asyncio

from graph.store import Refused, StoreError, Unavailable
from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.settings import Settings, StoreName
from stream.stores import open_store

_PATIENCE_SECONDS = 3.0


def check_graph(settings: Settings) -> list[Finding]:
    """Check that the graph can be read with these settings."""
    if settings.store is StoreName.MEMORY:
        return [warning("graph", "store is memory: nothing is kept after the process", "set store to neo4j")]
    uri, neo4j = settings.neo4j.uri, settings.neo4j
    try:
        is_empty = asyncio.run(_read(settings))
    except Unavailable as error:
        return [
            failed(
                "graph",
                f"{uri} is away ({' '.join(str(error).split())})",
                "start Neo4j (`interestream up` on your own machine), or correct neo4j.uri",
            )
        ]
    except Refused as error:
        return [failed("graph", str(error), "correct neo4j.user, neo4j.password and neo4j.database")]
    except StoreError as error:
        return [failed("graph", str(error), "look at Neo4j's log")]
    content = "no user yet" if is_empty else "it has users"
    return [ok("graph", f"{uri} lets {neo4j.user} into database {neo4j.database}: {content}")]


async def _read(settings: Settings) -> bool:
    store = open_store(settings, _PATIENCE_SECONDS)
    try:
        await store.start()
        return not await store.user_ids("", 1)
    finally:
        await store.close()
