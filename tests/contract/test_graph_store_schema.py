"""What a graph remembers of the topics it was built with."""

import asyncio

import pytest

from graph.store import GraphStore, Refused
from tests.contract.conftest import OpenStore
from tests.contract.graph_calls import Writer, user


async def test_the_schema_may_be_made_twice_and_topics_added(store: GraphStore, writer: Writer) -> None:
    await writer.users(user())
    await store.ensure_schema({"bundles": 4})
    await store.ensure_schema({"transitions": 8})
    await store.ensure_schema({"transitions": 8, "bundles": 4})
    assert await store.user_ids("", 10) == ["u1"]


async def test_another_partition_count_is_refused_naming_the_way_out(store: GraphStore) -> None:
    await store.ensure_schema({"transitions": 8})
    with pytest.raises(Refused, match=r"bundles has 5 partitions.*built with 4.*replay") as caught:
        await store.ensure_schema({"bundles": 5, "transitions": 8, "added": 1})
    assert "transitions" not in str(caught.value)
    await store.ensure_schema({"added": 2, "bundles": 4})


async def test_several_processes_may_make_the_schema_at_once(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(4)]
    await asyncio.gather(*(store.ensure_schema({"bundles": 4, f"topic {i}": i}) for i, store in enumerate(stores)))
    for index, store in enumerate(stores):
        with pytest.raises(Refused):
            await store.ensure_schema({f"topic {index}": 9})


async def test_it_can_be_closed_twice_and_asked_whether_it_answers(store: GraphStore) -> None:
    await store.ping()
    await store.close()
    await store.close()
