"""The composition root of a worker: settings in, a Faust worker with one app per role out."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.errors import KafkaError
from mode import Service

from encoders.device import EncoderThread
from graph.store import GraphStore, Unavailable
from stream.absence import Absence
from stream.agents.association import AssociationAgent
from stream.agents.catalogue import CatalogueAgent
from stream.agents.intake import IntakeAgent
from stream.agents.interest import InterestAgent
from stream.batch_handler import BatchHandler
from stream.batchpath import BatchApp
from stream.encoding import Encoders, load_encoders
from stream.for_you.settings import ForYouSettings
from stream.for_you.watch import ForYouWatch, load_for_you
from stream.health import Health, HealthServer
from stream.knowledge import Knowledge
from stream.last_resort import arm_exit
from stream.ledgered import LedgeredAgent
from stream.membership import InstanceLock, default_state_dir
from stream.metrics import Metrics
from stream.model_watch import ModelWatch
from stream.originals import KafkaOriginals
from stream.preflight import TopicFacts, TopicsMadeAgain, TopicWatch, wait_for_store
from stream.publisher import Publisher
from stream.ranker_file import load_weights
from stream.ranker_watch import RankerWatch
from stream.refresher import Refresher
from stream.replicas import Replica
from stream.roles import Role
from stream.settings import Settings

log = logging.getLogger(__name__)

_PING_SECONDS = 5.0
STOP_SECONDS = 30.0
"""A worker that was told to stop is gone after this time at the latest."""


def now_ms() -> int:
    """Return the wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Parts:
    """Everything of a worker that its roles share."""

    settings: Settings
    facts: TopicFacts
    store: GraphStore
    publisher: Publisher
    metrics: Metrics
    knowledge: Knowledge
    encoders: Encoders
    thread: EncoderThread
    items: Replica
    associations: Replica


class Runtime(Service):
    """Starts before the apps and stops after them: store, producer, replicas, endpoint."""

    def __init__(self, parts: Parts, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts
        self.health = Health()
        self.topics = TopicWatch(parts.settings, parts.facts)
        self.endpoint = HealthServer(parts.settings.metrics, parts.metrics, self.health)
        self.apps: list[BatchApp] = []
        self.lock: InstanceLock | None = None
        self._absences = {server: Absence(server, log) for server in ("kafka", "store")}

    async def on_start(self) -> None:
        """Connect everything; replicas are read to their ends before any agent sees a record."""
        parts = self.parts
        self.health.ready.update(kafka=False, store=False, replicas=False, assigned=False)
        self.endpoint.start()
        await wait_for_store(parts.store, parts.settings, parts.facts)
        await parts.publisher.start()
        started = time.monotonic()
        await asyncio.gather(parts.items.start(), parts.associations.start())
        parts.knowledge.caught_up()
        self.health.ready["replicas"] = True
        log.info(
            "replicas_read",
            extra={"items": len(parts.knowledge.records), "seconds": round(time.monotonic() - started, 2)},
        )
        self.add_future(self._watch())
        if parts.settings.encoder.user_model_watch_seconds:
            self.add_future(self._watch_model(parts.settings.encoder.user_model_watch_seconds))
        if parts.settings.graph.ranking.learned_watch_seconds:
            self.add_future(self._watch_ranker(parts.settings.graph.ranking.learned_watch_seconds))
        if parts.knowledge.for_you is not None and parts.settings.for_you.watch_seconds:
            self.add_future(self._watch_for_you(parts.settings.for_you))

    async def on_stop(self) -> None:
        """Disconnect in the opposite order."""
        parts = self.parts
        await parts.items.stop()
        await parts.associations.stop()
        await parts.publisher.stop()
        await parts.store.close()
        await parts.thread.close()
        self.endpoint.stop()

    async def _watch(self) -> None:
        """Turn the liveness hand every second, and ask the servers every few."""
        asked_at = float("-inf")
        while not self.should_stop:
            self.health.loop_turned_at = now = time.monotonic()
            self.parts.metrics.items.set(len(self.parts.knowledge.records))
            self.health.ready["assigned"] = all(app.assigned_once for app in self.apps)
            if now - asked_at >= _PING_SECONDS:
                asked_at = now
                self.health.ready["store"] = await self._answers("store", self.parts.store.ping())
                self.health.ready["kafka"] = await self._answers("kafka", self.parts.publisher.ping())
                await self._mind_topics()
            for replica in (self.parts.items, self.parts.associations):
                if replica.failure is not None:
                    await self.crash(replica.failure)  # the process ends; a new one reads the topic again
            await self.sleep(1.0)

    async def _watch_model(self, seconds: float) -> None:
        """Take over a new user model, at its own pace: loading one takes seconds."""
        parts, encoders = self.parts, self.parts.encoders
        models = ModelWatch(parts.settings.encoder, encoders.text, encoders.device, parts.knowledge, parts.metrics)
        while not self.should_stop:
            await models.look()
            await self.sleep(seconds)

    async def _watch_ranker(self, seconds: float) -> None:
        """Take over newly learned weights."""
        parts = self.parts
        rankers = RankerWatch(parts.settings.graph.ranking.learned_file, parts.knowledge, parts.metrics)
        while not self.should_stop:
            await rankers.look()
            await self.sleep(seconds)

    async def _watch_for_you(self, settings: ForYouSettings) -> None:
        """Take over a new for-you model."""
        models = ForYouWatch(settings, self.parts.knowledge, self.parts.metrics)
        while not self.should_stop:
            await models.look()
            await self.sleep(settings.watch_seconds)

    async def _mind_topics(self) -> None:
        """End the process when a topic was made again under us; a new one learns its id and decides what it means."""
        if changed := await asyncio.to_thread(self.topics.made_again):
            await self.crash(TopicsMadeAgain(f"deleted and made again while we ran: {', '.join(changed)}"))

    async def _answers(self, server: str, question: Any) -> bool:
        try:
            await asyncio.wait_for(question, timeout=_PING_SECONDS)
        except (Unavailable, KafkaError, OSError, TimeoutError) as error:
            self._absences[server].noted(repr(error))
            return False
        self._absences[server].over()
        return True


def build_parts(settings: Settings, facts: TopicFacts, store: GraphStore) -> Parts:
    """Load the encoders and put together what the roles share.

    Raises encoders.base.EncoderError, stream.ranker_file.RankerFileError.
    """
    weights = load_weights(settings.graph)
    encoders = load_encoders(settings.encoder)
    metrics = Metrics()
    metrics.unknown_tokens.set_function(lambda: encoders.text.unknown_share)
    metrics.tell_model(encoders.text.model, encoders.user.name, str(encoders.device.torch_device))
    knowledge = Knowledge(encoders.user, settings.graph)
    knowledge.weights = weights
    metrics.tell_ranker(weights.version)
    topics = settings.topics
    return Parts(
        settings,
        facts,
        store,
        Publisher(settings, metrics),
        metrics,
        knowledge,
        encoders,
        EncoderThread(settings.encoder.cpu_threads),
        Replica(topics.items, facts.partitions[topics.items], settings, knowledge.on_items),
        Replica(topics.associations, facts.partitions[topics.associations], settings, knowledge.on_associations),
    )


def build_handler(role: Role, parts: Parts) -> BatchHandler:
    """Return a role's agent. Raises stream.ranker_file.RankerFileError for a for-you model that cannot be used."""
    handler = _build_handler(role, parts)
    if isinstance(handler, LedgeredAgent):
        handler.topic_id = parts.facts.ids[handler.topic]
    return handler


def _build_handler(role: Role, parts: Parts) -> BatchHandler:
    settings, facts, topics = parts.settings, parts.facts, parts.settings.topics
    common = (parts.store, parts.publisher, settings, parts.metrics, now_ms)
    if role is Role.INTAKE:
        ids, counts = facts.ids, facts.partitions
        return IntakeAgent(
            parts.publisher, settings, parts.metrics, now_ms, ids[topics.interactions], counts[topics.bundles]
        )
    if role is Role.INTEREST:
        names = {p: f"{facts.ids[topics.bundles]}/{p}" for p in range(facts.partitions[topics.bundles])}
        if (for_you := load_for_you(settings.for_you)) is not None:  # a gigabyte, for this role alone
            parts.knowledge.for_you = for_you
            parts.metrics.tell_for_you(for_you.version)
        refresher = Refresher(parts.knowledge, parts.thread, settings.graph, parts.metrics)
        return InterestAgent(topics.bundles, *common).equip(
            refresher,
            (parts.items, parts.associations),
            names,
            facts.partitions[topics.transitions],
            KafkaOriginals(settings),
        )
    if role is Role.ASSOCIATION:
        return AssociationAgent(topics.transitions, *common).equip(
            parts.knowledge, facts.partitions[topics.transitions]
        )
    return CatalogueAgent(topics.catalogue, *common).equip(
        parts.knowledge,
        parts.encoders.text,
        parts.thread,
        parts.encoders.categories,
        parts.encoders.micro_topics,
    )


class GracefulWorker(faust.Worker):
    """Stops on SIGTERM and SIGINT: ends the batch in hand, leaves the groups; but never takes for ever about it."""

    def _flag_as_shutdown_by_signal(self) -> None:
        super()._flag_as_shutdown_by_signal()
        arm_exit(STOP_SECONDS, code=0)  # nothing is lost by it: the ledger knows where we were


def build_worker(
    parts: Parts, roles: Sequence[Role], extra: Sequence[Service] = (), static_members: bool = True
) -> tuple[faust.Worker, Runtime]:
    """Return the worker of these roles and the runtime its services share. ``extra`` services start last."""
    settings = parts.settings
    lock: InstanceLock | None = None
    if static_members:
        lock = InstanceLock(settings.worker.state_dir or default_state_dir(), settings.kafka.group_prefix)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    runtime = Runtime(parts)
    apps = []
    for role in roles:
        handler = build_handler(role, parts)
        instance_id = lock.instance_id(role.value) if lock else None
        topic_id = parts.facts.ids[handler.topic]
        apps.append(BatchApp(role.value, handler, settings, instance_id, topic_id, runtime.topics.was_made_again))
    for app in apps:
        app.finalize()
    runtime.apps.extend(apps)
    runtime.lock = lock  # collected as garbage, it would let another process have the same instance id
    worker = GracefulWorker(
        apps[-1],
        runtime,
        *apps[:-1],
        *extra,
        loop=loop,
        loglevel="WARN",
        quiet=True,
        override_logging=False,
        redirect_stdouts=False,
    )
    worker.spinner = None  # it would write cursor codes into logs
    return worker, runtime
