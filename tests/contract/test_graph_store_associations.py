"""Associations: opaque states by key, edges upserted and dropped, one order in every view."""

import pytest

from graph.model import AssociationEdge, Family
from graph.snapshot import snapshot
from graph.store import GraphStore, MissingNodes, StaleLedger, StoreError
from tests.contract.graph_calls import LEDGER, NOW, Writer, association, move

VIEWED, BOUGHT = Family.VIEWED_NEXT, Family.BOUGHT_NEXT


async def test_states_are_kept_byte_for_byte_and_an_empty_one_is_deleted(store: GraphStore, writer: Writer) -> None:
    states = {"category|A": b"\x00\x01\xff", "item|i1": bytes(range(256)) * 200}
    await writer.associations(states=states)
    assert await store.load_associations([*states, "item|i9"]) == states
    await writer.associations(states={"category|A": b"", "item|i9": b"", "item|i1": b"new"})
    assert await store.load_associations([*states, "item|i9"]) == {"item|i1": b"new"}
    assert await store.load_associations([]) == {}


async def test_an_edge_comes_back_exactly(store: GraphStore, writer: Writer) -> None:
    edges = [
        AssociationEdge(VIEWED, "A", "B", 0.1 + 0.2, 7, 1 / 3, 12.000000000000002, NOW),
        AssociationEdge(BOUGHT, "A", "B", 1e-12, 1, 0.0, 0.0, 1),
    ]
    await writer.associations(edges)
    assert await store.association_edges() == [edges[1], edges[0]]


async def test_edges_are_upserted_and_dropped(store: GraphStore, writer: Writer) -> None:
    await writer.associations(
        [association(VIEWED, "A", "B"), association(VIEWED, "A", "C"), association(BOUGHT, "A", "B")]
    )
    await writer.associations(
        [association(VIEWED, "A", "B", 9.0, NOW + 1), association(VIEWED, "B", "A")],
        dropped=[association(VIEWED, "A", "C"), association(BOUGHT, "C", "A"), association(BOUGHT, "Nowhere", "A")],
    )
    assert await store.association_edges() == [
        association(BOUGHT, "A", "B"),
        association(VIEWED, "A", "B", 9.0, NOW + 1),
        association(VIEWED, "B", "A"),
    ]


async def test_one_family_is_dropped_without_the_other(store: GraphStore, writer: Writer) -> None:
    await writer.associations([association(VIEWED, "A", "B"), association(BOUGHT, "A", "B")])
    await writer.associations(dropped=[association(BOUGHT, "A", "B")])
    assert await store.association_edges() == [association(VIEWED, "A", "B")]


async def test_an_edge_both_dropped_and_given_stays(store: GraphStore, writer: Writer) -> None:
    await writer.associations([association(VIEWED, "A", "B")])
    await writer.associations([association(VIEWED, "A", "B", 2.0)], dropped=[association(VIEWED, "A", "B")])
    assert await store.association_edges() == [association(VIEWED, "A", "B", 2.0)]


async def test_a_category_may_lead_to_itself(store: GraphStore, writer: Writer) -> None:
    await writer.associations([association(VIEWED, "A", "A")])
    await writer.associations([association(VIEWED, "A", "A", 2.0)])
    view = await store.view_category("A")
    assert view is not None
    assert view.outgoing == view.incoming == [association(VIEWED, "A", "A", 2.0)]


async def test_a_category_shows_what_leaves_and_reaches_it_in_one_order(store: GraphStore, writer: Writer) -> None:
    edges = [
        association(family, source, target)
        for family in (VIEWED, BOUGHT)
        for source, target in [("B", "C"), ("B", "A"), ("A", "B"), ("C", "B"), ("A", "C")]
    ]
    await writer.associations(edges)
    view = await store.view_category("B")
    assert view is not None
    assert [(edge.family, edge.target) for edge in view.outgoing] == [
        (BOUGHT, "A"),
        (BOUGHT, "C"),
        (VIEWED, "A"),
        (VIEWED, "C"),
    ]
    assert [(edge.family, edge.source) for edge in view.incoming] == [
        (BOUGHT, "A"),
        (BOUGHT, "C"),
        (VIEWED, "A"),
        (VIEWED, "C"),
    ]
    assert await store.association_edges() == sorted(edges, key=lambda e: (e.family, e.source, e.target))
    assert await store.view_category("Nowhere") is None


async def test_a_missing_category_rolls_everything_back(store: GraphStore, writer: Writer) -> None:
    await writer.associations([association(VIEWED, "A", "B")], states={"k": b"1"})
    before = await snapshot(store)
    edges = [association(VIEWED, "A", "B", 5.0), association(BOUGHT, "X", "A"), association(VIEWED, "A", "Y")]
    with pytest.raises(MissingNodes) as caught:
        await store.apply_associations(writer.next(), {"k": b"2"}, edges, [association(VIEWED, "A", "B")])
    assert (caught.value.categories, caught.value.items) == (["X", "Y"], [])
    assert await snapshot(store) == before
    assert await store.load_associations(["k"]) == {"k": b"1"}


async def test_a_stale_flush_writes_nothing(store: GraphStore, writer: Writer) -> None:
    await writer.associations([association(VIEWED, "A", "B")], states={"k": b"1"})
    with pytest.raises(StaleLedger):
        await store.apply_associations(move(-1, 3), {"k": b""}, [], [association(VIEWED, "A", "B")])
    assert await store.load_associations(["k"]) == {"k": b"1"}
    assert await store.association_edges() == [association(VIEWED, "A", "B")]
    assert (await store.read_ledgers([LEDGER]))[LEDGER].applied == 0


async def test_an_edge_given_twice_is_refused(store: GraphStore, writer: Writer) -> None:
    await store.ensure_stubs(["A", "B"], [])
    with pytest.raises(StoreError, match="twice"):
        await store.apply_associations(
            writer.next(), {"k": b"1"}, [association(VIEWED, "A", "B"), association(VIEWED, "A", "B", 2.0)], []
        )
    assert await store.load_associations(["k"]) == {}
