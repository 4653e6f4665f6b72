"""What happens to whom, and when: every cycle is a function of (part, seed, number), so that it can be run again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SESSION_SECONDS = 6.0
"""The consumer groups' session timeout in every storm: a silent worker is replaced after it."""


class Subject(StrEnum):
    """Who is hit: the product, or one of the scripts that people write instead."""

    PRODUCT = "product"
    NAIVE = "naive"
    TUNED = "tuned"
    TEXTBOOK = "textbook"


CONTROLS = (Subject.NAIVE, Subject.TUNED, Subject.TEXTBOOK)


class Deed(StrEnum):
    """A fault of the timeline. ``target`` says of which server or worker, ``seconds`` for how long."""

    KILL_SERVER = "kill server"
    STOP_SERVER = "stop server"
    FILL_DISK = "fill disk"
    FREEZE = "freeze"
    CUT_COMMIT = "cut commit"
    HALF_OPEN = "half-open connections"
    JOIN = "join"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault, ``at`` seconds after the storm began."""

    at: float
    deed: Deed
    target: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a worker: how it ends, and after how many seconds at the latest.

    ``end`` is SIGKILL or SIGTERM, counted from the start of the process (``at_work``: from its first claim), or the
    text of a failpoint: then seconds count from the first claim, and whoever has not reached the place by then is
    killed. A control dies before or after a transaction instead, or is killed. A failpoint that freezes does so for
    ``frozen`` seconds, and ends no life.
    """

    end: str
    seconds: float
    frozen: float = 0.0
    at_work: bool = False


@dataclass(frozen=True, slots=True)
class Cycle:
    """One storm over one log, judged at its end.

    ``skews`` are the workers' clock errors in seconds, by number; ``erased``: so many users ask to be erased.
    """

    part: str
    seed: int
    number: int
    subject: Subject = Subject.PRODUCT
    workers: int = 2
    events: int = 3000
    lives: tuple[Life, ...] = ()
    blows: tuple[Blow, ...] = ()
    skews: tuple[int, ...] = ()
    scenario: str = ""
    erased: int = 0

    @property
    def key(self) -> str:
        """Its name in results, topics and folders."""
        return f"{self.part}-{self.seed}-{self.number}-{self.subject}"

    @property
    def seconds(self) -> float:
        """How long the timeline takes."""
        return max((blow.at + blow.seconds for blow in self.blows), default=0.0)


_FAILPOINTS = (
    *("after_poll", "after_decode", "after_encode", "transaction_open", "mid_transaction", "after_commit"),
    *("mid_publish", "after_publish", "ledger_seek", "association_flush", "catalogue_write", "outbox_republish"),
    "on_revoke",
)
_EARLY = {"ledger_seek", "outbox_republish", "on_revoke"}
"""Reached a few times per life only."""

_LIVES_PER_CYCLE = 30


def _life(dice: random.Random, n: int) -> Life:
    """Return the n-th life of all: failpoints in turn, every third a signal at any moment."""
    if n % 3 == 2:
        return Life(dice.choices(["SIGKILL", "SIGTERM"], [3, 1])[0], round(dice.uniform(4, 26), 2))
    place = _FAILPOINTS[(n - n // 3) % len(_FAILPOINTS)]
    count = dice.randint(1, 2) if place in _EARLY else dice.randint(1, 6)
    action = "raise" if dice.random() < 0.1 else "kill"
    return Life(f"{place}={action}@{count}", round(dice.uniform(9, 14), 2))


def _kills(seed: int, number: int) -> Cycle:
    dice = random.Random(f"kills/{seed}/{number}")
    first = number * _LIVES_PER_CYCLE
    lives = [_life(dice, n) for n in range(first, first + _LIVES_PER_CYCLE)]
    return Cycle("kills", seed, number, workers=2 + number % 2, events=8000, lives=tuple(lives))


_ERASED = 80
"""Of 200 users."""


def _erasures(seed: int, number: int) -> Cycle:
    """Return workers that die as in kills, while users ask to be erased."""
    dice = random.Random(f"erasures/{seed}/{number}")
    lives = [_life(dice, n) for n in range(number * _LIVES_PER_CYCLE, (number + 1) * _LIVES_PER_CYCLE)]
    return Cycle("erasures", seed, number, workers=2, events=8000, lives=tuple(lives), erased=_ERASED)


def _servers(seed: int, number: int) -> Cycle:
    """Return three outages of each server; about a third begin while the other server is still down."""
    dice = random.Random(f"servers/{seed}/{number}")
    targets = ["kafka", "neo4j"] * 3
    dice.shuffle(targets)
    blows: list[Blow] = []
    up_again = dict.fromkeys(targets, 0.0)
    at = 4.0
    for target in targets:
        deed = dice.choices([Deed.KILL_SERVER, Deed.STOP_SERVER], [2, 1])[0]
        down = round(dice.choices([1, 2, 4, 8, 15, 30, 60], [3, 3, 3, 3, 2, 1, 1])[0] * dice.uniform(0.7, 1.0), 2)
        at = round(max(at, up_again[target]), 2)
        blows.append(Blow(at, deed, target, down))
        up_again[target] = at + down + 12  # time to start
        at += dice.uniform(2, 6) if dice.random() < 0.35 else down + dice.uniform(8, 14)
    return Cycle("servers", seed, number, events=4000, blows=tuple(blows))


_FREEZES_BY_SIGNAL = 7


def _pauses(seed: int, number: int) -> Cycle:
    """Return three workers that freeze, each of them once at a chosen place, and connections that break around COMMIT.

    At a place they stay frozen for up to eight session timeouts: peers have long done what they hold. Two may be
    frozen at the same time; a freeze that finds its worker frozen comes when it has woken.
    """
    dice = random.Random(f"pauses/{seed}/{number}")
    places = ("transaction_open", "mid_transaction", "after_commit", "mid_publish", "after_publish", "after_encode")
    chosen = [places[(3 * number + n) % len(places)] for n in range(3)]
    frozen = [round(SESSION_SECONDS * dice.uniform(low, 2 * low), 2) for low in (1.2, 2.2, 4.0)]
    dice.shuffle(frozen)
    lives = tuple(
        Life(f"{place}=stop@{dice.randint(6, 40)}", 0.0, seconds) for place, seconds in zip(chosen, frozen, strict=True)
    )
    blows: list[Blow] = []
    at = 4.0
    for n in range(_FREEZES_BY_SIGNAL):
        if n < 5:
            blows.append(Blow(round(at, 2), Deed.CUT_COMMIT, dice.choice(["ANSWER_LOST", "LOST", "LATE"])))
        at += dice.uniform(2, 5)
        blows.append(Blow(round(at, 2), Deed.FREEZE, str(n % 3), round(SESSION_SECONDS + dice.uniform(2, 9), 2)))
        at += dice.uniform(7, 12)
    blows.append(Blow(round(at + 4, 2), Deed.HALF_OPEN, "neo4j", round(dice.uniform(5, 15), 2)))
    return Cycle("pauses", seed, number, workers=3, events=4000, blows=tuple(blows), lives=lives)


_GUESTS = 7


def _rebalances(seed: int, number: int) -> Cycle:
    """Return joins and leaves, one about every six seconds.

    One worker stays: of two that have two partitions each, none would give any to a third.
    """
    dice = random.Random(f"rebalances/{seed}/{number}")
    blows: list[Blow] = []
    roles = ["", "intake", "interest", "association", "interest,association"]
    at = 4.0
    for guest in range(_GUESTS):
        stays = dice.uniform(9, 16)
        blows.append(Blow(round(at, 2), Deed.JOIN, f"guest-{guest}:{dice.choice(roles)}"))
        blows.append(Blow(round(at + stays, 2), Deed.LEAVE, f"guest-{guest}"))
        at += dice.uniform(9, 13)
    ordered = tuple(sorted(blows, key=lambda blow: blow.at))
    return Cycle("rebalances", seed, number, workers=1, events=2500, blows=ordered)


_HOUR, _DAY = 3600, 86_400


def _clocks(seed: int, number: int) -> Cycle:
    dice = random.Random(f"clocks/{seed}/{number}")
    skew = (_HOUR, -_HOUR, _DAY, -_DAY)[number % 4]
    lives = [Life("SIGKILL", round(dice.uniform(3, 13), 2), at_work=True) for _ in range(4)]
    return Cycle("clocks", seed, number, skews=(skew, 0), lives=tuple(lives))


def _disks(seed: int, number: int) -> Cycle:
    dice = random.Random(f"disks/{seed}/{number}")
    target = ("kafka", "neo4j")[number % 2]
    full = round(dice.uniform(8, 20), 2)
    return Cycle("disks", seed, number, blows=(Blow(10.0, Deed.FILL_DISK, target, full),))


SCENARIOS = (
    *("source topic made again", "retention ate unread events", "older graph restored"),
    *("other partition count", "internal topic made again", "catalogue topic made again"),
)


def _topics(seed: int, number: int) -> Cycle:
    return Cycle("topics", seed, number, events=1500, scenario=SCENARIOS[number % len(SCENARIOS)])


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of storm: how to make its cycles, how many there are, and how many of them hit the controls too."""

    make: Callable[[int, int], Cycle]
    cycles: int
    control_cycles: int = 0


PARTS: dict[str, Part] = {
    "kills": Part(_kills, 10, 1),
    "servers": Part(_servers, 20, 1),
    "pauses": Part(_pauses, 10, 1),
    "rebalances": Part(_rebalances, 15),
    "erasures": Part(_erasures, 4),
    "clocks": Part(_clocks, 4),
    "disks": Part(_disks, 2),
    "topics": Part(_topics, len(SCENARIOS)),
}


def cycles_of(name: str, seed: int) -> list[Cycle]:
    """Return a part's cycles; the controls follow the cycle of the product whose storm they share."""
    part = PARTS[name]
    cycles: list[Cycle] = []
    for number in range(part.cycles):
        cycle = part.make(seed, number)
        cycles.append(cycle)
        if number < part.control_cycles:
            cycles.extend(with_subject(cycle, control) for control in CONTROLS)
    return cycles


_SHORT_PLACES = ("after_commit=kill", "mid_publish=kill", "association_flush=kill", "mid_transaction=raise")


def short_kills(seed: int, subject: Subject = Subject.PRODUCT) -> Cycle:
    """Return a cycle of a minute or two: workers that die in four chosen places, and at any moment."""
    dice = random.Random(f"short/{seed}")
    lives = [Life(f"{place}@{dice.randint(1, 5)}", 10.0) for place in _SHORT_PLACES]
    lives += [Life("SIGKILL", round(dice.uniform(9, 18), 2)), Life("SIGTERM", round(dice.uniform(12, 20), 2))]
    dice.shuffle(lives)
    return Cycle("kills", seed, 0, subject, workers=2, events=1500, lives=tuple(lives))


def short_mixture(seed: int) -> Cycle:
    """Return a cycle of a minute or two: both servers killed, and a worker that freezes and wakes as a zombie."""
    dice = random.Random(f"mixture/{seed}")
    frozen = round(SESSION_SECONDS + dice.uniform(2, 5), 2)
    blows = (
        Blow(3.0, Deed.FREEZE, str(dice.randrange(2)), frozen),
        Blow(frozen + 8, Deed.KILL_SERVER, "kafka", round(dice.uniform(1, 4), 2)),
        Blow(frozen + 20, Deed.KILL_SERVER, "neo4j", round(dice.uniform(1, 6), 2)),
    )
    return Cycle("servers", seed, 0, workers=2, events=1500, blows=blows)


def with_subject(cycle: Cycle, subject: Subject) -> Cycle:
    """Return the same storm over another subject."""
    return Cycle(cycle.part, cycle.seed, cycle.number, subject, cycle.workers, cycle.events, cycle.lives, cycle.blows)


def share_of(cycles: list[Cycle], shard: str) -> list[Cycle]:
    """Return the i-th of n shares, ``shard`` being i/n with i from 1. Raises ValueError."""
    i, n = (int(number) for number in shard.split("/"))
    if not 1 <= i <= n:
        raise ValueError(f"shard {shard}: i/n, with i from 1 to n")
    return cycles[i - 1 :: n]


def describe(cycle: Cycle) -> str:
    """Return the schedule, one fault per line."""
    lines = [f"{cycle.key}: {cycle.workers} workers, {cycle.events} events {cycle.scenario}".rstrip()]
    lines += [f"  clock of worker {i}: {skew:+d} s" for i, skew in enumerate(cycle.skews) if skew]
    lines += [f"  life {i}: {_life_in_words(life)}" for i, life in enumerate(cycle.lives)]
    lines += [f"  {cycle.erased} users are erased"] if cycle.erased else []
    lines += [f"  {b.at:6.2f} s {b.deed} {b.target} {b.seconds or ''}".rstrip() for b in cycle.blows]
    return "\n".join(lines)


def _life_in_words(life: Life) -> str:
    if life.frozen:
        return f"{life.end}, for {life.frozen} s"
    return f"{life.end}, at the latest after {life.seconds} s" + (" of work" if life.at_work else "")
