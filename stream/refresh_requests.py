"""Asking the workers to rank users again, or to erase them: through the log.

A request is a record like any other, so it has an offset, is applied exactly once, and survives a crash of whoever
handles it. That it was handled is read where everything is: in the ledgers.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from graph.store import GraphStore
from stream.bundles import FORMAT, Bundle, DeltaMessage, encode, erasing_bundles, refresh_bundles
from stream.sender import ServerAway, check_topics
from stream.settings import Settings

_POLL_SECONDS = 0.1


class NoWorker(Exception):
    """No ledger moved for too long: nobody consumes the topic."""


class Refreshed(msgspec.Struct):
    """What was done: users ranked and published again, or erased, in so many requests and seconds."""

    users: int = 0
    bundles: int = 0
    seconds: float = 0.0


class Requests:
    """Sends requests to partitions and waits until the ledgers have passed them."""

    def __init__(self, store: GraphStore, producer: Producer, settings: Settings, patience_seconds: float) -> None:
        self._store = store
        self._producer = producer
        self._settings = settings
        self._patience_seconds = patience_seconds

    async def partitions(self, topic: str) -> int:
        """Return a topic's number of partitions. Raises ServerAway and TopicMissing."""
        return await asyncio.to_thread(self._partitions, topic)

    def _partitions(self, topic: str) -> int:
        check_topics(self._producer, [topic], self._settings.kafka.bootstrap_servers)
        return len(self._producer.list_topics(topic, timeout=10.0).topics[topic].partitions)

    async def send(self, topic: str, values: Mapping[int, Sequence[bytes]]) -> dict[int, list[int]]:
        """Deliver values (partition -> values, in order); return their offsets. Raises ServerAway."""
        return await asyncio.to_thread(self._deliver, topic, values)

    def _deliver(self, topic: str, values: Mapping[int, Sequence[bytes]]) -> dict[int, list[int]]:
        offsets: defaultdict[int, list[int]] = defaultdict(list)
        errors: list[str] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                errors.append(error.str())
            else:
                offsets[message.partition()].append(message.offset())

        try:
            for partition, messages in values.items():
                for value in messages:
                    self._producer.produce(topic, value, partition=partition, on_delivery=delivered)
        except KafkaException as error:
            errors.append(error.args[0].str())
        while self._producer.flush(_POLL_SECONDS):
            continue
        if errors:
            raise ServerAway(f"the broker at {self._settings.kafka.bootstrap_servers} took no request: {errors[0]}")
        return dict(offsets)

    async def wait(
        self,
        topic: str,
        role: str,
        offsets: Mapping[int, Sequence[int]],
        passed: Callable[[int, int], None] = lambda partition, offset: None,
    ) -> None:
        """Return once all offsets are applied; ``passed`` is told of each. Raises NoWorker when none is for long."""
        awaited = {partition: set(of) for partition, of in offsets.items() if of}
        applied = dict.fromkeys(awaited, -1)
        moved_at = time.monotonic()
        while awaited:
            entries = await self._store.read_ledgers([f"{topic}/{partition}" for partition in sorted(awaited)])
            for partition in sorted(awaited):
                entry = entries.get(f"{topic}/{partition}")
                if entry is None or entry.applied <= applied[partition]:
                    continue
                applied[partition], moved_at = entry.applied, time.monotonic()
                for offset in sorted(offset for offset in awaited[partition] if offset < entry.applied):
                    awaited[partition].remove(offset)
                    passed(partition, offset)
            awaited = {partition: of for partition, of in awaited.items() if of}
            if not awaited:
                return
            if time.monotonic() - moved_at > self._patience_seconds:
                raise NoWorker(
                    f"nothing was applied of {topic}, partitions {sorted(awaited)}, for "
                    f"{self._patience_seconds:.0f} s: is a worker with the role {role} running?"
                )
            await asyncio.sleep(_POLL_SECONDS)


async def settle_associations(requests: Requests, settings: Settings) -> tuple[dict[int, int], dict[int, int]]:
    """Have every association written that is known of, its record published, and the edges brought up to date.

    Returns the offsets of the first and of the last question, by partition: whoever asks again and finds its first
    question right behind this last one knows that no delta came in between.
    """
    topic = settings.topics.transitions
    partitions = await requests.partitions(topic)
    question = encode(DeltaMessage(FORMAT, "", ()))
    # A ledger moves with the commit, the records are published after it. Whoever has applied a second question has
    # delivered what the first one made it write.
    asked = []
    for _ in range(2):
        offsets = await requests.send(topic, {partition: [question] for partition in range(partitions)})
        await requests.wait(topic, "association", offsets)
        asked.append({partition: of[0] for partition, of in offsets.items()})
    return asked[0], asked[1]


async def refresh_users(
    requests: Requests, settings: Settings, user_ids: AsyncIterator[list[str]], step: Callable[[int], None]
) -> Refreshed:
    """Have users (pages of ids) ranked again with all that is known now, and their lists published.

    ``step`` is told how many more users are done. Raises NoWorker, ServerAway, TopicMissing.
    """
    return await _send_users(requests, settings, user_ids, refresh_bundles, step)


async def _send_users(
    requests: Requests,
    settings: Settings,
    user_ids: AsyncIterator[list[str]],
    bundles_of: Callable[[Iterable[str], int], dict[int, list[Bundle]]],
    step: Callable[[int], None],
) -> Refreshed:
    topic, started = settings.topics.bundles, time.monotonic()
    partitions = await requests.partitions(topic)
    sizes: dict[tuple[int, int], int] = {}
    async for page in user_ids:
        bundles = bundles_of(page, partitions)
        sent = await requests.send(topic, {p: [encode(bundle) for bundle in of] for p, of in bundles.items()})
        for partition, offsets in sent.items():
            pairs = zip(sorted(offsets), bundles[partition], strict=True)
            sizes.update({(partition, offset): len(bundle.refresh) + len(bundle.erase) for offset, bundle in pairs})
    await requests.wait(topic, "interest", _offsets(sizes), lambda *place: step(sizes[place]))
    # As for associations: lists are published after the commit that moved the ledger, and before the next one.
    mark = [encode(Bundle(FORMAT, (), ()))]
    await requests.wait(topic, "interest", await requests.send(topic, dict.fromkeys(_offsets(sizes), mark)))
    return Refreshed(sum(sizes.values()), len(sizes), round(time.monotonic() - started, 3))


async def erase_users(
    requests: Requests, settings: Settings, user_ids: Sequence[str], step: Callable[[int], None]
) -> Refreshed:
    """Have users erased: from the graph, with what they add to associations, and from the lists' topic.

    ``step`` as above. Raises NoWorker, ServerAway, TopicMissing.
    """

    async def pages() -> AsyncIterator[list[str]]:
        yield list(user_ids)

    return await _send_users(requests, settings, pages(), erasing_bundles, step)


def _offsets(places: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    offsets: defaultdict[int, list[int]] = defaultdict(list)
    for partition, offset in places:
        offsets[partition].append(offset)
    return dict(offsets)
