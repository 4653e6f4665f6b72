"""The analysts' saved queries, run on a small real graph that the product itself has written."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from neo4j import GraphDatabase

from graph.model import AssociationEdge, Family, ItemRow
from graph.neo4j_store import Neo4jGraphStore
from stream.servers.neo4j import Neo4jServer
from stream.servers.resources import deploy_folder
from tests.contract.graph_calls import Writer, interest, purchased, user, viewed

QUERIES = sorted((deploy_folder() / "neo4j" / "queries").glob("*.cypher"))
LANTERNS, CANDLES = "Home > Lanterns", "Home > Candles"
DAY_MS = 86_400_000


@pytest.fixture
async def shop(empty_graph: Neo4jServer) -> AsyncIterator[Neo4jServer]:
    """Three users, two categories of which one leads to the other, an item and a dearer one."""
    now = time.time_ns() // 1_000_000
    store = Neo4jGraphStore(empty_graph.uri, empty_graph.user, empty_graph.password)
    await store.start()
    try:
        await store.ensure_schema({"bundles": 4})
        writer = await Writer(store).claim()
        await writer.items(
            ItemRow("84950", "Lantern", LANTERNS, price=4.95, currency="GBP", micro_topic="Garden Lantern"),
            ItemRow("85123", "Large lantern", LANTERNS, price=8.5, currency="GBP"),
            ItemRow("84946", "Candle", CANDLES, price=1.25, currency="GBP"),
        )
        await writer.users(
            user(
                "u1",
                [interest(LANTERNS, 6.0, now - 7 * DAY_MS)],
                [purchased("84950")],
                cross_sell=["84946"],
                up_sell=["85123"],
            ),
            user("u2", [interest(CANDLES, 5.0, now), interest(LANTERNS, 1.0, now)], [viewed("84946", 3)]),
            user("u3", [interest(CANDLES, 9.0, now - 14 * DAY_MS)], [purchased("84946")]),
        )
        await writer.associations(
            [
                AssociationEdge(Family.BOUGHT_NEXT, LANTERNS, CANDLES, 3.5, 12, 0.4, 2.5, now),
                AssociationEdge(Family.VIEWED_NEXT, LANTERNS, CANDLES, 9.0, 30, 0.6, 1.2, now),
                AssociationEdge(Family.BOUGHT_NEXT, CANDLES, LANTERNS, 0.5, 4, 0.9, 9.0, now),
            ]
        )
        yield empty_graph
    finally:
        await store.close()


def run(server: Neo4jServer, name: str) -> list[dict[str, Any]]:
    """Run a saved query as an analyst would; whatever the server has to remark about it is a failure."""
    query = (deploy_folder() / "neo4j" / "queries" / f"{name}.cypher").read_text()
    auth = (server.user, server.password)
    with GraphDatabase.driver(server.uri, auth=auth) as driver, driver.session() as session:
        result = session.run(query)
        rows = [dict(record) for record in result]
        remarks = result.consume().gql_status_objects
    assert [str(remark) for remark in remarks if remark.is_notification] == []
    return rows


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_runs_without_remarks_and_finds_something(shop: Neo4jServer, query: Path) -> None:
    assert run(shop, query.stem)


def test_interests_are_ordered_by_what_they_weigh_now(shop: Neo4jServer) -> None:
    rows = run(shop, "users-of-a-category")
    strongest_first = list(dict.fromkeys(row["user"]["userId"] for row in rows))
    assert strongest_first == ["u2", "u3"]  # u3's 9.0 is two weeks old
    assert {row["evidence"].nodes[1]["itemId"] for row in rows} == {"84946"}


def test_an_interest_fades_by_half_in_a_week(shop: Neo4jServer) -> None:
    [row] = run(shop, "interests-of-a-user")
    assert row["category"] == LANTERNS
    assert row["weightNow"] == pytest.approx(3.0, abs=0.01)  # 6.0 a week ago


def test_few_users_are_no_evidence(shop: Neo4jServer) -> None:
    [row] = run(shop, "what-leads-to-what")
    assert [node["path"] for node in row["path"].nodes] == [LANTERNS, CANDLES]


def test_where_a_category_leads_by_both_families(shop: Neo4jServer) -> None:
    rows = run(shop, "where-a-category-leads")
    assert [(row["family"], row["leadsTo"], row["users"]) for row in rows] == [
        ("BOUGHT_NEXT", CANDLES, 12),
        ("VIEWED_NEXT", CANDLES, 30),
    ]


def test_what_a_user_touched_is_counted_by_micro_topic(shop: Neo4jServer) -> None:
    [row] = run(shop, "micro-topics-of-a-user")
    assert (row["microTopic"], row["views"], row["purchases"]) == ("Garden Lantern", 0, 1)
    assert [item["itemId"] for item in row["items"]] == ["84950"]


def test_the_lists_are_those_that_were_published(shop: Neo4jServer) -> None:
    rows = run(shop, "lists-of-a-user")
    assert [(row["list"], row["place"], row["itemId"], row["category"]) for row in rows] == [
        ("cross-sell", 1, "84946", CANDLES),
        ("up-sell", 1, "85123", LANTERNS),
    ]


def test_the_reason_of_a_cross_sell_item_is_a_path_from_the_user_to_the_item(shop: Neo4jServer) -> None:
    paths = [row["why"] for row in run(shop, "why-this-cross-sell-item")]
    assert {tuple(edge.type for edge in path.relationships) for path in paths} == {
        ("INTERESTED_IN", "BOUGHT_NEXT", "IN_CATEGORY"),
        ("INTERESTED_IN", "VIEWED_NEXT", "IN_CATEGORY"),
    }
    assert {path.start_node["userId"] for path in paths} == {"u1"}
    assert {path.end_node["itemId"] for path in paths} == {"84946"}


def test_the_reason_of_an_up_sell_item_is_a_cheaper_one(shop: Neo4jServer) -> None:
    [row] = run(shop, "why-this-up-sell-item")
    assert row["why"].start_node["userId"] == "u1"
    assert [node["itemId"] for node in row["why"].nodes if "Item" in node.labels] == ["84950", "85123"]


def test_who_has_shown_no_interest_yet_may_like_it_next(shop: Neo4jServer) -> None:
    [row] = run(shop, "who-may-like-it-next")
    assert (row["userId"], row["comingFrom"]) == ("u1", [LANTERNS])
