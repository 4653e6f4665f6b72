"""The service that plays the demo inside the worker: catalogue, events, end; and keeps the picture up to date."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mode import Service

from stream.app import Parts, now_ms
from stream.demo.counts import assigned_roles, read_counts
from stream.demo.errors import Stuck
from stream.demo.figures import Figures, interests_digest, shopper_of
from stream.demo.observer import RateMeter, ShopperObserver
from stream.demo.picture import Picture
from stream.demo.replayer import Replayer
from stream.demo.sample import Sample, SampleEvent, shopper_to_watch
from stream.demo.screen import Screen
from stream.demo.subscriber import Subscriber
from stream.publisher import Publisher
from stream.roles import Role

_PICTURE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be played. ``begun_at``: when the command was called, by time.monotonic()."""

    sample: Sample
    events: Sequence[SampleEvent]
    per_second: float
    seed: int
    notes: tuple[str, ...]
    begun_at: float


class Director(Service):  # type: ignore[misc]  # mode's classes are untyped
    """Ends the worker by the signal that an operator would send. ``figures`` is None unless it came to the end."""

    def __init__(self, parts: Parts, script: Script, screen: Screen, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.figures: Figures | None = None
        self.stuck: Stuck | None = None
        self._parts = parts
        self._script = script
        self._screen = screen
        self._phase = "starting four agents"
        self._rate = RateMeter()
        self._shopper_id = shopper_to_watch(script.events)
        half_life = parts.settings.graph.interest.half_life_seconds
        self._observer = ShopperObserver(self._shopper_id, script.events, script.sample.items, half_life)
        self._publisher = Publisher(parts.settings, parts.metrics)
        self._replayer = Replayer(self._publisher, parts.settings, parts.facts, parts.metrics)
        self._subscriber = Subscriber(parts.settings, parts.facts, now_ms)

    async def on_start(self) -> None:
        """Play in the background: the last agent starts after us."""
        self.add_future(self._play())
        self.add_future(self._paint())

    async def on_stop(self) -> None:
        """Disconnect what is ours."""
        await self._subscriber.stop()
        await self._publisher.stop()

    async def _play(self) -> None:
        await self._publisher.start()
        await self._subscriber.start()
        try:
            await self._perform()
        except Stuck as error:
            self.stuck = error
        signal.raise_signal(signal.SIGTERM)

    async def _perform(self) -> None:
        replayer, metrics, script = self._replayer, self._parts.metrics, self._script
        await replayer.wait_for("the agents' partitions", lambda: assigned_roles(metrics), len(Role))
        self._phase = "reading the catalogue"
        await replayer.send_catalogue(script.sample.catalogue, self._known_items)
        self._phase = "replaying"
        started = time.monotonic()
        await replayer.replay(script.events, script.per_second)
        self._phase = "waiting for the last lists"
        await replayer.drain(lambda: len(self._subscriber.latencies))
        self._phase = "done"
        self.figures = await self._figures(time.monotonic() - started)
        self._screen.show(await self._picture())

    async def _paint(self) -> None:
        while not self.should_stop:
            self._screen.show(await self._picture())
            await asyncio.sleep(_PICTURE_SECONDS)

    async def _picture(self) -> Picture:
        parts, subscriber, sent = self._parts, self._subscriber, self._replayer.sent
        applied, items, now = read_counts(parts.metrics).applied, self._known_items(), time.monotonic()
        return Picture(
            phase=self._phase,
            done=applied if sent else items,
            total=len(self._script.events) if sent else len(self._script.sample.items),
            unit="events" if sent else "items",
            per_second=self._rate.update(now, applied),
            shopper=await self._observer.observe(parts.store, subscriber.lists, sent),
            latencies=subscriber.latencies.percentiles(),
            users=len(subscriber.lists),
            categories=len(parts.knowledge.items.categories),
            lists=subscriber.received,
            encoder=f"{parts.encoders.text.model}  {parts.encoders.user.name}",
            notes=self._script.notes,
        )

    def _known_items(self) -> int:
        return sum(1 for record in self._parts.knowledge.records.values() if record.vector)

    async def _figures(self, seconds: float) -> Figures:
        parts, script, sent = self._parts, self._script, self._replayer.sent
        counts = read_counts(parts.metrics)
        return Figures(
            events=sent,
            simulated_views=sum(event.simulated for event in script.events[:sent]),
            applied=counts.applied,
            duplicates=counts.duplicates,
            refused=counts.refused,
            missing=sent - counts.applied - counts.duplicates,
            users=len(self._subscriber.lists),
            categories=len(parts.knowledge.items.categories),
            items=self._known_items(),
            lists=self._subscriber.received,
            latency_seconds=self._subscriber.latencies.percentiles(),
            seconds=round(seconds, 1),
            total_seconds=round(time.monotonic() - script.begun_at, 1),
            encoder=parts.encoders.text.model,
            user_encoder=parts.encoders.user.name,
            seed=script.seed,
            interests=await interests_digest(parts.store),
            shopper=await shopper_of(parts.store, self._shopper_id),
        )
