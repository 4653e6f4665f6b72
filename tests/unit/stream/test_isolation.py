"""A message that fails after it was decoded: alone among the dead letters, its neighbours applied."""

from collections.abc import Iterable
from typing import Any

import pytest

from graph import advance as advance_module
from graph.interest import touches
from graph.model import Interaction
from stream import microbatch
from stream.agents.isolation import MOST_IN_A_ROW
from stream.deadletter import parse_dead_letter
from stream.pipeline import Pipeline
from stream.refresher import RefreshedUser
from tests.integration.shop import answers, make_shop
from tests.unit.stream.test_pipeline import NOW, associations, rest, running, send, send_catalogue, settings, users

__all__ = ["settings"]  # the fixture

POISON = "poison"


@pytest.fixture
def poisonous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whenever an interaction with a certain item is applied."""
    real = advance_module.advance

    def failing(state: Any, interactions: Iterable[Interaction], *others: Any) -> Any:
        interactions = list(interactions)
        if any(interaction.item_id == POISON for interaction in interactions):
            raise ZeroDivisionError("nobody can apply this")
        return real(state, interactions, *others)

    monkeypatch.setattr(microbatch, "advance", failing)


def add_poison(pipeline: Pipeline, n: int, partition: int | None = None) -> None:
    value = b'{"event_id": "p%d", "kind": "view", "user_id": "user-%d", "item_id": "poison", "occurred_at": %d}' % (
        n,
        n % 7,
        NOW - n,
    )
    pipeline.log.append(pipeline.settings.topics.interactions, b"k%d" % n, value, partition)


def letters(pipeline: Pipeline) -> list[tuple[str, str, int, int]]:
    records = [r for log in pipeline.log.topics[pipeline.settings.topics.dead_letters] for r in log]
    parsed = [parse_dead_letter(record.headers) for record in records]
    return sorted((p.stage, p.reason, p.partition, p.offset) for p in parsed if p.stage == "apply")


@pytest.mark.parametrize("max_records", [1, 7, 500])
async def test_poison_is_isolated_and_its_neighbours_are_applied(
    poisonous: None, max_records: int, settings: Any
) -> None:
    shop = make_shop(6, 150, users=12, now=NOW)
    async with running(settings, max_records=500) as clean:
        send_catalogue(clean, shop)
        send(clean, shop, shop.messages)
        await rest(clean)
        wanted, wanted_edges = await users(clean), await associations(clean)

    async with running(settings, max_records=max_records) as pipeline:
        send_catalogue(pipeline, shop)
        places = []
        for n, message in enumerate(shop.messages):
            if n in (0, 40, 41, len(shop.messages) - 1):
                log = pipeline.log.topics[settings.topics.interactions][n % 3]
                places.append(("apply", "unappliable", n % 3, len(log)))
                add_poison(pipeline, n, n % 3)
            send(pipeline, shop, [message])
        await rest(pipeline)
        assert letters(pipeline) == sorted(places)
        found = await users(pipeline)
        assert found.keys() == wanted.keys() == answers(shop).keys()
        for user_id, view in found.items():
            assert view.events == wanted[user_id].events
            assert [i.category for i in view.interests] == [i.category for i in wanted[user_id].interests]
        assert (await associations(pipeline)).keys() == wanted_edges.keys()


async def test_a_list_that_cannot_be_encoded_is_of_one_message(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The commit must not have happened by then: an event that is applied may not end among the dead letters."""
    real = RefreshedUser.message

    def failing(refreshed: RefreshedUser, *others: Any) -> bytes:
        if any(touch.item_id == POISON for touch in touches(refreshed.user.state)):
            raise ZeroDivisionError("nobody can encode this")
        return real(refreshed, *others)

    monkeypatch.setattr(RefreshedUser, "message", failing)
    shop = make_shop(6, 60, users=12, now=NOW)
    async with running(settings, max_records=500) as pipeline:
        send_catalogue(pipeline, shop)
        add_poison(pipeline, 1, 0)
        send(pipeline, shop, shop.messages)
        await rest(pipeline)
        assert letters(pipeline) == [("apply", "unappliable", 0, 0)]
        found = await users(pipeline)
        assert {user_id: view.events for user_id, view in found.items()} == {
            user_id: answer.events for user_id, answer in answers(shop).items()
        }


async def test_the_dead_letter_is_the_message_byte_for_byte(poisonous: None, settings: Any) -> None:
    async with running(settings) as pipeline:
        add_poison(pipeline, 1)
        await rest(pipeline)
        (sent,) = [r for log in pipeline.log.topics[settings.topics.interactions] for r in log]
        (letter,) = [r for log in pipeline.log.topics[settings.topics.dead_letters] for r in log]
        assert (letter.key, letter.value) == (sent.key, sent.value)
        assert await users(pipeline) == {}


async def test_a_defect_of_ours_does_not_drain_the_log_into_the_dead_letters(poisonous: None, settings: Any) -> None:
    async with running(settings) as pipeline:
        for n in range(MOST_IN_A_ROW + 10):
            add_poison(pipeline, n)
        with pytest.raises(ZeroDivisionError):
            await rest(pipeline)
        assert len(letters(pipeline)) <= MOST_IN_A_ROW
