"""Whatever is altered by hand in graph or topics is found, and called by its name."""

from collections.abc import Callable

import msgspec
import pytest
from aiokafka import ConsumerRecord

from graph.association import decode_source, encode_source
from graph.model import Family
from graph.state import decode_state, encode_state
from graph.store import LedgerEntry
from stream.bundles import Bundle, decode_bundle, encode
from stream.deadletter import HEADER_PREFIX
from stream.ledgered import decode_sources, encode_sources
from stream.recommendations import decode as decode_list
from stream.recommendations import encode as encode_list
from tests.unit.stream.checking_shop import World, change_user, changed, make_world_now, shop_settings


@pytest.fixture(scope="module")
def run() -> World:
    return make_world_now(shop_settings())


@pytest.fixture
def world(run: World) -> World:
    return run.copy()


def some_user(world: World) -> str:
    """Return a user with interests and touches."""
    return next(u.user_id for u in world.store._users.values() if u.interests and u.touches and u.cross_sell)


def interest_weight(world: World) -> str:
    user = world.store._users[some_user(world)]
    first, *rest = user.interests
    altered = msgspec.structs.replace(first, weight=first.weight * (1 + 1e-8))
    change_user(world.store, user.user_id, interests=(altered, *rest))
    return f"I2 user {user.user_id}: interest in {first.category}: weight"


def interest_edge(world: World) -> str:
    user = world.store._users[some_user(world)]
    change_user(world.store, user.user_id, interests=user.interests[1:])
    return f"I2 user {user.user_id}: interest in {user.interests[0].category}: edge"


def interest_counts(world: World) -> str:
    user = world.store._users[some_user(world)]
    first, *rest = user.interests
    altered = msgspec.structs.replace(first, views=first.views + 1)
    change_user(world.store, user.user_id, interests=(altered, *rest))
    return f"I2 user {user.user_id}: interest in {first.category}: views and purchases"


def touch(world: World) -> str:
    user = world.store._users[some_user(world)]
    first, *rest = user.touches
    change_user(world.store, user.user_id, touches=(msgspec.structs.replace(first, count=first.count + 1), *rest))
    edge = "PURCHASED" if first.purchased else "VIEWED"
    return f"I2 user {user.user_id}: {edge} {first.item_id}: edge"


def one_event_too_many(world: World) -> str:
    user = world.store._users[some_user(world)]
    change_user(world.store, user.user_id, events=user.events + 1)
    return f"I5 user {user.user_id}: events"


def one_event_too_few(world: World) -> str:
    user = world.store._users[some_user(world)]
    change_user(world.store, user.user_id, events=user.events - 1)
    return f"I1 user {user.user_id}: events"


def missing_user(world: World) -> str:
    user_id = some_user(world)
    del world.store._users[user_id]
    return f"I2 user {user_id}: is missing"


def invented_user(world: World) -> str:
    user = world.store._users[some_user(world)]
    world.store._users["nobody"] = msgspec.structs.replace(user, user_id="nobody")
    return "I2 user nobody: is in the graph, but in no bundle"


def forgotten_event(world: World) -> str:
    user = world.store._users[some_user(world)]
    state = decode_state(user.state)
    state.event_ids = state.event_ids[8:]
    change_user(world.store, user.user_id, state=encode_state(state))
    return "I1 event "


def opaque_state(world: World) -> str:
    user = world.store._users[some_user(world)]
    state = decode_state(user.state)
    state.history.pop()
    change_user(world.store, user.user_id, state=encode_state(state))
    return f"I2 state of user {user.user_id}: history"


def unreadable_state(world: World) -> str:
    user_id = some_user(world)
    change_user(world.store, user_id, state=b"\x01nothing")
    return f"I2 user {user_id}: its state cannot be read"


def list_in_the_graph(world: World) -> str:
    user = world.store._users[some_user(world)]
    change_user(world.store, user.user_id, cross_sell=(*user.cross_sell[1:], user.cross_sell[0]))
    return f"I2 user {user.user_id}: last list "


def version_in_the_graph(world: World) -> str:
    user = world.store._users[some_user(world)]
    change_user(world.store, user.user_id, version=user.version - 1)
    return f"I4 user {user.user_id}: last list "


def last_list(world: World) -> tuple[list[ConsumerRecord], int, str]:
    """Return the partition, the place in it, and the user of the last list that was published."""
    for records in world.log.topics[world.settings.topics.recommendations]:
        if records:
            return records, len(records) - 1, records[-1].key.decode()
    raise AssertionError("no list")


def older_list_last(world: World) -> str:
    records, last, user_id = last_list(world)
    read = decode_list(records[last].value)
    late = encode_list(msgspec.structs.replace(read, version=read.version - 1))
    world.log.append(world.settings.topics.recommendations, user_id.encode(), late)
    return f"I4 user {user_id}: last list "


def list_of_an_older_prefix(world: World) -> str:
    records, last, user_id = last_list(world)
    read = decode_list(records[last].value)
    position = msgspec.structs.replace(read.position, offset=0)
    value = encode_list(msgspec.structs.replace(read, position=position))
    records[last] = changed(records[last], value=value)
    return f"I3 user {user_id}: last list "


def list_of_another_time(world: World) -> str:
    """Alter a list that is not the last one of its user: it is not what its prefix gives."""
    records, _, _ = last_list(world)
    read = decode_list(records[0].value)
    value = encode_list(msgspec.structs.replace(read, event_time="2001-01-01T00:00:00.000Z"))
    records[0] = changed(records[0], value=value)
    return f"I3 list {world.settings.topics.recommendations}/"


def not_a_list(world: World) -> str:
    world.log.append(world.settings.topics.recommendations, b"user-1", b"{}")
    return f"I4 {world.settings.topics.recommendations}/"


def change_ledger(world: World, topic: str, change: Callable[[LedgerEntry], LedgerEntry]) -> str:
    key = next(k for k, entry in sorted(world.store._ledgers.items()) if k.startswith(topic) and entry.applied > 3)
    world.store._ledgers[key] = change(world.store._ledgers[key])
    return f"I6 ledger {key}: "


def ledger_of_interest(world: World) -> str:
    def back(entry: LedgerEntry) -> LedgerEntry:
        return msgspec.structs.replace(entry, applied=3)

    return change_ledger(world, world.settings.topics.bundles, back)


def ledger_of_association(world: World) -> str:
    def back(entry: LedgerEntry) -> LedgerEntry:
        return msgspec.structs.replace(entry, applied=1)

    return change_ledger(world, world.settings.topics.transitions, back)


def ledger_past_the_end(world: World) -> str:
    def ahead(entry: LedgerEntry) -> LedgerEntry:
        return msgspec.structs.replace(entry, applied=entry.applied + 1)

    return change_ledger(world, world.settings.topics.bundles, ahead) + "applied is past the end"


def ledger_owner(world: World) -> str:
    def somebody(entry: LedgerEntry) -> LedgerEntry:
        return msgspec.structs.replace(entry, owner="somebody")

    return change_ledger(world, world.settings.topics.catalogue, somebody)


def ledger_sources(world: World) -> str:
    def other(entry: LedgerEntry) -> LedgerEntry:
        sources = decode_sources(entry.sources)
        source = min(sources)
        return msgspec.structs.replace(entry, sources=encode_sources({**sources, source: sources[source] + 1}))

    return change_ledger(world, world.settings.topics.bundles, other) + "last cause of "


def change_edge(world: World, **values: float) -> str:
    key = min(world.store._associations)
    world.store._associations[key] = msgspec.structs.replace(world.store._associations[key], **values)
    family, source, target = key
    return f"I2 category association {source} -{family.value}-> {target}: "


def association_users(world: World) -> str:
    edge = world.store._associations[min(world.store._associations)]
    return change_edge(world, users=edge.users + 1) + "users"


def association_weight(world: World) -> str:
    edge = world.store._associations[min(world.store._associations)]
    return change_edge(world, weight=edge.weight * (1 + 1e-8)) + "weight"


def association_confidence(world: World) -> str:
    edge = world.store._associations[min(world.store._associations)]
    return change_edge(world, confidence=edge.confidence / 2) + "confidence"


def association_edge(world: World) -> str:
    family, source, target = key = min(world.store._associations)
    del world.store._associations[key]
    return f"I2 category association {source} -{family.value}-> {target}: edge"


def association_state(world: World) -> str:
    key, data = next((k, d) for k, d in sorted(world.store._association_states.items()) if k.startswith("item|"))
    state = decode_source(data)
    family = Family.VIEWED_NEXT if state.viewed else Family.BOUGHT_NEXT
    target, sums = next(iter(sorted(state.family(family).items())))
    sums.count += 1
    world.store._association_states[key] = encode_source(state)
    return f"I5 state of item association {state.source} -{family.value}-> {target}: transitions"


def association_record(world: World) -> str:
    topic = world.settings.topics.associations
    records = next(records for records in world.log.topics[topic] if records)
    read = msgspec.msgpack.decode(records[-1].value)
    level, source, at, viewed, bought = read
    for successor in (*viewed, *bought):
        successor[3] += 1
    records[-1] = changed(records[-1], value=msgspec.msgpack.encode([level, source, at, viewed, bought]))
    return f"I2 record of {level} association {source} "


def lost_deltas(world: World) -> str:
    topic = world.settings.topics.transitions
    records = max(world.log.topics[topic], key=len)
    del records[1]
    return "I5 deltas of bundle "


def doubled_deltas(world: World) -> str:
    """The association agent applied a message twice: its states and the log differ."""
    key, data = next((k, d) for k, d in sorted(world.store._association_states.items()) if k.startswith("category|"))
    state = decode_source(data)
    for family in Family:
        for sums in state.family(family).values():
            sums.count += 1
            sums.weight += 1.0
    world.store._association_states[key] = encode_source(state)
    return f"I5 state of category association {state.source} "


def change_bundle(world: World, change: Callable[[Bundle], Bundle]) -> None:
    for records in world.log.topics[world.settings.topics.bundles]:
        for place, record in enumerate(records):
            bundle = decode_bundle(record.value)
            if len(bundle.entries) > 1:
                records[place] = changed(record, value=encode(change(bundle)))
                return


def event_lost_by_intake(world: World) -> str:
    lost = []

    def without_first(bundle: Bundle) -> Bundle:
        lost.append(bundle.entries[0].interaction)
        return msgspec.structs.replace(bundle, entries=bundle.entries[1:])

    change_bundle(world, without_first)
    return f"I1 event {lost[0].event_id} of user {lost[0].user_id} "


def event_altered_by_intake(world: World) -> str:
    altered = []

    def other_time(bundle: Bundle) -> Bundle:
        first, *rest = bundle.entries
        altered.append(first.interaction)
        interaction = msgspec.structs.replace(first.interaction, occurred_at=first.interaction.occurred_at + 1)
        return msgspec.structs.replace(bundle, entries=(msgspec.structs.replace(first, interaction=interaction), *rest))

    change_bundle(world, other_time)
    return f"I1 event {altered[0].event_id} of user {altered[0].user_id} "


def event_invented_by_intake(world: World) -> str:
    def one_more(bundle: Bundle) -> Bundle:
        last = bundle.entries[-1]
        more = msgspec.structs.replace(last, index=last.index + 100)
        return msgspec.structs.replace(bundle, entries=(*bundle.entries, more))

    change_bundle(world, one_more)
    return f"I1 {world.settings.topics.interactions}/"


def missing_letter(world: World) -> str:
    records = next(records for records in world.log.topics[world.settings.topics.dead_letters] if len(records) > 1)
    records.pop()
    return f"I1 {world.settings.topics.interactions}/"


def letter_with_other_bytes(world: World) -> str:
    records = next(records for records in world.log.topics[world.settings.topics.dead_letters] if records)
    records[-1] = changed(records[-1], value=b"something else")
    return "I10 dead letter "


def letter_about_a_good_event(world: World) -> str:
    topics = world.settings.topics
    bad = {
        (int(headers[f"{HEADER_PREFIX}partition"]), int(headers[f"{HEADER_PREFIX}offset"]))
        for headers in (dict(record.headers) for record in world.records(topics.dead_letters))
    }
    good = next(r for r in world.records(topics.interactions) if (r.partition, r.offset) not in bad)
    letter = world.records(topics.dead_letters)[0]
    headers = {
        **dict(letter.headers),
        f"{HEADER_PREFIX}partition": str(good.partition).encode(),
        f"{HEADER_PREFIX}offset": str(good.offset).encode(),
    }
    world.log.append(topics.dead_letters, good.key, good.value, 0, tuple(headers.items()))
    return "I10 dead letter "


def letter_about_nothing(world: World) -> str:
    topics = world.settings.topics
    letter = world.records(topics.dead_letters)[0]
    headers = {**dict(letter.headers), f"{HEADER_PREFIX}offset": b"999999"}
    world.log.append(topics.dead_letters, letter.key, letter.value, 0, tuple(headers.items()))
    return "I10 dead letter "


def not_a_letter(world: World) -> str:
    world.log.append(world.settings.topics.dead_letters, None, b"hello", 0)
    return f"I10 {world.settings.topics.dead_letters}/0@"


def item_row(world: World) -> str:
    item_id, row = next((i, row) for i, row in sorted(world.store._items.items()) if row is not None)
    world.store._items[item_id] = msgspec.structs.replace(row, price=99.5)
    return f"I2 item {item_id}: row"


def items_topic(world: World) -> str:
    records = next(records for records in world.log.topics[world.settings.topics.items] if records)
    records[-1] = changed(records[-1], value=None)
    return f"I2 item {records[-1].key.decode()}: is not on the items topic"


def category_flag(world: World) -> str:
    path = max(world.store._categories)
    world.store._categories[path] = True
    return f"I2 category {path}: derived"


ALTERED = [
    interest_weight,
    interest_edge,
    interest_counts,
    touch,
    one_event_too_many,
    one_event_too_few,
    missing_user,
    invented_user,
    forgotten_event,
    opaque_state,
    unreadable_state,
    list_in_the_graph,
    version_in_the_graph,
    older_list_last,
    list_of_an_older_prefix,
    list_of_another_time,
    not_a_list,
    ledger_of_interest,
    ledger_of_association,
    ledger_past_the_end,
    ledger_owner,
    ledger_sources,
    association_users,
    association_weight,
    association_confidence,
    association_edge,
    association_state,
    association_record,
    lost_deltas,
    doubled_deltas,
    event_lost_by_intake,
    event_altered_by_intake,
    event_invented_by_intake,
    missing_letter,
    letter_with_other_bytes,
    letter_about_a_good_event,
    letter_about_nothing,
    not_a_letter,
    item_row,
    items_topic,
    category_flag,
]


ALONE = {
    interest_weight,
    interest_edge,
    interest_counts,
    touch,
    one_event_too_many,
    one_event_too_few,
    invented_user,
    opaque_state,
    list_in_the_graph,
    version_in_the_graph,
    list_of_another_time,
    not_a_list,
    ledger_past_the_end,
    ledger_owner,
    ledger_sources,
    association_users,
    association_weight,
    association_confidence,
    association_edge,
    missing_letter,
    letter_with_other_bytes,
    letter_about_a_good_event,
    letter_about_nothing,
    not_a_letter,
    item_row,
    items_topic,
    category_flag,
}
"""What is altered so changes nothing else, and nothing else is reported."""


@pytest.mark.parametrize("alter", ALTERED, ids=lambda alter: alter.__name__)
async def test_what_is_altered_by_hand_is_found_and_named(world: World, alter: Callable[[World], str]) -> None:
    named = alter(world)
    report = await world.check()
    found = [f"{d.invariant} {d.where}: {d.what}" for d in report.found]
    assert any(text.startswith(named) for text in found), "\n".join(found)
    assert not report.ok
    assert (report.differences == 1) == (alter in ALONE)
