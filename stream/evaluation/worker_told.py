"""A worker over a pipeline, and what it is told of a log: the catalogue and events as a shop would send them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import msgspec

from stream.encoding import load_encoders
from stream.evaluation.interactions import Catalogue, IntArray, codes_of
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_kinds import worker_kind
from stream.for_you.settings import ForYouSettings
from stream.pipeline import Pipeline
from stream.settings import Settings, StoreName

_END_MS = 1_700_000_000_000
"""Where the log's last interaction is moved to: some data sets' clocks only tell an order."""

AT_ONCE = 4000
"""So many interactions are processed together where nobody reads the lists made meanwhile, as by a worker that catches
up."""

_NOW = 1e-9


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
            "for_you": ForYouSettings(),
        }
    )  # fmt: skip


@asynccontextmanager
async def opened_worker(
    base: Settings, at_once: int = 500, *, lists: bool = True
) -> AsyncIterator[tuple[Pipeline, "Clock"]]:
    """Start a worker that knows nothing yet, and close it in the end. Raises encoders.base.EncoderError.

    at_once: so many records an agent takes together, as a running one does that has fallen behind; lists: whether
    anybody reads what it would publish.
    """
    settings, clock = worker_settings(base), Clock()
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock, max_records=at_once, lists=lists)
    await pipeline.start()
    try:
        yield pipeline, clock
    finally:
        await pipeline.close()


class Clock:
    """What a worker takes for now (ms), set by who runs it."""

    def __init__(self) -> None:
        """Begin in 1970."""
        self.now = 0

    def __call__(self) -> int:
        """Return now."""
        return self.now


def shift_of(raw: RawEvents) -> int:
    """Return what is added to the times (ms) of all that a worker is told of a log, or asked."""
    return _END_MS - int(raw.times[-1])


async def tell_catalogue(pipeline: Pipeline, catalogue: Catalogue) -> None:
    """Let the worker process the whole catalogue."""
    for key, value in catalogue_messages(catalogue):
        pipeline.log.append(pipeline.settings.topics.catalogue, key, value)
    await pipeline.drain()


async def tell(pipeline: Pipeline, clock: Clock, raw: RawEvents, places: Iterable[int]) -> None:
    """Let the worker process these interactions at once, each as it came at its time."""
    shift = shift_of(raw)
    for place in places:
        clock.now = int(raw.times[place]) + shift
        pipeline.log.append(pipeline.settings.topics.interactions, None, event_message(raw, place, shift))
    await pipeline.drain()


def worker_categories(pipeline: Pipeline, catalogue: Catalogue) -> IntArray:
    """Return (n,) a code for each item's category as the worker has it, -1 for none."""
    category_of = pipeline.knowledge.items.category_of
    return codes_of([category_of(item_id) or "" for item_id in catalogue.item_ids])


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
