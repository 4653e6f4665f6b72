import asyncio
import doctest
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from graph.association import PairSums, SourceState, decode_source, encode_source, source_key
from graph.memory_store import MemoryGraphStore
from graph.model import ItemRow, Level
from graph.settings import AssociationSettings
from graph.store import Unavailable
from stream.commands.show import app
from stream.recommendations import rfc3339
from stream.views import item as item_views
from stream.views.item import item_page, neighbours, similar_ids
from tests.unit.stream.command_output import json_of
from tests.unit.stream.graphs import DAY_MS, LEDGER, NOW, commit, small_graph, user

MUG = source_key(Level.ITEM, "mug")
HALF_LIFE_MS = round(AssociationSettings().half_life_seconds * 1000)


async def graph_with_transitions() -> MemoryGraphStore:
    """The small graph; mugs lead to lamps, candles and an item without a row, all of which have no successors."""
    store = await small_graph(user())
    rows = [
        ItemRow("mug", "Mug", "Kitchen > Mugs", False, "Potter", 4.95, "GBP", False, 0.75, "Coffee Mug"),
        ItemRow("candle", "Candle", "Home > Candles", derived=True),
        ItemRow("plain"),
    ]
    await store.apply_items(commit(store, LEDGER, 3, 4, "owner"), rows, [])
    bought = {
        "candle": PairSums(8.0, NOW - 2 * HALF_LIFE_MS, 9, 7),
        "lamp": PairSums(3.0, NOW, 4, 1_200),
    }
    viewed = {f"thing{n}": PairSums(1.0, NOW, 1, 1) for n in range(12)}
    states = {
        MUG: encode_source(SourceState(Level.ITEM, "mug", viewed, bought)),
        source_key(Level.ITEM, "gone"): encode_source(SourceState(Level.ITEM, "gone", {"mug": viewed["thing0"]})),
    }
    await store.apply_associations(commit(store, LEDGER, 4, 5, "owner"), states, [], [])
    await store.ensure_stubs([], ["stub", "Mug-12"])
    return store


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryGraphStore:
    """The graph, behind the command, on the day of its latest event."""
    store = asyncio.run(graph_with_transitions())
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: store)
    monkeypatch.setattr("stream.commands.show._now", lambda: NOW)
    return store


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("item", *arguments), env={"COLUMNS": "200"})


def shown(*arguments: str) -> dict[str, Any]:
    return json_of(run(*arguments, "--json"))


def test_an_item_with_its_row_and_its_category(store: MemoryGraphStore) -> None:
    page = shown("mug")
    assert {name: value for name, value in page.items() if not name.endswith("_next")} == {
        "item_id": "mug",
        "in_catalogue": True,
        "title": "Mug",
        "category": "Kitchen > Mugs",
        "derived": False,
        "category_items": 1,
        "category_users": 1,
        "brand": "Potter",
        "price": 4.95,
        "currency": "GBP",
        "available": False,
        "quality": 0.75,
        "micro_topic": "Coffee Mug",
    }


def test_transitions_are_decayed_to_now_and_ordered(store: MemoryGraphStore) -> None:
    page = shown("mug", "--rows", "1")
    assert page["bought_next"] == [
        {
            "item_id": "lamp",
            "title": "Lamp",
            "users": 1_200,
            "weight": 3.0,
            "weight_now": 3.0,
            "updated_at": rfc3339(NOW),
        },
        {
            "item_id": "candle",
            "title": "Candle",
            "users": 7,
            "weight": 8.0,
            "weight_now": 2.0,
            "updated_at": rfc3339(NOW - 2 * HALF_LIFE_MS),
        },
    ]
    assert len(page["viewed_next"]) == 12
    assert page["viewed_next"][0]["title"] is None


def test_an_old_shop_keeps_its_order(store: MemoryGraphStore) -> None:
    state = decode_source(asyncio.run(store.load_associations([MUG]))[MUG])
    page = item_page(None, None, state, {}, NOW + 10**6 * DAY_MS, AssociationSettings())
    assert [(row.item_id, row.weight_now) for row in page.bought_next] == [("lamp", 0.0), ("candle", 0.0)]


def test_an_item_as_text(store: MemoryGraphStore) -> None:
    result = run("mug")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:7] == [
        "mug Mug",
        "category Kitchen > Mugs (1 items, 1 users are interested)",
        "brand Potter",
        "price 4.95 GBP",
        "available no",
        "quality 0.75",
        "micro-topic Coffee Mug",
    ]
    assert lines[8] == "Bought next"
    assert lines[10].startswith("lamp Lamp 1,200 3.00 3.00 2025-10-09")
    assert "Viewed next (the strongest 10 of 12)" in lines
    assert sum(line.startswith("thing") for line in lines) == 10


def test_what_is_not_known_of_an_item_is_none(store: MemoryGraphStore) -> None:
    assert "derived from the item's text (1 items" in run("candle").stdout
    plain = [" ".join(line.split()) for line in run("plain").stdout.splitlines()]
    assert plain[:5] == ["plain", "category none", "brand none", "price none", "available yes"]
    assert plain.count("none") == 2


@pytest.mark.parametrize("item_id", ["stub", "gone"])
def test_an_item_without_a_row_is_shown_as_far_as_it_is_known(item_id: str, store: MemoryGraphStore) -> None:
    page = shown(item_id)
    assert (page["in_catalogue"], page["available"], page["title"]) == (False, None, None)
    assert [row["title"] for row in page["viewed_next"]] == (["Mug"] if item_id == "gone" else [])
    assert "The catalogue has no row of this item. Send it" in run(item_id).stdout


def test_an_unknown_id_is_explained_with_those_that_are_near(store: MemoryGraphStore) -> None:
    result = run("MGU")
    assert result.exit_code == 1
    assert result.output == "error: the graph has no item 'MGU'; did you mean\n  mug  Mug\n"


def test_an_unknown_id_may_be_part_of_a_title(store: MemoryGraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.commands.show._PAGE", 2)
    rows = [ItemRow(f"8500{n}", f"RED RETROSPOT BAG {n}", "Bags") for n in range(7)]
    asyncio.run(store.apply_items(commit(store, LEDGER, 5, 6, "owner"), rows, []))
    result = run("retrospot bag")
    assert result.exit_code == 1
    assert result.output.endswith("; did you mean\n" + "".join(f"  8500{n}  RED RETROSPOT BAG {n}\n" for n in range(5)))
    assert run("bicycle").output == "error: the graph has no item 'bicycle'\n"


def test_a_graph_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(MemoryGraphStore):
        async def start(self) -> None:
            raise Unavailable("connection refused")

    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: Away())
    result = run("mug")
    assert result.exit_code == 3
    assert "the graph is away: connection refused" in result.output


def test_near_ids_are_at_most_five_the_nearest_first() -> None:
    known = [f"85123{letter}" for letter in "ABCDEFG"]
    assert similar_ids("85123a", known)[0] == "85123A"
    assert len(similar_ids("85123", known)) == 5
    assert similar_ids("mug", ["MUG", "Mug", "lamp"]) == ["MUG", "Mug"]


@pytest.mark.parametrize(
    ("item_id", "expected"), [("", "0123"), ("3x", "2345"), ("z", "6789"), ("0", "0123"), ("9", "6789")]
)
def test_of_very_many_ids_those_around_are_compared(
    item_id: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_views, "_LOOKED_THROUGH", 4)
    assert "".join(neighbours(item_id, "0123456789")) == expected
    assert "".join(neighbours(item_id, "012")) == "012"


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(item_views)
    assert result.attempted > 0
    assert result.failed == 0
