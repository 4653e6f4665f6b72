"""Topics and graphs that an operator changed under us: each ends exact, or in a refusal that names the way out."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic

from stream.admin import admin_client
from stream.settings import Settings
from tests.faults.grounds import PARTITIONS, Grounds, Lag
from tests.faults.judge import Verdict, judge_product
from tests.faults.log import Feed
from tests.faults.schedule import Cycle
from tests.faults.storm import Outcome, Stuck, crew_of
from tests.faults.supervise import Crew
from tests.integration.shop import make_shop

_REST_SECONDS = 300.0
_REFUSED = 2


@dataclass
class Scene:
    """A crew that works, a log half produced."""

    grounds: Grounds
    settings: Settings
    crew: Crew
    feed: Feed
    verdict: Verdict

    def rest(self) -> None:
        """Wait until nothing is left to apply, or until a worker refuses to go on."""
        lag = Lag(self.grounds, self.settings)
        deadline = time.monotonic() + _REST_SECONDS
        while not self.crew.refusals and (behind := lag.behind()):
            self.crew.tend()
            if time.monotonic() > deadline:
                logs = [place.log.read_text(errors="replace")[-1500:] for place in self.crew.places.values()]
                raise Stuck(f"not at rest after {_REST_SECONDS} s, behind: {behind}\n" + "\n".join(logs))
            time.sleep(0.3)

    def restart(self) -> None:
        """Stop all workers, and start as many."""
        count = len(self.crew.places)
        self.crew.dismiss_all()
        self.start(count)

    def start(self, count: int = 2) -> None:
        """Start workers."""
        for number in range(count):
            self.crew.start(f"worker-{number}")

    def wait_for_refusal(self, *words: str) -> None:
        """Wait until a worker has ended with the exit code of refusals; its message must hold these words."""
        deadline = time.monotonic() + _REST_SECONDS
        while not self.crew.refusals and time.monotonic() < deadline:
            self.crew.tend()
            time.sleep(0.3)
        if not self.crew.refusals:
            self.verdict.say(f"nobody refused to go on; workers ended so: {dict(self.crew.ends)}")
            return
        for word in words:
            if not re.search(word, self.crew.refusals[-1]):
                self.verdict.say(f"the refusal does not say {word!r}: {self.crew.refusals[-1][-600:]}")

    def make_again(self, topic: str) -> None:
        """Delete a topic and make it again, empty."""
        admin = admin_client(self.settings)
        (spec,) = [t for t in self.settings.topics.table() if t.name == topic]
        wait(admin.delete_topics([topic]).values(), timeout=30)
        deadline = time.monotonic() + 30
        while topic in admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline, f"{topic} was not deleted"
            time.sleep(0.1)
        new = NewTopic(topic, PARTITIONS, 1, config=spec.config())
        for future in admin.create_topics([new]).values():
            future.result()
        listed = admin.list_topics(timeout=10).topics
        while topic not in listed or len(listed[topic].partitions) < PARTITIONS:
            listed = admin.list_topics(timeout=10).topics
            assert time.monotonic() < deadline, f"{topic} was not made again"
            time.sleep(0.1)
        self.feed.connect()


Act = Callable[[Scene], bool]
"""Plays a scenario; returns whether graph and log can be compared at its end."""


def _source_made_again(scene: Scene) -> bool:
    scene.start()
    scene.feed.advance(0.5)
    scene.feed.flush()
    scene.rest()
    former = dict(scene.feed.places)
    scene.make_again(scene.settings.topics.interactions)
    scene.feed.finish()
    scene.rest()
    # Offsets begin again: the former messages keep their places under partitions that nobody has.
    clashing = {(partition - PARTITIONS, offset): message for (partition, offset), message in former.items()}
    scene.feed.places.update(clashing)
    return True


def _retention(scene: Scene) -> bool:
    scene.start()
    scene.feed.advance(0.4)
    scene.feed.flush()
    scene.rest()
    scene.crew.dismiss_all()
    scene.feed.advance(0.8)
    scene.feed.flush()
    admin, topic = admin_client(scene.settings), scene.settings.topics.interactions
    lag = Lag(scene.grounds, scene.settings)
    applied, ends = lag.committed(topic), lag.ends(topic)
    eaten = {p: applied.get(p, 0) + (end - applied.get(p, 0)) // 2 for p, end in ends.items()}
    for future in admin.delete_records([TopicPartition(topic, p, before) for p, before in eaten.items()]).values():
        future.result()
    unread = [
        scene.feed.places.pop((partition, offset))
        for partition, before in eaten.items()
        for offset in range(applied.get(partition, 0), before)
        if (partition, offset) in scene.feed.places
    ]
    scene.start()
    scene.feed.finish()
    scene.rest()
    told = sum(
        int(str(line["to_offset"])) - int(str(line["from_offset"]))
        for line in scene.crew.lines()
        if line.get("event") == "records_lost_to_retention" and line.get("topic") == topic
    )
    if told != len(unread):
        scene.verdict.say(f"retention ate {len(unread)} unread events, the workers told of {told}")
    return True


def _older_graph(scene: Scene) -> bool:
    scene.start()
    scene.feed.advance(0.4)
    scene.feed.flush()
    scene.rest()
    data, kept = scene.grounds.neo4j.home / "data", scene.grounds.neo4j.home / "kept"
    with _stopped(scene.grounds):
        shutil.copytree(data, kept)
    scene.feed.advance(0.8)
    scene.feed.flush()
    scene.rest()
    with _stopped(scene.grounds):
        shutil.rmtree(data)
        kept.rename(data)
    scene.feed.finish()
    scene.rest()
    return True


@contextmanager
def _stopped(grounds: Grounds) -> Iterator[None]:
    grounds.neo4j.stop()
    yield
    grounds.neo4j.start()
    grounds.neo4j.wait_ready()


def _other_partition_count(scene: Scene) -> bool:
    scene.start()
    scene.feed.advance(0.4)
    scene.feed.flush()
    scene.rest()
    topic = scene.settings.topics.bundles
    admin = admin_client(scene.settings)
    for future in admin.create_partitions([NewPartitions(topic, PARTITIONS + 2)]).values():
        future.result()
    scene.feed.finish()
    scene.restart()
    scene.wait_for_refusal(topic, f"{PARTITIONS + 2} partitions", f"{PARTITIONS} partitions\\s+again", "replay")
    return False


def _internal_made_again(scene: Scene) -> bool:
    scene.start()
    scene.feed.advance(0.5)
    scene.feed.flush()
    scene.rest()
    scene.make_again(scene.settings.topics.bundles)
    scene.feed.finish()
    scene.restart()
    scene.wait_for_refusal(scene.settings.topics.bundles, "made again", "empty database|new graph")
    return False


def _catalogue_made_again(scene: Scene) -> bool:
    scene.start()
    scene.feed.advance(0.5)
    scene.feed.flush()
    scene.rest()
    scene.make_again(scene.settings.topics.catalogue)
    for key, value in scene.feed.shop.catalogue():
        scene.feed.produce_row(key, value)
    scene.feed.finish()
    scene.rest()
    if scene.crew.refusals:
        scene.verdict.say(f"a catalogue says all of every item, and yet: {scene.crew.refusals[-1][-600:]}")
    return True


ACTS: dict[str, Act] = {
    "source topic made again": _source_made_again,
    "retention ate unread events": _retention,
    "older graph restored": _older_graph,
    "other partition count": _other_partition_count,
    "internal topic made again": _internal_made_again,
    "catalogue topic made again": _catalogue_made_again,
}


def run_scenario(cycle: Cycle, grounds: Grounds, folder: Path) -> Outcome:
    """Play a scenario and judge it."""
    began = time.monotonic()
    grounds.start()
    outcome = Outcome(cycle, Verdict())
    with grounds.settings(cycle.key) as settings, crew_of(cycle, settings, folder) as crew:
        now = time.time_ns() // 1_000_000
        shop = make_shop(cycle.seed * 1000 + cycle.number, cycle.events, 200, now=now, duplicates=0.05, malformed=0.05)
        feed = Feed(settings, shop, cycle.seed)
        scene = Scene(grounds, settings, crew, feed, outcome.verdict)
        comparable = ACTS[cycle.scenario](scene)
        if comparable:
            crew.settle()
            found = judge_product(Lag(grounds, settings), feed)
            found.differences[:0] = outcome.verdict.differences
            outcome.verdict = found
        crew.dismiss_all()
        outcome.faults = dict(sorted(crew.ends.items()))
        outcome.restarts = crew.said("restarting")
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome
