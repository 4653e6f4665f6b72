"""The graph: does it answer, does it let us in, was it built by this version and with these topics."""

import asyncio

from confluent_kafka import KafkaException

from graph.store import Refused, StoreError, Unavailable
from stream.admin import admin_client
from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.settings import Settings, StoreName
from stream.stores import open_store

_PATIENCE_SECONDS = 3.0
_ANSWER_SECONDS = 5.0


def check_graph(settings: Settings) -> list[Finding]:
    """Check that the graph can be read with these settings."""
    if settings.store is StoreName.MEMORY:
        return [warning("graph", "store is memory: nothing is kept after the process", "set store to neo4j")]
    uri, neo4j = settings.neo4j.uri, settings.neo4j
    try:
        is_empty = asyncio.run(_read(settings))
    except Unavailable as error:
        reason = " ".join(str(error).split()).removeprefix(f"{uri}: ")
        return [
            failed(
                "graph",
                f"{uri} is away ({reason})",
                "start Neo4j (`interestream up` on your own machine), or correct neo4j.uri",
            )
        ]
    except Refused as error:
        problem, _, mend = str(error).partition("; ")
        return [failed("graph", problem, mend or "correct neo4j.user, neo4j.password and neo4j.database")]
    except StoreError as error:
        return [failed("graph", str(error), "look at Neo4j's log")]
    content = "no user yet" if is_empty else "it has users"
    return [ok("graph", f"{uri} lets {neo4j.user} into database {neo4j.database}: {content}")]


def check_schema(settings: Settings) -> list[Finding]:
    """Check that the graph's schema is one we know, and that it was built with the partition counts of today."""
    try:
        listed = admin_client(settings).list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException as error:
        return [failed("schema", f"no partition counts to compare ({error.args[0].str()})", "mend the broker first")]
    internal = [topic.name for topic in settings.topics.table() if topic.internal]
    counts = {name: len(listed[name].partitions) for name in internal if name in listed and listed[name].error is None}
    try:
        is_built = asyncio.run(_compare(settings, counts))
    except Refused as error:
        problem, _, mend = str(error).partition(". ")
        return [failed("schema", problem, mend or "upgrade this program")]
    except StoreError as error:
        return [failed("schema", " ".join(str(error).split()), "look at Neo4j's log")]
    if not is_built:
        return [ok("schema", "no worker has been here yet; the first one makes it")]
    return [ok("schema", "known, and built with the partition counts of today")]


async def _compare(settings: Settings, counts: dict[str, int]) -> bool:
    """Return whether a worker has built this graph. Raises Refused when it was built with other partition counts."""
    store = open_store(settings, _PATIENCE_SECONDS)
    try:
        await store.start()
        claimed = await store.read_ledgers([f"{name}/{p}" for name, count in counts.items() for p in range(count)])
        if claimed:
            # Whoever claimed has made the schema and recorded the counts before: this finds all there, and compares.
            await store.ensure_schema(counts)
        return bool(claimed)
    finally:
        await store.close()


async def _read(settings: Settings) -> bool:
    store = open_store(settings, _PATIENCE_SECONDS)
    try:
        await store.start()
        return not await store.user_ids("", 1)
    finally:
        await store.close()
