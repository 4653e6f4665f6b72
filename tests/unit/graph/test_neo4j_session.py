"""What a session says when the server is away, or does not let us in."""

from typing import Any

import pytest
from neo4j.exceptions import Neo4jError

from graph.neo4j_session import Neo4jSession
from graph.store import Refused, Unavailable

URI = "bolt://127.0.0.1:1"


class Unauthorized(Neo4jSession):
    """A session whose server answers, and knows nobody of this name and password."""

    def _session(self) -> Any:
        raise Neo4jError._hydrate_neo4j(
            code="Neo.ClientError.Security.Unauthorized", message="The client is unauthorized. See debug log."
        )


async def test_a_server_that_is_away_is_named_once_with_the_reason() -> None:
    session = Neo4jSession(URI, "neo4j", "secret", "neo4j", 5.0)
    with pytest.raises(Unavailable) as caught:
        await session.open(0.0)
    assert str(caught.value) == f"{URI}: Couldn't connect to 127.0.0.1:1: Connection refused"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (
            "",
            f"neo4j.password is not set, and {URI} wants one; set INTERESTREAM_NEO4J__PASSWORD "
            "(after `interestream up`: source interestream-data/environment.sh)",
        ),
        (
            "wrong",
            f"{URI} refuses us: The client is unauthorized. See debug log; "
            "check neo4j.uri, neo4j.user and neo4j.password",
        ),
    ],
)
async def test_a_password_that_is_missing_is_told_from_a_wrong_one(password: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        await Unauthorized(URI, "neo4j", password, "neo4j", 5.0).open(0.0)
    assert str(caught.value) == said


async def test_a_wrong_scheme_is_told_by_the_driver() -> None:
    with pytest.raises(Refused, match=r"boltt://x refuses us: URI scheme 'boltt' is not supported"):
        await Neo4jSession("boltt://x", "neo4j", "", "neo4j", 5.0).open(0.0)
