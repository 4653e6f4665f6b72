"""The checker finds nothing in what the product makes, whatever the order, the batches, the crashes and the log."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord

from graph.memory_store import MemoryGraphStore
from graph.snapshot import differences, snapshot
from graph.state import decode_state, encode_state
from stream.agents import interest as interest_agent
from stream.checking.check import Step, check
from stream.checking.log_topics import LogTopics
from stream.deadletter import parse_dead_letter
from stream.microbatch import Advanced, Parts, advance_users
from stream.pipeline import Log, Pipeline
from stream.publisher import Outgoing
from stream.ranker_file import load_weights
from stream.recommendations import NextVisit
from stream.recommendations import decode as decode_list
from stream.recommendations import encode as encode_list
from tests.integration.shop import make_shop
from tests.unit.stream.checking_shop import (
    NOW,
    QUICK,
    World,
    change_user,
    changed,
    make_world,
    make_world_now,
    refresh_all,
    running,
    shop_settings,
    silent,
    world_of,
)

GATES: dict[str, Any] = {"min_users": 2, "min_log_likelihood_ratio": 0.0}
TIGHT = {"interest": {"max_history": 6, "max_items": 4, "max_purchases": 2}, "association": GATES}


@pytest.fixture(scope="module")
def run() -> World:
    return make_world_now(shop_settings())


@pytest.fixture
def world(run: World) -> World:
    return run.copy()


def alter_next_visit(world: World, change: Callable[[NextVisit], NextVisit | None]) -> str:
    """Change the lists for the next visit of some user's last record; return the user."""
    for records in world.log.topics[world.settings.topics.recommendations]:
        if not records:
            continue
        read = decode_list(records[-1].value)
        assert read.next_visit is not None
        if not read.next_visit.up_sell:
            continue
        altered = msgspec.structs.replace(read, next_visit=change(read.next_visit))
        records[-1] = changed(records[-1], value=encode_list(altered))
        return read.user_id
    raise AssertionError("no list")


def renamed(visit: NextVisit) -> NextVisit:
    """Let the first and the last item change their names: the scores stand where they stood."""
    first, *between, last = visit.cross_sell
    assert first.score - last.score > 0.01
    others = (
        msgspec.structs.replace(first, item_id=last.item_id),
        *between,
        msgspec.structs.replace(last, item_id=first.item_id),
    )
    return msgspec.structs.replace(visit, cross_sell=others)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: None, "lists for the next visit"),
        (lambda visit: msgspec.structs.replace(visit, ranker="fixed-other"), "next_visit: another ranker made it"),
        (
            lambda visit: msgspec.structs.replace(visit, cross_sell=visit.cross_sell[:-1]),
            "next_visit: crossSell is not what ranking gives",
        ),
        (
            lambda visit: msgspec.structs.replace(visit, up_sell=visit.up_sell[:-1]),
            "next_visit: upSell is not what ranking gives",
        ),
        (lambda visit: renamed(visit), "next_visit: crossSell is not what ranking gives"),
    ],
)
async def test_other_lists_for_the_next_visit_are_found(
    world: World, change: Callable[[NextVisit], NextVisit | None], said: str
) -> None:
    user_id = alter_next_visit(world, change)
    found = (await world.check(lists=True)).found
    assert [difference.what for difference in found] == [said]
    assert found[0].where.startswith(f"user {user_id}: last list ")


async def test_a_run_without_faults_has_no_differences(world: World) -> None:
    report = await world.check(lists=True)
    assert report.found == []
    assert report.ok
    assert report.at_rest
    assert not report.moved
    assert not report.undecided
    assert not report.gaps
    for code, verdict in report.invariants.items():
        assert verdict.checked, code


async def test_lists_of_another_ranker_are_named_not_compared(world: World) -> None:
    lists = world.settings.graph.lists.model_copy(update={"popularity_feature": 0.2})
    world.settings = world.settings.model_copy(
        update={"graph": world.settings.graph.model_copy(update={"lists": lists})}
    )
    report = await world.check(lists=True)
    assert report.found
    assert {difference.what for difference in report.found} == {"another ranker made it"}
    assert {difference.found for difference in report.found} == {load_weights(shop_settings().graph).version}


async def test_every_source_record_is_accounted_for(world: World) -> None:
    report = await world.check()
    topics = world.settings.topics
    assert report.source.records == len(world.records(topics.interactions))
    assert report.source.dead_letters == len(world.records(topics.dead_letters)) > 0
    assert report.source.interactions == report.events["applied"] + report.events["duplicates"]
    assert report.events["applied"] == sum(user.events for user in world.store._users.values())


async def go_on(
    pipeline: Pipeline, logs: Mapping[str, Sequence[Sequence[ConsumerRecord]]], *, intake_again: bool = False
) -> None:
    """Let a pipeline take up what another one left, by the ledgers; intake goes on at the end, or begins again."""
    for name, records in logs.items():
        for mine, theirs in zip(pipeline.log.topics[name], records, strict=True):
            mine[:] = theirs
    for agent in pipeline.agents:
        held = await agent.positions(frozenset(range(pipeline.settings.topics.partitions)))
        ends = {partition: len(records) for partition, records in enumerate(logs[agent.topic])}
        pipeline.skip_to(agent.topic, {**({} if intake_again else ends), **(held or {})})
    await pipeline.drain()


# -- the order of arrival, and the catalogue's ------------------------------------------------------------------------


async def test_what_exceeds_the_bounds_is_recomputed_in_the_order_in_which_it_came() -> None:
    report = await (await make_world(shop_settings(graph=TIGHT))).check(lists=True)
    assert (report.found, report.undecided) == ([], {})


@pytest.mark.parametrize("graph", [{"association": GATES}, TIGHT], ids=["within bounds", "beyond bounds"])
async def test_a_late_catalogue_is_no_difference(graph: dict[str, Any]) -> None:
    report = await (await make_world(shop_settings(graph=graph), catalogue_after=120)).check(lists=True)
    assert report.found == []
    left = any("have left histories" in cause for cause in report.undecided)
    assert left == (graph is TIGHT), "what left a full history before its category was known cannot be compared"


async def test_after_a_late_catalogue_weights_are_still_compared_with_what_was_sent() -> None:
    world = await make_world(shop_settings(graph=TIGHT), catalogue_after=120)
    family, source, target = key = min(world.store._associations)
    edge = world.store._associations[key]
    world.store._associations[key] = msgspec.structs.replace(edge, weight=edge.weight * 1.001)
    (difference,) = await world.found()
    assert difference.where == f"category association {source} -{family.value}-> {target}"


async def test_a_category_that_changed_is_behind_until_the_users_are_refreshed(world: World) -> None:
    """Docs: the contributions move at the user's next event or refresh."""
    settings = world.settings
    async with running(settings, store=world.store) as pipeline:
        await go_on(pipeline, world.log.topics)
        row = msgspec.json.decode(world.records(settings.topics.catalogue)[0].value)
        moved = msgspec.json.encode({**row, "category": "Shop > Elsewhere"})
        pipeline.log.append(settings.topics.catalogue, row["item_id"].encode(), moved)
        await pipeline.drain()
        behind = await world_of(pipeline).check()
        assert behind.found == []
        assert "users whose items changed their category since their last refresh" in behind.undecided
        await refresh_all(pipeline)
        after = await world_of(pipeline).check(lists=True)
        assert after.found == []
        assert "users whose items changed their category since their last refresh" not in after.undecided


# -- crashes ----------------------------------------------------------------------------------------------------------


class CutOff:
    """A publisher whose worker dies: from the n-th publication on, nothing reaches the log."""

    def __init__(self, log: Log, after: int) -> None:
        self._log = log
        self._left = after

    async def publish(self, messages: Sequence[Outgoing], again: object = None) -> None:
        self._left -= 1
        if self._left < 0:
            half = messages[: len(messages) // 2]  # some of it may have got through
            await self._log.publish(half)
            raise ConnectionError("the worker died")
        await self._log.publish(messages)


@pytest.mark.parametrize("died_after", [1, 4, 9, 13])
async def test_a_worker_that_dies_anywhere_leaves_no_difference(died_after: int) -> None:
    settings = shop_settings()
    topics, store = settings.topics, MemoryGraphStore()
    shop = make_shop(3, 200, users=15, items=30, categories=6, now=NOW)
    async with running(settings, store=store, max_records=17) as first:
        for key, value in shop.catalogue():
            first.log.append(topics.catalogue, key, value)
        await first.drain()
        for message in shop.messages:
            first.log.append(topics.interactions, message.key, message.value)
        cut_off = CutOff(first.log, died_after)
        for agent in first.agents:
            agent.publisher = agent._publisher = cut_off  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await first.drain()
        logs = first.log.topics
    async with running(settings, store=store, max_records=23) as second:
        await go_on(second, logs, intake_again=True)
        await refresh_all(second)
        report = await world_of(second).check(lists=True)
    assert report.found == []
    assert report.source.interactions == report.events["applied"] + report.events["duplicates"]


async def test_users_whose_outbox_is_published_again_still_wait_for_the_catalogue() -> None:
    """The catalogue comes between a worker's death and the next claim: category transitions must not be forgotten."""
    settings = shop_settings()
    topics, store = settings.topics, MemoryGraphStore()
    shop = make_shop(3, 120, users=6, items=30, categories=6, now=NOW)
    async with running(settings, store=store) as first:
        for message in shop.messages:
            first.log.append(topics.interactions, message.key, message.value)
        await first.drain()
        for key, value in shop.catalogue():
            first.log.append(topics.catalogue, key, value)
        await first.step(next(agent for agent in first.agents if agent.topic == topics.catalogue))
        logs = first.log.topics
    async with running(settings, store=store) as second:
        await go_on(second, logs)
        assert (await world_of(second).check()).found == []


async def test_a_zombies_late_list_is_fine_once_a_higher_version_followed(world: World) -> None:
    topic = world.settings.topics.recommendations
    last = next(records for records in world.log.topics[topic] if records)[-1]
    read = decode_list(last.value)
    for version in (read.version - 1, read.version + 1):
        world.log.append(topic, last.key, msgspec.json.encode(msgspec.structs.replace(read, version=version)))
    change_user(world.store, read.user_id, version=read.version + 1)
    report = await world.check()
    assert report.found == []
    assert report.lists["went_back"] == 1


class Sabotage:
    """Makes interest fail at one event, as a defect of ours would."""

    def __init__(self, event_id: str) -> None:
        self._event_id = event_id

    def __call__(self, parts: Parts, *arguments: Any) -> Advanced:
        for batch in parts.values():
            for part in batch:
                if any(entry.interaction.event_id == self._event_id for entry in part.bundle.entries):
                    raise ZeroDivisionError
        return advance_users(parts, *arguments)


async def test_a_message_that_was_isolated_is_named_unless_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = shop_settings()
    shop = make_shop(3, 150, users=15, items=30, categories=6, now=NOW, duplicates=0.0)
    poison = shop.good[40]["event_id"]
    monkeypatch.setattr(interest_agent, "advance_users", Sabotage(poison))
    async with running(settings) as pipeline:
        for key, value in shop.catalogue():
            pipeline.log.append(settings.topics.catalogue, key, value)
        for message in shop.messages:
            pipeline.log.append(settings.topics.interactions, message.key, message.value)
        await refresh_all(pipeline)
        world = world_of(pipeline)
        (difference,) = await world.found()
        known = await world.check(dataclasses.replace(QUICK, accept_unappliable=True))
    assert difference.invariant == "I10"
    assert "isolated as unappliable" in difference.what
    assert known.found == []
    assert known.source.unappliable == 1


async def test_dead_letters_that_were_mended_and_sent_again_lead_to_a_clean_run() -> None:
    """I9: refused under rules that were too strict, sent again byte for byte under better ones."""
    strict, better = shop_settings(trackers={"max_message_bytes": 200}), shop_settings()
    topics, store = better.topics, MemoryGraphStore()
    shop = make_shop(5, 150, users=15, items=30, categories=6, now=NOW)
    async with running(strict, store=store) as first:
        for key, value in shop.catalogue():
            first.log.append(topics.catalogue, key, value)
        for message in shop.messages:
            first.log.append(topics.interactions, message.key, message.value)
        await refresh_all(first)
        clean = await world_of(first).check()
        logs = first.log.topics
    refused = [
        r for log in logs[topics.dead_letters] for r in log if parse_dead_letter(r.headers).reason == "too_large"
    ]
    assert refused
    assert clean.found == []
    async with running(better, store=store) as second:
        await go_on(second, logs)
        unmended = await world_of(second).check()
        for record in refused:
            second.log.append(topics.interactions, record.key, record.value)
        await refresh_all(second)
        mended = await world_of(second).check(lists=True)
        graph = await snapshot(second.store)
    assert {difference.invariant for difference in unmended.found} == {"I10"}
    assert unmended.differences == len(refused)
    assert mended.found == []
    assert mended.source.replayed_letters == len(refused)
    async with running(better) as straight:
        for key, value in shop.catalogue():
            straight.log.append(topics.catalogue, key, value)
        for message in shop.messages:
            straight.log.append(topics.interactions, message.key, message.value)
        await refresh_all(straight)
        assert list(differences(graph, await snapshot(straight.store), better.graph)) == []


# -- what the broker no longer has, and what is not applied yet -------------------------------------------------------


async def test_events_that_nobody_has_taken_in_are_pending(world: World) -> None:
    world.log.append(world.settings.topics.interactions, None, b"{}", 0)
    value = world.records(world.settings.topics.interactions)[0].value
    world.log.append(world.settings.topics.interactions, None, value, 1)
    report = await world.check()
    assert (report.found, report.at_rest, report.lag["intake"]) == ([], False, 2)
    assert report.source.pending == 2


async def test_a_system_that_stands_still_in_the_middle_is_checked_up_to_there() -> None:
    settings = shop_settings()
    shop = make_shop(3, 200, users=15, items=30, categories=6, now=NOW)
    async with running(settings, max_records=3) as pipeline:
        for key, value in shop.catalogue():
            pipeline.log.append(settings.topics.catalogue, key, value)
        await pipeline.drain()
        for message in shop.messages:
            pipeline.log.append(settings.topics.interactions, message.key, message.value)
        for _ in range(3):
            for agent in pipeline.agents:
                await pipeline.step(agent)
        world = world_of(pipeline)
        world.intake = dict(enumerate(pipeline._positions[settings.topics.interactions]))
        report = await world.check()
    assert report.found == []
    assert not report.at_rest
    assert report.lag["intake"] > 0
    assert 0 < report.events["applied"] < report.source.interactions + report.source.pending


class Moving:
    """Progress of a check during which the workers go on: at a title, the world becomes a later one."""

    def __init__(self, world: World, later: World, at: str) -> None:
        self._world = world
        self._later = later
        self._at = at

    def __call__(self, title: str, total: int | None) -> AbstractContextManager[Step]:
        if title == self._at:
            self._world.log.topics.update(self._later.log.topics)
            self._world.store.__dict__.update(self._later.store.__dict__)
        return silent(title, total)


@pytest.mark.parametrize("at", ["events", "lists", "associations", "users"])
async def test_what_is_applied_during_the_check_is_not_judged(at: str) -> None:
    settings = shop_settings()
    shop = make_shop(3, 200, users=15, items=30, categories=6, now=NOW)
    async with running(settings) as pipeline:
        for key, value in shop.catalogue():
            pipeline.log.append(settings.topics.catalogue, key, value)
        for message in shop.messages[:-10]:
            pipeline.log.append(settings.topics.interactions, message.key, message.value)
        await refresh_all(pipeline)
        world = world_of(pipeline).copy()
        for message in shop.messages[-10:]:
            pipeline.log.append(settings.topics.interactions, message.key, message.value)
        await pipeline.drain()
        later = world_of(pipeline)
    topics = LogTopics(world.log, world.intake)
    report = await check(settings, world.store, topics, QUICK, Moving(world, later, at), lambda text: None)
    assert report.found == []
    assert report.moved
    assert any("during the check" in cause for cause in report.undecided)


def cut(world: World, topic: str, share: float = 0.5) -> None:
    """Let retention take the first part of a topic."""
    for records in world.log.topics[topic]:
        del records[: int(len(records) * share)]


async def test_retention_of_events_is_told_apart(world: World) -> None:
    cut(world, world.settings.topics.interactions)
    report = await world.check()
    assert report.found == []
    assert any(gap.startswith(world.settings.topics.interactions) for gap in report.gaps)


async def test_with_half_of_everything_gone_nothing_is_made_up(world: World) -> None:
    for topic in ("interactions", "bundles", "transitions", "dead_letters"):
        cut(world, getattr(world.settings.topics, topic))
    report = await world.check()
    assert report.found == []
    assert "users with events from before the log: only what it has is judged" in report.undecided


async def test_with_half_of_everything_gone_a_lost_event_is_still_found(world: World) -> None:
    for topic in ("interactions", "bundles", "transitions", "dead_letters"):
        cut(world, getattr(world.settings.topics, topic), 0.2)
    user = max(world.store._users.values(), key=lambda user: user.events)
    state = decode_state(user.state)
    state.event_ids = state.event_ids[:-8]
    change_user(world.store, user.user_id, state=encode_state(state))
    (difference,) = await world.found()
    assert (difference.invariant, difference.where) == ("I1", f"user {user.user_id}")


async def test_compaction_is_no_difference(world: World) -> None:
    """The recommendations, the items, the associations and the catalogue keep the last record per key."""
    names = world.settings.topics
    for topic in (names.recommendations, names.items, names.associations, names.catalogue):
        for records in world.log.topics[topic]:
            last = {record.key: record for record in records}
            records[:] = [record for record in records if last[record.key] is record]
    report = await world.check()
    assert report.found == []


class MadeAnew(LogTopics):
    """The interactions topic was deleted and made again: the same name, another id."""

    interactions = shop_settings().topics.interactions

    def topic_id(self, topic: str) -> str:
        return f"{topic}-again" if topic == self.interactions else topic


async def test_a_source_topic_made_anew_leaves_what_was_applied_comparable(world: World) -> None:
    topics = world.settings.topics
    good = world.records(topics.interactions)
    world.log.topics[topics.interactions] = [[] for _ in world.log.topics[topics.interactions]]
    anew = MadeAnew(world.log, {})
    report = await check(world.settings, world.store, anew, QUICK, silent, lambda text: None)
    assert report.found == []
    assert report.events["of_former_topics"] == report.events["applied"] + report.events["duplicates"]
    assert len(good) > report.source.records == 0
