"""One Neo4j database behind bounded, retried transactions that fail with the store's own errors.

Every call ends within ``timeout_seconds``, retries included: the driver repeats deadlocks and lost connections, we
repeat what it does not, and a wall clock bounds both, because a half-open connection can keep the driver waiting.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString, TypeVar

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction, AsyncSession, TrustCustomCAs, unit_of_work
from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    ConnectionPoolError,
    DatabaseError,
    DriverError,
    IncompleteCommit,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graph.store import Refused, StoreError, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
Rows = list[list[Any]]

_SCHEMES = ("bolt", "neo4j")
_RETRY_SECONDS = 0.05
_RETRY_GROWTH = 1.3  # the driver's 2.0 lets a writer that met two deadlocks wait so long that it starves among others
_START_RETRY_SECONDS = 0.25
_PING_SECONDS = 5.0
_IDLE_CHECK_SECONDS = 5.0
POOL_SIZE = 16
"""Connections that a process has at most. Those that a busy moment opened stay open, idle, for the next one."""

_AWAY = (ServiceUnavailable, SessionExpired, TransientError, DatabaseError, ConnectionPoolError)
_OVERTAKEN = frozenset(
    {
        "Neo.ClientError.Statement.EntityNotFound",  # a node was deleted between our match and our write
        "Neo.ClientError.Schema.ConstraintValidationFailed",  # or got a relationship between our check and our delete
        "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists",  # another process creates the same schema
        "Neo.ClientError.Schema.ConstraintAlreadyExists",
        "Neo.ClientError.Schema.IndexAlreadyExists",
    }
)
"""Client errors that only say that another transaction came first: the same work, done again, sees what it did."""
_OVERTAKEN_ATTEMPTS = 5


class Neo4jSession:
    """Runs statements and transactions on one database. Belongs to the event loop that called :meth:`open`.

    ``ca_file``: whom to trust instead of the system's authorities, with a ``+s`` scheme.
    """

    def __init__(
        self,
        uri: str,
        user: str,
        password: str,
        database: str,
        timeout_seconds: float,
        ca_file: Path | None = None,
    ) -> None:
        self._uri = uri
        self._auth = (user, password)
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._ca_file = ca_file
        self._driver: AsyncDriver | None = None

    async def open(self, patience_seconds: float) -> None:
        """Connect and wait for the server.

        Raises Unavailable when it does not answer within ``patience_seconds``, Refused when the settings are wrong.
        """
        if not self._uri.startswith(_SCHEMES):
            raise Refused(f"neo4j.uri is {self._uri}, it must start with {' or '.join(_SCHEMES)} (+s for TLS)")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_seconds
        async with self._bounded(patience_seconds):
            uri, transport = transport_of(self._uri, self._ca_file)
            self._driver = AsyncGraphDatabase.driver(
                uri,
                **transport,
                auth=self._auth,
                max_connection_pool_size=POOL_SIZE,
                max_transaction_retry_time=self._timeout_seconds,
                initial_retry_delay=_RETRY_SECONDS,
                retry_delay_multiplier=_RETRY_GROWTH,
                connection_timeout=min(_PING_SECONDS, self._timeout_seconds),
                connection_acquisition_timeout=self._timeout_seconds,
                liveness_check_timeout=_IDLE_CHECK_SECONDS,
                notifications_min_severity="OFF",
                telemetry_disabled=True,
            )
        while True:
            try:
                return await self.ping()
            except StoreError as error:
                if not isinstance(error, Unavailable) or loop.time() >= deadline:
                    await self.close()
                    raise
            except BaseException:
                await self.close()
                raise
            await asyncio.sleep(_START_RETRY_SECONDS)

    async def close(self) -> None:
        """Close every connection. Does nothing when there are none."""
        driver, self._driver = self._driver, None
        if driver is not None:
            async with self._bounded(_PING_SECONDS):
                await driver.close()

    async def ping(self) -> None:
        """Raise Unavailable unless the server answers now."""
        async with self._bounded(_PING_SECONDS), self._session() as session:
            await (await session.run("RETURN 1")).consume()

    async def read(self, query: LiteralString, **parameters: object) -> Rows:
        """Return the rows of one reading statement."""

        async def work(transaction: AsyncManagedTransaction) -> Rows:
            return await run(transaction, query, **parameters)

        async with self._bounded(self._timeout_seconds), self._session() as session:
            return await session.execute_read(self._limited(work))

    async def write(self, work: Callable[[AsyncManagedTransaction], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction until it is known to be committed; errors it raises roll back.

        ``work`` may run several times, also after an attempt whose COMMIT succeeded without our learning it.
        """
        attempts = 0
        async with self._bounded(self._timeout_seconds):
            while True:
                try:
                    async with self._session() as session:
                        return await session.execute_write(self._limited(work))
                except IncompleteCommit:
                    log.warning("commit_of_unknown_outcome")
                except ClientError as error:
                    attempts += 1
                    if error.code not in _OVERTAKEN or attempts == _OVERTAKEN_ATTEMPTS:
                        raise
                await asyncio.sleep(_RETRY_SECONDS)

    def _session(self) -> AsyncSession:
        if self._driver is None:
            raise StoreError("the store is not started")
        return self._driver.session(database=self._database)

    def _limited(
        self, work: Callable[[AsyncManagedTransaction], Awaitable[T]]
    ) -> Callable[[AsyncManagedTransaction], Awaitable[T]]:
        # The server ends a transaction that we have given up, so that its locks do not outlive our patience.
        return unit_of_work(timeout=self._timeout_seconds)(work)

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise Unavailable(f"{self._uri} did not answer within {seconds:g} s") from error
        except (AuthError, ConfigurationError) as error:
            raise Refused(_why_refused(error, self._uri, has_password=bool(self._auth[1]))) from error
        except _AWAY as error:
            raise Unavailable(f"{self._uri}: {_in_short(error)}") from error
        except Neo4jError as error:
            raise _meaning(error, self._database) from error
        except DriverError as error:
            raise StoreError(f"the driver failed: {error}") from error


def transport_of(uri: str, ca_file: Path | None) -> tuple[str, dict[str, Any]]:
    """Return the address and the options with which the driver trusts the authorities of ``ca_file`` alone.

    It takes authorities of one's own only beside a scheme that does not speak of encryption.
    """
    if ca_file is None:
        return uri, {}
    return uri.replace("+s://", "://", 1), {
        "encrypted": True,
        "trusted_certificates": TrustCustomCAs(str(ca_file)),
    }


async def run(transaction: AsyncManagedTransaction, query: LiteralString, **parameters: object) -> Rows:
    """Run one statement of a transaction and return all its rows."""
    result = await transaction.run(query, parameters)
    return await result.values()


def _why_refused(error: Neo4jError | DriverError, uri: str, has_password: bool) -> str:
    """Return what is wrong with the settings; what to do stands behind the semicolon."""
    if isinstance(error, AuthError) and not has_password:  # asked first: a server without accounts wants none
        return (
            f"neo4j.password is not set, and {uri} wants one; set INTERESTREAM_NEO4J__PASSWORD "
            "(after `interestream up`: source interestream-data/environment.sh)"
        )
    return f"{uri} refuses us: {_in_short(error)}; check neo4j.uri, neo4j.user and neo4j.password"


def _in_short(error: Neo4jError | DriverError) -> str:
    """Return one line: the driver names the address up to three times, and wraps the reason for each that it tried."""
    text = (error.message if isinstance(error, Neo4jError) else None) or str(error)
    text, addresses, _ = text.partition("\n")[0].partition(" (resolved to ")
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if addresses and isinstance(cause, OSError):
        text += f": {_reason(cause)}"
    return text.rstrip(":. ")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) or error.errno is None:
        return str(error) or "no answer"
    return os.strerror(error.errno)


def _meaning(error: Neo4jError, database: str) -> StoreError:
    """Translate the client errors that are nobody's fault or an operator's; the message never quotes data."""
    code = error.code or "unknown error"
    if code == "Neo.ClientError.Database.DatabaseNotFound":
        return Refused(f"database {database} does not exist: check neo4j.database")
    if code.startswith(("Neo.ClientError.Transaction.TransactionTimedOut", "Neo.ClientError.Transaction.LockClient")):
        return Unavailable(f"the server ended the transaction: {code}")
    return StoreError(f"the server refused a statement: {code}")
