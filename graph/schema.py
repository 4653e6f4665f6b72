"""Constraints, indexes, and what the graph remembers of the version and the topics it was built with."""

from collections.abc import Mapping
from functools import partial
from typing import LiteralString

from neo4j import AsyncManagedTransaction

from graph.commit import check_partitions
from graph.neo4j_session import Neo4jSession, run
from graph.store import Refused

SCHEMA_VERSION = 1

_STATEMENTS: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT user_id IF NOT EXISTS FOR (n:User) REQUIRE n.userId IS UNIQUE",
    "CREATE CONSTRAINT item_id IF NOT EXISTS FOR (n:Item) REQUIRE n.itemId IS UNIQUE",
    "CREATE CONSTRAINT category_path IF NOT EXISTS FOR (n:Category) REQUIRE n.path IS UNIQUE",
    "CREATE CONSTRAINT user_state_id IF NOT EXISTS FOR (n:UserState) REQUIRE n.userId IS UNIQUE",
    "CREATE CONSTRAINT association_state_key IF NOT EXISTS FOR (n:AssociationState) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT stream_offset_key IF NOT EXISTS FOR (n:StreamOffset) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT schema_version_name IF NOT EXISTS FOR (n:SchemaVersion) REQUIRE n.name IS UNIQUE",
    # Both properties: a partition's waiting users are then paged through in order without sorting them.
    "CREATE INDEX user_state_unresolved IF NOT EXISTS FOR (n:UserState) ON (n.unresolved, n.userId)",
)

_AWAIT_INDEXES: LiteralString = "CALL db.awaitIndexes(60)"

_LOCK_VERSION: LiteralString = """
MERGE (schema:SchemaVersion {name: 'interestream'})
ON CREATE SET schema.version = $version, schema.topics = [], schema.partitions = []
SET schema.touched = datetime()
RETURN schema.version, schema.topics, schema.partitions
"""

_RECORD: LiteralString = """
MATCH (schema:SchemaVersion {name: 'interestream'})
SET schema.topics = $topics, schema.partitions = $partitions
"""


async def ensure_schema(session: Neo4jSession, partitions: Mapping[str, int]) -> None:
    """Create what is missing and record the partition counts; several processes may do so at once.

    Raises Refused when a recorded count differs or the graph was written by a newer version.
    """
    for statement in _STATEMENTS:
        await session.write(partial(run, query=statement))
    await session.write(partial(run, query=_AWAIT_INDEXES))

    async def record(transaction: AsyncManagedTransaction) -> None:
        [[version, topics, counts]] = await run(transaction, _LOCK_VERSION, version=SCHEMA_VERSION)
        if version > SCHEMA_VERSION:
            raise Refused(
                f"the graph has schema version {version}, this program knows {SCHEMA_VERSION}: upgrade this program"
            )
        recorded = dict(zip(topics, counts, strict=True))
        check_partitions(recorded, partitions)
        recorded.update(partitions)
        await run(transaction, _RECORD, topics=list(recorded), partitions=list(recorded.values()))

    await session.write(record)
