"""From settings to a graph store. Light: commands that only read the graph need neither Faust nor torch."""

from graph.memory_store import MemoryGraphStore
from graph.neo4j_store import Neo4jGraphStore
from graph.store import GraphStore
from stream.settings import Settings, StoreName


def open_store(settings: Settings, patience_seconds: float | None = None) -> GraphStore:
    """Return the configured store, not yet connected.

    ``patience_seconds``: how long its start waits for the server; ``worker.patience_seconds`` when None.
    """
    if settings.store is StoreName.MEMORY:
        return MemoryGraphStore()
    neo4j = settings.neo4j
    return Neo4jGraphStore(
        neo4j.uri,
        neo4j.user,
        neo4j.password.get_secret_value(),
        database=neo4j.database,
        transaction_timeout_seconds=neo4j.transaction_timeout_seconds,
        ca_file=neo4j.ssl_ca_file,
        patience_seconds=settings.worker.patience_seconds if patience_seconds is None else patience_seconds,
    )
