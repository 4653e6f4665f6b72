"""Users who wait for the catalogue: due once, and only while a refresh would change something."""

from collections.abc import Callable
from typing import Any

import pytest

from graph.model import ItemRow
from stream.agents.interest import InterestAgent
from stream.agents.waiting import WaitingUsers
from stream.bundles import FORMAT, ItemRecord
from stream.encoding import load_encoders
from stream.knowledge import EVERY_ITEM, Knowledge
from stream.pipeline import Pipeline
from tests.integration.shop import answers, make_shop
from tests.unit.stream.checking_shop import NOW, running, shop_settings, world_of


@pytest.fixture
def knowledge() -> Knowledge:
    settings = shop_settings()
    return Knowledge(load_encoders(settings.encoder).user, settings.graph, quiet_seconds=0.0)


def arrive(knowledge: Knowledge, item_id: str) -> None:
    knowledge.take_item(item_id, ItemRecord(FORMAT, ItemRow(item_id, category="Home")))


def test_a_row_makes_those_due_who_wait_for_it(knowledge: Knowledge) -> None:
    waiting = WaitingUsers(knowledge)
    waiting.set("ann", 0, ["mug"])
    waiting.set("bob", 1, ["pan"])
    waiting.set("eve", 1, [EVERY_ITEM])
    arrive(knowledge, "mug")
    assert waiting.resolved() == {0: ["ann"], 1: ["eve"]}
    assert waiting.resolved() == {}


def test_a_row_that_came_before_the_wait_makes_due_at_once(knowledge: Knowledge) -> None:
    waiting = WaitingUsers(knowledge)
    arrive(knowledge, "mug")
    assert waiting.resolved() == {}
    waiting.set("ann", 0, ["mug"])
    assert waiting.resolved() == {0: ["ann"]}


def test_a_refresh_for_another_reason_ends_what_was_due(knowledge: Knowledge) -> None:
    waiting = WaitingUsers(knowledge)
    waiting.set("ann", 0, ["mug"])
    waiting.set("bob", 0, ["mug"])
    arrive(knowledge, "mug")
    knowledge.quiet_seconds = 60.0
    assert waiting.resolved() == {}
    waiting.set("ann", 0, [])
    knowledge.quiet_seconds = 0.0
    assert waiting.resolved() == {0: ["bob"]}


def while_encoding(pipeline: Pipeline, then: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen on the event loop while the encoder is at work for the first time."""
    agent = next(agent for agent in pipeline.agents if isinstance(agent, InterestAgent))
    thread = agent.refresher._thread
    run, todo = thread.run, [then]

    async def interrupted(*call: Any) -> Any:
        result = await run(*call)
        while todo:
            todo.pop()()
        return result

    monkeypatch.setattr(thread, "run", interrupted)


async def test_rows_that_arrive_while_the_encoder_works_are_not_missed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop = make_shop(3, 120, users=6, items=30, categories=6, now=NOW)
    async with running(shop_settings()) as pipeline:
        topics = pipeline.settings.topics
        for message in shop.messages:
            pipeline.log.append(topics.interactions, message.key, message.value)
        agent = {agent.topic: agent for agent in pipeline.agents}
        rows = list(shop.catalogue())
        for key, value in rows[:20]:  # enough for lists: who has none waits for any row at all
            pipeline.log.append(topics.catalogue, key, value)
        await pipeline.step(agent[topics.catalogue])
        while not any(pipeline.log.topics[topics.bundles]):
            await pipeline.step(agent[topics.interactions])
        known = set(pipeline.knowledge.records)
        for key, value in rows[20:]:
            pipeline.log.append(topics.catalogue, key, value)
        followers = pipeline._followers
        monkeypatch.setattr(pipeline, "_followers", ())
        await pipeline.step(agent[topics.catalogue])
        items = [r for log in pipeline.log.topics[topics.items] for r in log if r.key.decode() not in known]
        assert items
        while_encoding(pipeline, lambda: pipeline.knowledge.on_items(items), monkeypatch)
        await pipeline.step(agent[topics.bundles])
        assert pipeline.knowledge.records.keys() - known
        assert "halved" not in caplog.messages  # nor is the batch taken for poison
        monkeypatch.setattr(pipeline, "_followers", followers)
        await pipeline.drain()
        for user_id, answer in answers(shop).items():
            view = await pipeline.store.view_user(user_id)
            assert view is not None
            assert {interest.category for interest in view.interests} == answer.parts.keys()
        assert (await world_of(pipeline).check()).found == []
