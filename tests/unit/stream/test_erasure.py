"""Who is erased leaves no trace: not in the graph, not in what others' associations say, not in the lists."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError

from graph.model import SuccessorRecord
from stream.agents.interest import InterestAgent
from stream.bundles import (
    ERASING_FORMAT,
    FORMAT,
    Bundle,
    DeltaMessage,
    NewerFormat,
    decode_bundle,
    encode,
    erasing_bundles,
)
from stream.checking.findings import Findings
from stream.checking.log_topics import LogTopics
from stream.checking.replay import replay
from stream.partitioning import partition_of
from stream.pipeline import Log, Pipeline
from stream.recommendations import decode
from stream.settings import Settings
from tests.integration.shop import Message, Shop, make_shop
from tests.unit.stream.checking_shop import NOW, World, refresh_all, running, shop_settings, world_of

GONE = ("user-1", "user-7", "user-11")
_records = msgspec.msgpack.Decoder(SuccessorRecord)


def settings(**interest: Any) -> Settings:
    gates = {"min_users": 1, "min_log_likelihood_ratio": 0.0}
    return shop_settings(graph={"association": gates, "interest": {"max_history": 1000, **interest}})


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(11, 300, users=15, items=25, categories=5, now=NOW, malformed=0.0)


def erase(pipeline: Pipeline, *user_ids: str) -> None:
    topics = pipeline.settings.topics
    for partition, bundles in erasing_bundles(user_ids, topics.partitions).items():
        for bundle in bundles:
            pipeline.log.append(topics.bundles, None, encode(bundle), partition)


def send(pipeline: Pipeline, messages: Sequence[Message]) -> None:
    for message in messages:
        pipeline.log.append(pipeline.settings.topics.interactions, message.key, message.value)


def of(messages: Sequence[Message], *user_ids: str) -> list[Message]:
    return [one for one in messages if any(f'"{user_id}"'.encode() in (one.value or b"") for user_id in user_ids)]


async def begin(pipeline: Pipeline, shop: Shop, messages: Sequence[Message]) -> None:
    for key, value in shop.catalogue():
        pipeline.log.append(pipeline.settings.topics.catalogue, key, value)
    await pipeline.drain()
    send(pipeline, messages)
    await pipeline.drain()


def lists(pipeline: Pipeline) -> dict[str, bytes | None]:
    """Return the last record of every key."""
    records = [r for log in pipeline.log.topics[pipeline.settings.topics.recommendations] for r in log]
    return {record.key.decode(): record.value for record in records}


async def associations(pipeline: Pipeline) -> "Associations":
    """Return users and weight now of every association of items and of categories, where there are any users."""
    topics, half_life = pipeline.settings.topics, pipeline.settings.graph.association.half_life_seconds * 1000
    for partition in range(topics.partitions):
        pipeline.log.append(topics.transitions, None, encode(DeltaMessage(FORMAT, "")), partition)
    await pipeline.drain()
    found: Associations = {}
    last = {record.key: record.value for log in pipeline.log.topics[topics.associations] for record in log}
    for value in last.values():
        if not value:
            continue
        record = _records.decode(value)
        for family, successors in (("viewed", record.viewed), ("bought", record.bought)):
            for one in successors:
                weight = one.weight * 2.0 ** ((record.updated_at - NOW) / half_life)
                if one.users or weight > 1e-9:
                    found[record.level.value, family, record.source, one.target] = one.users, weight
    return found


Associations = dict[tuple[str, ...], tuple[int, float]]


def alike(found: Associations, wanted: Associations) -> None:
    assert found.keys() == wanted.keys()
    for pair, (distinct, weight) in wanted.items():
        assert found[pair][0] == distinct
        assert found[pair][1] == pytest.approx(weight, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("in_between", [0, 120, 300])
async def test_the_shop_is_as_if_they_had_never_been(shop: Shop, in_between: int) -> None:
    """``in_between``: how many messages come after the erasure; of those whom it is about, none."""
    later = shop.messages[len(shop.messages) - in_between :] if in_between else []
    later_others = [message for message in later if message not in of(later, *GONE)]
    before = shop.messages[: len(shop.messages) - len(later)]
    async with running(settings()) as pipeline:
        await begin(pipeline, shop, before)
        erase(pipeline, *GONE)
        send(pipeline, later_others)
        await pipeline.drain()
        found = await associations(pipeline)
        users = set(await pipeline.store.user_ids("", 1000))
    async with running(settings()) as other:
        await begin(other, shop, [message for message in before if message not in of(before, *GONE)])
        send(other, later_others)
        await other.drain()
        wanted = await associations(other)
        assert users == set(await other.store.user_ids("", 1000))
    alike(found, wanted)
    assert len(found) > 20


async def test_nothing_is_left_of_them_and_subscribers_are_told(shop: Shop) -> None:
    async with running(settings()) as pipeline:
        await begin(pipeline, shop, shop.messages)
        assert all(lists(pipeline)[user_id] for user_id in GONE)
        others = {user_id: value for user_id, value in lists(pipeline).items() if user_id not in GONE}
        erase(pipeline, *GONE)
        await pipeline.drain()
        for user_id in GONE:
            assert await pipeline.store.view_user(user_id) is None
            assert lists(pipeline)[user_id] is None
        assert await pipeline.store.load_users(GONE) == {}
        assert {u: v for u, v in lists(pipeline).items() if u not in GONE} == others
        assert pipeline.metrics.erased._value.get() == len(GONE)


async def test_what_they_do_later_begins_anew(shop: Shop) -> None:
    async with running(settings()) as pipeline:
        await begin(pipeline, shop, shop.messages)
        before = await pipeline.store.view_user("user-1")
        assert before is not None
        value = lists(pipeline)["user-1"]
        assert value is not None
        version = decode(value).version
        erase(pipeline, "user-1")
        again = {
            "event_id": "later",
            "kind": "view",
            "user_id": "user-1",
            "item_id": "item-1",
            "occurred_at": NOW - 1000,
        }
        send(pipeline, [Message(None, msgspec.json.encode(again))])
        await pipeline.drain()
        view = await pipeline.store.view_user("user-1")
        assert view is not None
        assert view.events == 1 < before.events
        assert [touch.item_id for touch in view.touches] == ["item-1"]
        newest = lists(pipeline)["user-1"]
        assert newest is not None
        assert decode(newest).version > version


async def test_somebody_whom_only_the_lists_know_is_erased_there(shop: Shop) -> None:
    async with running(settings()) as pipeline:
        await begin(pipeline, shop, shop.messages[:50])
        pipeline.log.append(pipeline.settings.topics.recommendations, b"stranger", b"{}")
        erase(pipeline, "stranger")
        await pipeline.drain()
        assert lists(pipeline)["stranger"] is None
        assert await pipeline.store.view_user("stranger") is None


async def test_an_erasure_in_one_batch_with_what_came_before_and_after(shop: Shop) -> None:
    """The border of batches leaves no trace: all three bundles at once, or one after the other."""
    found = []
    for together in (True, False):
        async with running(settings(), max_records=1000 if together else 1) as pipeline:
            await begin(pipeline, shop, shop.messages[:100])
            send(pipeline, of(shop.messages[100:200], "user-1"))
            if not together:
                await pipeline.drain()
            await pipeline.step(pipeline.agents[1])  # intake has made bundles of it, nobody has applied them
            erase(pipeline, "user-1")
            send(pipeline, of(shop.messages[200:], "user-1"))
            await pipeline.drain()
            view = await pipeline.store.view_user("user-1")
            assert view is not None
            found.append((view.events, view.interests, view.touches, await associations(pipeline)))
    assert found[0][:3] == found[1][:3]
    alike(found[0][3], found[1][3])


async def test_who_died_before_publishing_says_so_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(settings()) as pipeline:
        await begin(pipeline, shop, shop.messages)
        agent = pipeline.agents[2]
        assert isinstance(agent, InterestAgent)
        publish = agent.publisher.publish

        async def away(messages: Any, again: Any = None) -> None:
            raise KafkaConnectionError

        erase(pipeline, "user-1")
        monkeypatch.setattr(agent.publisher, "publish", away)
        with pytest.raises(KafkaConnectionError):
            await pipeline.drain()
        assert await pipeline.store.view_user("user-1") is None
        assert lists(pipeline)["user-1"] is not None
        monkeypatch.setattr(agent.publisher, "publish", publish)
        await agent.assigned(frozenset(range(pipeline.settings.topics.partitions)))
        await pipeline.drain()
        assert lists(pipeline)["user-1"] is None
        assert await pipeline.store.view_user("user-1") is None


def test_a_worker_that_cannot_erase_refuses_the_bundle() -> None:
    ((_, (bundle,)),) = erasing_bundles(["user-1"], 1).items()
    assert bundle.format == ERASING_FORMAT > FORMAT
    assert decode_bundle(encode(bundle)) == bundle
    with pytest.raises(NewerFormat, match="format 3"):
        decode_bundle(encode(msgspec.structs.replace(bundle, format=ERASING_FORMAT + 1)))
    assert decode_bundle(encode(Bundle(FORMAT, (), (), ("user-1",)))).erase == ()


# -- the checker ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def erased(shop: Shop) -> World:
    async def run() -> World:
        async with running(shop_settings(), max_records=17) as pipeline:
            await begin(pipeline, shop, shop.messages[:200])
            erase(pipeline, *GONE)
            send(pipeline, of(shop.messages[200:], "user-7", "user-2", "user-3"))
            await refresh_all(pipeline)
            return world_of(pipeline)

    return asyncio.run(run())


@pytest.fixture
def world(erased: World) -> World:
    return erased.copy()


async def test_the_checker_finds_nothing_wrong_after_an_erasure(world: World) -> None:
    report = await world.check(lists=True)
    assert report.found == []
    assert report.ok
    assert report.at_rest


async def test_the_checker_finds_a_list_of_somebody_erased(world: World) -> None:
    topic, log = world.settings.topics.recommendations, world.log
    partition = partition_of("user-1", world.settings.topics.partitions)
    (last,) = [r.value for r in log.topics[topic][partition] if r.key == b"user-1" and r.value][-1:]
    log.append(topic, b"user-1", last)
    assert [(one.where, one.what) for one in await world.found()] == [("user user-1", "is erased, and has a list")]


async def test_the_checker_finds_somebody_erased_in_the_graph(world: World) -> None:
    some = world.store._users["user-2"]
    world.store._users["user-1"] = msgspec.structs.replace(some, user_id="user-1", interests=(), touches=())
    assert ("user user-1", "is erased, and in the graph") in [(one.where, one.what) for one in await world.found()]


def test_only_who_was_erased_and_did_not_come_back_is_taken_for_erased(world: World) -> None:
    """A log that retention has cut begins with refreshes of users whose events are gone: they are no erased ones."""
    ((_, (gone,)),) = erasing_bundles(["went"], 1).items()
    bundles = [Bundle(FORMAT, (), (), ("refreshed",)), gone]
    log = Log({"bundles": 1}, lambda: NOW)
    for bundle in bundles:
        log.append("bundles", None, encode(bundle), 0)
    records = LogTopics(log, {}).records("bundles", 0, 0, 2)
    graph = world.settings.graph
    done = replay(records, lambda *_: False, lambda _: None, graph, Findings(limit=10), lambda *_: None)
    assert done.users.keys() == {"refreshed", "went"}
    assert done.asked_to_go == {"went"}
