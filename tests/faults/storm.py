"""Runs one cycle: a log, a crew, the faults of its schedule, a calm, and the judgement."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from stream.settings import Settings
from tests.faults.actions import Actions, ThreadedProxy
from tests.faults.clocks import skewed
from tests.faults.controls import under_fire
from tests.faults.erasures import Erasures
from tests.faults.grounds import Grounds, Lag
from tests.faults.growth import Resources, growth, resources
from tests.faults.judge import Verdict, judge_control, judge_product
from tests.faults.log import Feed
from tests.faults.schedule import Cycle, Subject
from tests.faults.supervise import Crew
from tests.integration.shop import make_shop
from tests.integration.workers import environment

_USERS = 200
_STEP_SECONDS = 0.1
_ASK_SECONDS = 0.5
_WARM_SHARE = 0.1
_LIFE_SECONDS = 10.0
"""How long a life of a worker usually takes: sets the pace of the log where no timeline does."""
_WARM_SECONDS, _REST_SECONDS = 240.0, 480.0
"""Generous: how long rest took is measured, and on a busy machine it takes long."""
_CONTROL_STUCK_SECONDS = 90.0
_CLOSING_SECONDS = 15.0
_AFTER_TRANSACTION = {"after_commit", "mid_publish", "after_publish", "outbox_republish", "on_revoke"}
_EVENTS_PER_BATCH = 20
"""The naive script has a transaction per event."""


@dataclass
class Outcome:
    """What a cycle came to."""

    cycle: Cycle
    verdict: Verdict
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    recovery_seconds: float = 0.0
    restarts: int = 0
    fenced: int = 0
    before: Resources | None = None
    after: Resources | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.verdict.differences


class Stuck(AssertionError):
    """The subject did not come to rest; the message says how far behind it is, and its last words."""


def launcher(settings: Settings, folder: Path, cycle: Cycle) -> Callable[[str, str, Path], "subprocess.Popen[bytes]"]:
    """Return what starts a worker of the cycle's subject. A name may end in ``:`` and roles."""

    def launch(name: str, failpoints: str, log: Path) -> "subprocess.Popen[bytes]":
        more = {"INTERESTREAM_WORKER__STATE_DIR": str(folder / "state")}
        if cycle.subject is Subject.PRODUCT:
            roles = [role for role in name.partition(":")[2].split(",") if role]
            command = ["stream", "worker", *(option for role in roles for option in ("--role", role))]
            if failpoints:
                more["INTERESTREAM_FAILPOINTS"] = failpoints
            number = name.removeprefix("worker-")
            if number.isdecimal() and int(number) < len(cycle.skews):
                more |= skewed(cycle.skews[int(number)])
        else:
            command = ["tests.faults.controls.under_fire", cycle.subject.value]
            if failpoints:
                more[under_fire.VARIABLE] = _place_of_control(cycle.subject, failpoints)
            more |= {"CONTROL_GROUP": f"{settings.kafka.group_prefix}-control", "CONTROL_FOLDER": str(folder)}
        with log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment(settings, **more),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    return launch


def _place_of_control(subject: Subject, failpoint: str) -> str:
    """Translate a failpoint of the product for a script that only has moments before and after its transactions."""
    place, _, order = failpoint.partition("=")
    action, _, nth = order.partition("@")
    count = int(nth or 1) * (_EVENTS_PER_BATCH if subject is Subject.NAIVE else 1)
    where = "after" if place in _AFTER_TRANSACTION else "before"
    return f"{where}={'SIGSTOP' if action == 'stop' else 'SIGKILL'}@{count}"


@contextmanager
def crew_of(cycle: Cycle, settings: Settings, folder: Path) -> Iterator[Crew]:
    """Gather a crew for a cycle; nobody of it outlives the block."""
    folder.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        log.unlink()
    crew = Crew(
        launcher(settings, folder, cycle),
        folder,
        list(cycle.lives),
        has_failpoints=cycle.subject is Subject.PRODUCT,
    )
    try:
        yield crew
    finally:
        crew.kill_all()


def run_cycle(cycle: Cycle, grounds: Grounds, folder: Path) -> Outcome:
    """Run one storm and judge it. Raises Stuck when the subject does not come to rest by itself."""
    began = time.monotonic()
    grounds.start()
    proxy = ThreadedProxy(grounds.neo4j.port) if cycle.part == "pauses" else None
    uri = proxy.proxy.uri if proxy else None
    try:
        with grounds.settings(cycle.key, uri) as settings, crew_of(cycle, settings, folder) as crew:
            outcome = _Run(cycle, grounds, settings, crew, proxy).run()
    finally:
        if proxy is not None:
            proxy.stop()
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


class _Run:
    def __init__(
        self, cycle: Cycle, grounds: Grounds, settings: Settings, crew: Crew, proxy: ThreadedProxy | None
    ) -> None:
        self.cycle = cycle
        self.grounds = grounds
        self.settings = settings
        self.crew = crew
        self.actions = Actions(grounds, crew, proxy, list(cycle.blows))
        self._of_nobody = 0
        self.product = cycle.subject is Subject.PRODUCT
        self.lag = Lag(grounds, settings, "" if self.product else f"{settings.kafka.group_prefix}-control")
        now = time.time_ns() // 1_000_000
        shop = make_shop(
            cycle.seed * 1000 + cycle.number, cycle.events, _USERS, now=now, duplicates=0.05, malformed=0.05
        )
        self.feed = Feed(settings, shop, cycle.seed)
        names = sorted({event["user_id"] for event in shop.good})
        asking = random.Random(cycle.key).sample(names, min(cycle.erased, len(names)))
        self.erasures = Erasures(self.feed, self.lag, settings, asking)

    def run(self) -> Outcome:
        """See :func:`run_cycle`."""
        crew, outcome = self.crew, Outcome(self.cycle, Verdict())
        # Lives end from the beginning; a timeline begins when everybody works.
        for number in range(self.cycle.workers):
            crew.start(f"worker-{number}")
        if self.cycle.blows:
            self.feed.advance(_WARM_SHARE)
            self.feed.flush()
            self.come_to_rest(_WARM_SECONDS)
            self._gather()
            outcome.before = self._resources()
        self._storm()
        ended = max(crew.last_end, self.actions.last_end)
        self.feed.finish()
        self.come_to_rest(_REST_SECONDS)
        outcome.recovery_seconds = round(time.monotonic() - ended, 1)
        if self.cycle.blows:
            outcome.after = self._resources()
            self._of_nobody = self._connections_of_nobody()
        if self.product:
            crew.settle()
            outcome.verdict = judge_product(self.lag, self.feed, self.erasures.users)
            outcome.verdict.differences[:0] = self.erasures.differences
        else:
            outcome.verdict = judge_control(self.grounds, self.settings, self.feed)
        crew.dismiss_all()
        self._judge_crew(outcome)
        return outcome

    def _storm(self) -> None:
        crew, cycle = self.crew, self.cycle
        began = time.monotonic()
        base, share = self.feed.share, self.feed.share
        while crew.storming or crew.frozen or not self.actions.over or not self.erasures.over:
            now = time.monotonic()
            self.actions.advance(now - began)
            self.erasures.advance()
            crew.tend()
            if cycle.lives and not cycle.blows:
                since = min(1.0, (now - max(crew.last_end, began)) / _LIFE_SECONDS)
                share = max(share, (crew.lived + since) / len(cycle.lives))
            else:
                share = base + (1 - base) * min(1.0, (now - began) / (cycle.seconds + 1))
            self.feed.advance(0.95 * share)
            time.sleep(_STEP_SECONDS)

    def _gather(self) -> None:
        """Wait for all workers: one of them may have done everything while another still loads its modules."""
        while self.product and self.crew.gathering():
            self.crew.tend()
            time.sleep(_STEP_SECONDS)

    def come_to_rest(self, seconds: float) -> None:
        """Wait until nothing is left to apply; the crew is replaced where it dies, and nobody else helps."""
        deadline = time.monotonic() + seconds
        asked, behind = 0.0, {"not asked": 1}
        changed = time.monotonic()
        while behind:
            self.crew.tend()
            now = time.monotonic()
            if now - asked > _ASK_SECONDS:
                asked = now
                before, behind = behind, self.lag.behind()
                changed = now if before != behind else changed
            if not self.product and (now - changed > _CONTROL_STUCK_SECONDS or now > deadline):
                return  # what it has not applied by now, it has lost
            if now > deadline:
                logs = [place.log.read_text(errors="replace")[-1500:] for place in self.crew.places.values()]
                raise Stuck(f"{self.cycle.key}: not at rest after {seconds} s, behind: {behind}\n" + "\n".join(logs))
            time.sleep(_STEP_SECONDS)

    def _resources(self) -> Resources:
        port = urlsplit(self.settings.neo4j.uri).port
        assert port is not None
        return resources(self.crew.alive(), port)

    def _connections_of_nobody(self) -> int:
        """Count what Neo4j holds for none of the crew; what is just being closed gets a moment."""
        if self.actions.proxy is not None:
            return 0  # it has connections of its own
        deadline = time.monotonic() + _CLOSING_SECONDS
        while True:
            of_nobody = self.grounds.connections() - sum(self._resources().connections)
            if of_nobody <= 0 or time.monotonic() > deadline:
                return of_nobody
            time.sleep(_ASK_SECONDS)

    def _judge_crew(self, outcome: Outcome) -> None:
        ends = self.crew.ends
        erased = {"users erased": len(self.erasures.users)} if self.erasures.users else {}
        outcome.faults = dict(sorted({**self.actions.done, **ends, **erased}.items()))
        outcome.restarts = self.crew.said("restarting")
        outcome.fenced = sum(1 for line in self.crew.lines() if "Fenced" in str(line.get("exception", "")))
        if not self.product:
            return
        for name in ends:
            if name.startswith("exit ") or name == "did not stop":
                outcome.verdict.say(f"a worker {name} ({ends[name]} times)")
        if outcome.before and outcome.after:
            for grown in growth(outcome.before, outcome.after, self._of_nobody):
                outcome.verdict.say(grown)
