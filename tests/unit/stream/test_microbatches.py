"""How what has gathered is cut into micro-batches, and that the cuts, and ending early, leave no trace."""

from typing import Any

import pytest

from graph.model import Interaction, Kind
from stream.agents.interest import InterestAgent
from stream.bundles import FORMAT, Bundle, Entry
from stream.microbatch import Part, Parts, micro_batches, users_of
from tests.integration.shop import make_shop
from tests.unit.stream.test_pipeline import NOW, check, rest, running, send, send_catalogue, settings

__all__ = ["settings"]  # the fixture


def part(offset: int, users: str, refresh: tuple[str, ...] = ()) -> Part:
    entries = tuple(
        Entry(0, offset, i, NOW, Interaction(f"e{offset}-{i}", Kind.VIEW, user, "i", NOW))
        for i, user in enumerate(users)
    )
    return Part(offset, Bundle(FORMAT, ("s",), entries, refresh))


def offsets(batches: list[Parts]) -> list[dict[int, list[int]]]:
    return [{p: [part.offset for part in parts] for p, parts in batch.items()} for batch in batches]


def test_many_events_of_few_users_are_one_batch() -> None:
    stream = [(0, part(n, "abab")) for n in range(5)]
    assert offsets(list(micro_batches(stream, 1000, 2))) == [{0: [0, 1, 2, 3, 4]}]


def test_a_batch_ends_before_it_has_too_many_users() -> None:
    stream = [(0, part(0, "ab")), (0, part(1, "bc")), (0, part(2, "cd")), (1, part(0, "e"))]
    assert offsets(list(micro_batches(stream, 1000, 3))) == [{0: [0, 1]}, {0: [2], 1: [0]}]


def test_users_to_refresh_count_too() -> None:
    stream = [(0, part(0, "a", ("b", "c"))), (0, part(1, "", ("d",)))]
    assert offsets(list(micro_batches(stream, 1000, 3))) == [{0: [0]}, {0: [1]}]


def test_a_batch_ends_before_it_has_too_many_events() -> None:
    stream = [(0, part(n, "aaa")) for n in range(4)]
    assert offsets(list(micro_batches(stream, 7, 1000))) == [{0: [0, 1]}, {0: [2, 3]}]


def test_a_bundle_is_never_cut() -> None:
    stream = [(0, part(0, "abcdef")), (0, part(1, "a"))]
    assert offsets(list(micro_batches(stream, 2, 2))) == [{0: [0]}, {0: [1]}]


async def test_a_batch_that_ends_early_goes_on_where_its_ledgers_are(settings: Any) -> None:
    """Every micro-batch is told to be the last of what is in hand; the rest is read again, as after a rebalance."""
    few = settings.model_copy(update={"worker": settings.worker.model_copy(update={"max_batch_users": 4})})
    shop = make_shop(3, 300, users=25, items=40, categories=6, now=NOW)
    async with running(few, max_records=1000) as pipeline:
        agent = next(agent for agent in pipeline.agents if isinstance(agent, InterestAgent))
        apply_slice, sizes = agent._apply_slice, []

        async def hurried(parts: Parts) -> None:
            sizes.append(len(users_of(parts)))
            await apply_slice(parts)
            agent.hurry()

        patch = pytest.MonkeyPatch()
        patch.setattr(agent, "_apply_slice", hurried)
        send_catalogue(pipeline, shop)
        for message in shop.messages:  # a bundle each, and all of them in hand at once
            send(pipeline, shop, [message])
            await pipeline.step(pipeline.agents[1])
        topic, partitions = settings.topics.bundles, range(settings.topics.partitions)
        while True:
            applied = [max(agent.ledgers[p].applied, 0) for p in partitions]
            if applied == [len(log) for log in pipeline.log.topics[topic]]:
                break
            before = len(sizes)
            pipeline._positions[topic] = applied
            await pipeline.step(agent)
            assert len(sizes) == before + 1
        patch.undo()
        assert max(sizes) <= 4 < len(sizes)
        await rest(pipeline)
        await check(pipeline, shop)
