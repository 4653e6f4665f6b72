"""The worker's own code as a recommender: events one by one through all agents, lists as they were published.

A test is an interaction of a user who has a published list; the list is the one that a subscriber would have held at
that moment. Then the interaction is processed, as in a running worker. Nothing here ranks: :class:`Pipeline` does.
"""

import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import msgspec
import numpy as np

from stream.encoding import load_encoders
from stream.evaluation.interactions import Catalogue, IntArray, codes_of
from stream.evaluation.list_rules import broken_rules
from stream.evaluation.protocols.prequential import AT_ONCE, DELAYS_MS
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_asked import ask_after_one_purchase
from stream.evaluation.worker_kinds import worker_kind
from stream.evaluation.worker_lists import LENGTH, LISTS, WorkerLists, places_of
from stream.pipeline import Pipeline
from stream.recommendations import Recommendation, decode
from stream.settings import Settings, StoreName

TEST_SHARE = 0.2

_END_MS = 1_700_000_000_000
"""Where the log's last interaction is moved to: some data sets' clocks only tell an order."""

_NOW = 1e-9
_BEFORE_THE_TESTS = -(2**62)
"""What was processed before the tests was processed at once: the lists of then count as old enough for any delay."""


def worker_settings(base: Settings) -> Settings:
    """Return settings under which lists follow from the events alone, not from how fast the machine is."""
    return base.model_copy(
        update={
            "store": StoreName.MEMORY,
            "topics": base.topics.model_copy(update={"partitions": 1}),
            "worker": base.worker.model_copy(
                update={"category_flush_seconds": _NOW, "item_flush_seconds": _NOW}
            ),
            "pseudonym_key": None,
        }
    )  # fmt: skip


async def run_worker(
    raw: RawEvents,
    catalogue: Catalogue,
    base: Settings,
    most: int,
    step: Callable[[], None],
    asked: IntArray | None = None,
) -> WorkerLists:
    """Process the last ``most`` interactions; the last fifth of them one by one, as tests.

    raw: of kinds that the worker knows, as :func:`known_to_worker` names them. asked: (Q,) item codes; at the end it is
    asked for the cross-sell list of a user who bought just that item. step: called once per test interaction and item
    asked. Raises encoders.base.EncoderError.
    """
    settings = worker_settings(base)
    clock = _Clock()
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock)
    await pipeline.start()
    try:
        found = await _run(pipeline, clock, raw, catalogue, most, step)
        if asked is not None:
            found.asked = await ask_after_one_purchase(pipeline, catalogue, asked, clock.now, step)
        return found
    finally:
        await pipeline.close()


def stretch_of(raw: RawEvents, most: int) -> tuple[range, int]:
    """Return the places of the last ``most`` interactions, and the first one that is a test."""
    places = range(max(0, len(raw) - most), len(raw))
    return places, places[-round(TEST_SHARE * len(places)) :][0] if len(places) > 1 / TEST_SHARE else places.stop


class _Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


async def _run(
    pipeline: Pipeline, clock: _Clock, raw: RawEvents, catalogue: Catalogue, most: int, step: Callable[[], None]
) -> WorkerLists:
    places, tested_from = stretch_of(raw, most)
    topics, rules = pipeline.settings.topics, pipeline.settings.graph.lists
    shift = _END_MS - int(raw.times[-1])
    clock.now = int(raw.times[places[0]]) + shift
    for key, value in catalogue_messages(catalogue):
        pipeline.log.append(topics.catalogue, key, value)
    await pipeline.drain()
    for place in places[: tested_from - places.start]:
        clock.now = int(raw.times[place]) + shift
        pipeline.log.append(topics.interactions, None, event_message(raw, place, shift))
    await pipeline.drain()
    reader = _Published(pipeline, topics.recommendations)
    bought: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for place in places[: tested_from - places.start]:
        if raw.kinds[place] == "purchase":
            bought[raw.users[place]][raw.items[place]] = int(raw.times[place]) + shift
    rows: dict[str, dict[str, list[list[int]]]] = {delay: {name: [] for name in LISTS} for delay in DELAYS_MS}
    targets: list[int] = []
    tested: list[int] = []
    milliseconds: list[float] = []
    broken: Counter[str] = Counter()
    reader.read(_BEFORE_THE_TESTS)
    for place in range(tested_from, places.stop):
        step()
        user, item, at = raw.users[place], raw.items[place], int(raw.times[place]) + shift
        if reader.in_force(user, at) is not None:
            tested.append(place)
            targets.append(catalogue.codes[item])
            for delay, late in DELAYS_MS.items():
                published = reader.in_force(user, at - late)
                for name in LISTS:
                    listed = getattr(published, name) if published else ()
                    rows[delay][name].append(places_of((entry.item_id for entry in listed), catalogue))
        clock.now = at
        pipeline.log.append(topics.interactions, None, event_message(raw, place, shift))
        begun = time.perf_counter()
        await pipeline.drain()
        milliseconds.append(1000 * (time.perf_counter() - begun))
        if raw.kinds[place] == "purchase":
            bought[user][item] = at
        for fresh in reader.read(at):
            of = pipeline.knowledge.items.category_of
            broken.update(broken_rules(fresh, of, bought[fresh.user_id], rules, at))
    category_of = pipeline.knowledge.items.category_of
    lists = {
        delay: {name: np.array(part, np.int64).reshape(-1, LENGTH) for name, part in parts.items()}
        for delay, parts in rows.items()
    }
    return WorkerLists(
        lists=lists.pop(AT_ONCE),
        targets=np.array(targets, np.int64),
        places=np.array(tested, np.int64),
        processed_from=places.start,
        tested_from=tested_from,
        categories=codes_of([category_of(item_id) or "" for item_id in catalogue.item_ids]),
        late=lists,
        milliseconds=milliseconds,
        broken=broken,
    )


class _Published:
    def __init__(self, pipeline: Pipeline, topic: str) -> None:
        self._records = pipeline.log.topics[topic]
        self._read = [0] * len(self._records)
        self._times: defaultdict[str, list[int]] = defaultdict(list)
        self._lists: defaultdict[str, list[Recommendation]] = defaultdict(list)

    def read(self, at: int) -> list[Recommendation]:
        """Return what was published since the last call, at the time ``at`` (ms), and keep it."""
        fresh = []
        for partition, records in enumerate(self._records):
            for record in records[self._read[partition] :]:
                if record.value:
                    published = decode(record.value)
                    self._times[published.user_id].append(at)
                    self._lists[published.user_id].append(published)
                    fresh.append(published)
            self._read[partition] = len(records)
        return fresh

    def in_force(self, user: str, at: int) -> Recommendation | None:
        """Return the last of the user's lists that were published by then."""
        known = bisect_right(self._times[user], at)
        return self._lists[user][known - 1] if known else None


def event_message(raw: RawEvents, place: int, shift: int) -> bytes:
    """Return the interaction as a tracker of our own dialect would send it; ``shift`` is added to its time, ms."""
    event = {
        "event_id": f"event-{place}",
        "kind": worker_kind(raw.kinds[place]),
        "user_id": raw.users[place],
        "item_id": raw.items[place],
        "occurred_at": int(raw.times[place]) + shift,
    }
    price = float(raw.prices[place])
    if price == price and price >= 0:
        event["price"] = price
    return msgspec.json.encode(event)


def catalogue_messages(catalogue: Catalogue) -> Iterable[tuple[bytes, bytes]]:
    """Yield the catalogue as the shop would send it: key and value of each row."""
    for code, item_id in enumerate(catalogue.item_ids):
        row: dict[str, object] = {"item_id": item_id, "title": catalogue.titles[code], "brand": catalogue.brands[code]}
        if catalogue.categories[code]:
            row["category"] = list(catalogue.categories[code])
        price = float(catalogue.prices[code])
        if price == price:
            row["price"] = price
        yield item_id.encode(), msgspec.json.encode({name: value for name, value in row.items() if value != ""})
