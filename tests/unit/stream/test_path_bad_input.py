"""Bad input through the whole path in memory: each message its letter, and the good ones as if it were not there."""

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from stream.deadletter import parse_dead_letter
from stream.pipeline import Pipeline
from stream.settings import Settings
from tests.bad_input import ODD, Letter, letters
from tests.integration.shop import Message, Shop, make_shop
from tests.unit.stream.test_pipeline import NOW, check, rest, running, send_catalogue, settings

__all__ = ["settings"]  # the fixture

Place = tuple[int, int]


def send(pipeline: Pipeline, messages: Iterable[Message | Letter], seed: int) -> dict[Place, Letter]:
    """Append messages to any partitions; return where the bad ones ended up."""
    dice = random.Random(seed)
    topic, partitions = pipeline.settings.topics.interactions, pipeline.settings.topics.partitions
    places = {}
    for message in messages:
        partition = dice.randrange(partitions)
        if isinstance(message, Letter):
            places[partition, len(pipeline.log.topics[topic][partition])] = message
        pipeline.log.append(topic, None, message.value, partition, timestamp=NOW)
    return places


def check_letters(pipeline: Pipeline, places: dict[Place, Letter]) -> None:
    found: dict[Place, tuple[str, str, bytes | None]] = {}
    for record in itertools.chain(*pipeline.log.topics[pipeline.settings.topics.dead_letters]):
        letter = parse_dead_letter(record.headers)
        assert letter.stage == "decode"
        assert (letter.partition, letter.offset) not in found
        found[letter.partition, letter.offset] = letter.reason, letter.field, record.value
    assert found == {place: (bad.reason, bad.field, bad.value) for place, bad in places.items()}


def mixed(shop: Shop, bad: Sequence[Letter], seed: int) -> list[Message | Letter]:
    messages: list[Message | Letter] = [*shop.messages, *bad]
    random.Random(seed).shuffle(messages)
    return messages


@pytest.mark.parametrize("max_records", [1, 13, 500])
async def test_good_messages_between_bad_ones_are_not_disturbed(settings: Settings, max_records: int) -> None:
    shop = make_shop(21, 150, users=15, now=NOW, malformed=0.0)
    async with running(settings, max_records=max_records) as pipeline:
        send_catalogue(pipeline, shop)
        places = send(pipeline, mixed(shop, list(letters(21, 600)), 21), 22)
        await rest(pipeline)
        check_letters(pipeline, places)
        await check(pipeline, shop)


async def test_a_burst_of_five_thousand(settings: Settings) -> None:
    shop = make_shop(23, 60, users=6, now=NOW, malformed=0.0)
    middle = len(shop.messages) // 2
    burst = list(letters(23, 5_000))
    async with running(settings) as pipeline:
        send_catalogue(pipeline, shop)
        places = send(pipeline, [*shop.messages[:middle], *burst, *shop.messages[middle:]], 24)
        assert len(places) == 5_000
        await rest(pipeline)
        check_letters(pipeline, places)
        await check(pipeline, shop)


async def test_odd_input_has_its_disposition_and_no_letter(settings: Settings) -> None:
    dice = random.Random(25)
    odd = [kind for kind in ODD for _ in range(5)]
    async with running(settings) as pipeline:
        for kind in odd:
            pipeline.log.append(settings.topics.interactions, None, kind.make(dice), timestamp=NOW)
        await rest(pipeline)
        metrics = pipeline.metrics
        counted = {
            "applied": metrics.applied._value.get(),
            "ignored": metrics.ignored._value.get(),
            "filtered": metrics.filtered._value.get(),
        }
        assert counted == Counter(kind.disposition for kind in odd)
        assert not any(pipeline.log.topics[settings.topics.dead_letters])


async def test_the_same_id_with_another_content_counts_once_and_the_first_wins(settings: Settings) -> None:
    first = b'{"event_id":"e","kind":"purchase","user_id":"u","item_id":"item-1","occurred_at":%d}' % (NOW - 1)
    async with running(settings) as pipeline:
        for value in (first, first, first.replace(b"item-1", b"item-2"), first.replace(b"purchase", b"view")):
            pipeline.log.append(settings.topics.interactions, None, value, 0)
        await rest(pipeline)
        view = await pipeline.store.view_user("u")
        assert view is not None
        assert view.events == 1
        assert [(touch.item_id, touch.purchased) for touch in view.touches] == [("item-1", True)]
        assert pipeline.metrics.duplicate._value.get() == 3


async def test_catalogue_rows_are_refused_with_their_stage(settings: Settings) -> None:
    rows: list[tuple[bytes | None, bytes | None, str, str]] = [
        (b"i1", b"{", "not_json", ""),
        (b"i1", b'{"item_id":"i1","price":-1}', "out_of_range", "price"),
        (b"i1", b'{"title":"x"}', "missing_field", "item_id"),
        (
            b"u1",
            b'{"event_id":"e1","kind":"view","user_id":"u1","item_id":"good","occurred_at":1}',
            "not_a_row",
            "event_id",
        ),
        (None, None, "null_value", ""),
        (b"\xff", b"", "not_utf8", "key"),
        (b"i1", b'{"item_id":"i1","title":"%s"}' % (b"x" * 2_001), "too_long", "title"),
        (b"i1", b'{"item_id":"i1","x":"%s"}' % (b"x" * 1_000_000), "too_large", ""),
    ]
    async with running(settings) as pipeline:
        pipeline.log.append(settings.topics.catalogue, b"good", b'{"item_id":"good","category":"A"}', 0)
        for key, value, _, _ in rows:
            pipeline.log.append(settings.topics.catalogue, key, value, 0)
        pipeline.log.append(settings.topics.catalogue, b"also", b'{"item_id":"also","category":"A"}', 0)
        await rest(pipeline)
        records = list(itertools.chain(*pipeline.log.topics[settings.topics.dead_letters]))
        records.sort(key=lambda record: parse_dead_letter(record.headers).offset)
        found = [parse_dead_letter(record.headers) for record in records]
        assert [(letter.offset, letter.stage, letter.reason, letter.field) for letter in found] == [
            (n + 1, "catalogue", reason, field) for n, (_, _, reason, field) in enumerate(rows)
        ]
        assert [(record.key, record.value) for record in records] == [(key, value) for key, value, _, _ in rows]
        assert await pipeline.store.item_ids("", 10) == ["also", "good"]
