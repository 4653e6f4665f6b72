"""What a new Neo4j server needs before anyone uses it: an answer over Bolt, and a password of its own."""

import time
from contextlib import closing
from pathlib import Path

from neo4j import Driver, GraphDatabase
from neo4j.exceptions import AuthError, ClientError, DriverError, Neo4jError

from graph.neo4j_session import transport_of
from graph.store import Refused, Unavailable

FIRST_USER = "neo4j"
FIRST_PASSWORD = "neo4j"  # noqa: S105 - what every Neo4j server is born with; it serves nothing but being changed
MINIMUM_PASSWORD_LENGTH = 8

_NOT_LET_IN = ("Neo.ClientError.Security.Unauthorized", "Neo.ClientError.Security.CredentialsExpired")
_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 5.0


def wait_for_bolt(uri: str, user: str, password: str, patience_seconds: float) -> None:
    """Wait until the server runs a query for ``user``.

    Raises Unavailable after ``patience_seconds``, Refused when the server knows the user by another password.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            _ask(uri, user, password)
        except Unavailable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def set_first_password(uri: str, password: str, ca_file: Path | None = None) -> None:
    """Give a new server's only user its password; change nothing if it has it already.

    password: at least 8 characters (Neo4j's rule). May be repeated after an interruption at any point.
    ``ca_file``: whom to trust with a ``+s`` scheme instead of the system's authorities.
    Raises Unavailable when the server does not answer now, Refused when it has a third password.
    """
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        raise ValueError(f"the password has {len(password)} characters; Neo4j wants {MINIMUM_PASSWORD_LENGTH} or more")
    try:
        _ask(uri, FIRST_USER, password, ca_file)
    except Refused:
        with closing(_driver(uri, FIRST_USER, FIRST_PASSWORD, ca_file)) as driver:
            _change_password(driver, password)
        _ask(uri, FIRST_USER, password, ca_file)


def _change_password(driver: Driver, password: str) -> None:
    try:
        with driver.session(database="system") as session:
            session.run(
                "ALTER CURRENT USER SET PASSWORD FROM $former TO $password", former=FIRST_PASSWORD, password=password
            ).consume()
    except AuthError:
        raise Refused("the server has another password than the one kept beside its data") from None
    except (DriverError, Neo4jError) as error:
        raise Unavailable(f"the first password cannot be set now: {error}") from error


def _ask(uri: str, user: str, password: str, ca_file: Path | None = None) -> None:
    try:
        with closing(_driver(uri, user, password, ca_file)) as driver, driver.session() as session:
            session.run("RETURN 1").consume()
    except (DriverError, Neo4jError) as error:
        if isinstance(error, ClientError) and error.code in _NOT_LET_IN:
            raise Refused(f"{uri} does not let {user} in: {error.message}") from None
        raise Unavailable(f"{uri} does not answer: {error}") from error


def _driver(uri: str, user: str, password: str, ca_file: Path | None) -> Driver:
    uri, transport = transport_of(uri, ca_file)
    return GraphDatabase.driver(
        uri,
        **transport,
        auth=(user, password),
        connection_timeout=_CONNECT_SECONDS,
        connection_acquisition_timeout=_CONNECT_SECONDS,
        max_transaction_retry_time=0,
    )
