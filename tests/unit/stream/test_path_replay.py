"""Dead letters that come back after a fix, in memory: the graph of a clean run, however many times they are sent."""

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from graph import advance as advance_module
from graph.snapshot import GraphSnapshot, differences, snapshot
from stream import microbatch
from stream.commands.replay import Skipped, letters_to_send
from stream.pipeline import Pipeline
from stream.settings import Settings
from tests.integration.shop import Shop, make_shop
from tests.unit.stream.test_isolation import POISON, poisonous
from tests.unit.stream.test_pipeline import NOW, rest, running, send, send_catalogue, settings

__all__ = ["poisonous", "settings"]  # fixtures


class ConsumedMessage:
    """A record as confluent-kafka hands it over."""

    def __init__(self, record: ConsumerRecord) -> None:
        self._record = record

    def key(self) -> Any:
        return self._record.key

    def value(self) -> Any:
        return self._record.value

    def headers(self) -> Any:
        return list(self._record.headers)


def replay(pipeline: Pipeline, stage: str | None = None, reason: str | None = None) -> tuple[int, Counter[str]]:
    """Send the dead letters that are there now again; return how many went, and what was left out."""
    logs = pipeline.log.topics[pipeline.settings.topics.dead_letters]
    records: Iterable[Any] = [ConsumedMessage(record) for record in itertools.chain(*logs)]
    skipped = Skipped()
    count = 0
    for sending in letters_to_send(records, pipeline.settings, stage, reason, lambda *_: None, skipped):
        pipeline.log.append(sending.topic, sending.key, sending.value, headers=sending.headers)
        count += 1
    return count, skipped.causes


def take_over(pipeline: Pipeline, former: Pipeline) -> None:
    """Go on with the former pipeline's topics, as a worker does that was started with other settings."""
    for name, logs in former.log.topics.items():
        pipeline.log.topics[name][:] = [list(log) for log in logs]
    for agent in pipeline.agents:
        pipeline.skip_to(agent.topic, {p: len(log) for p, log in enumerate(former.log.topics[agent.topic])})


async def clean_graph(settings: Settings, shop: Shop) -> GraphSnapshot:
    async with running(settings) as pipeline:
        send_catalogue(pipeline, shop)
        send(pipeline, shop, shop.messages)
        await rest(pipeline)
        return await snapshot(pipeline.store)


def reasons(pipeline: Pipeline) -> Counter[str]:
    logs = pipeline.log.topics[pipeline.settings.topics.dead_letters]
    return Counter(dict(r.headers)["dlq.errors.reason"].decode() for r in itertools.chain(*logs))


@pytest.mark.parametrize("times", [1, 3])
async def test_after_a_limit_was_raised(settings: Settings, times: int) -> None:
    shop = make_shop(31, 200, users=15, now=NOW)
    strict = settings.model_copy(update={"trackers": settings.trackers.model_copy(update={"max_message_bytes": 180})})
    wanted = await clean_graph(settings, shop)
    async with running(strict) as first:
        send_catalogue(first, shop)
        send(first, shop, shop.messages)
        await rest(first)
        refused = reasons(first)["too_large"]
        assert refused > 20
        assert list(differences(await snapshot(first.store), wanted, settings.graph)) != []
        async with running(settings, store=first.store) as mended:
            take_over(mended, first)
            for n in range(times):
                count, skipped = replay(mended, reason="too_large")
                assert count == refused
                assert skipped["not_selected"] > 0
                await rest(mended)
                assert reasons(mended)["too_large"] == refused, f"refused again, the {n + 1}. time"
            assert list(differences(await snapshot(mended.store), wanted, settings.graph)) == []


async def test_after_a_defect_of_ours_was_mended(
    settings: Settings, poisonous: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters of the stage apply: decoded, isolated, and applied once the code can."""
    shop = make_shop(33, 200, users=15, now=NOW)
    for message in shop.messages:
        message.value = message.value and message.value.replace(b'"item-7"', b'"%s"' % POISON.encode())
    with monkeypatch.context() as mended_code:
        mended_code.setattr(microbatch, "advance", advance_module.advance)
        wanted = await clean_graph(settings, shop)

    async with running(settings, max_records=40) as pipeline:
        send_catalogue(pipeline, shop)
        send(pipeline, shop, shop.messages)
        await rest(pipeline)
        isolated = reasons(pipeline)["unappliable"]
        assert isolated > 0
        monkeypatch.setattr(microbatch, "advance", advance_module.advance)
        count, skipped = replay(pipeline, stage="apply")
        assert count == isolated
        assert skipped["not_selected"] == sum(reasons(pipeline).values()) - isolated
        await rest(pipeline)
        assert list(differences(await snapshot(pipeline.store), wanted, settings.graph)) == []


async def test_what_was_not_mended_comes_back_as_a_letter_and_harms_nothing(settings: Settings) -> None:
    shop = make_shop(35, 100, users=10, now=NOW)
    async with running(settings) as pipeline:
        send_catalogue(pipeline, shop)
        send(pipeline, shop, shop.messages)
        await rest(pipeline)
        before, letters = await snapshot(pipeline.store), reasons(pipeline)
        count, _ = replay(pipeline)
        assert count == sum(letters.values()) > 0
        await rest(pipeline)
        assert reasons(pipeline) == Counter({reason: 2 * n for reason, n in letters.items()})
        assert list(differences(await snapshot(pipeline.store), before, settings.graph)) == []
