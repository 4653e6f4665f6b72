"""``make faults``: run a share of the storms, one cycle after the other; what is finished is not run again."""

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from stream.servers.maven import fetch_jars, jar_cache
from stream.servers.resources import pom
from stream.servers.tools import find_java
from tests.faults.disks import can_mount, small_disk
from tests.faults.grounds import Grounds, make_grounds
from tests.faults.judge import Verdict
from tests.faults.report import append_result, read_results, result_of, write_page
from tests.faults.scenarios import run_scenario
from tests.faults.schedule import PARTS, Cycle, Subject, cycles_of, describe, share_of
from tests.faults.storm import Outcome, Stuck, run_cycle

ROOT = Path(__file__).parents[2]


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--part", default="all", choices=["all", *PARTS])
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="this share of the cycles")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cycle", default="", metavar="A[-B]", help="these numbers only: 3, or 0-4")
    parser.add_argument("--subject", default="", choices=["", *(subject.value for subject in Subject)])
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "faults", help="logs, servers' data")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "docs" / "reliability.jsonl", help="they accumulate here"
    )
    parser.add_argument("--plan", action="store_true", help="print the schedules and end")
    parser.add_argument("--write", action="store_true", help="write the page from the results that are there and end")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md", help="the page to write into")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Cycle]:
    """Return the cycles to run."""
    parts = list(PARTS) if options.part == "all" else [options.part]
    cycles = share_of([cycle for part in parts for cycle in cycles_of(part, options.seed)], options.shard)
    if options.cycle:
        first, _, last = options.cycle.partition("-")
        cycles = [cycle for cycle in cycles if int(first) <= cycle.number <= int(last or first)]
    return [cycle for cycle in cycles if options.subject in ("", cycle.subject)]


def commit_of(checkout: Path) -> str:
    """Return which commit is checked out; empty where that cannot be told."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def impossible(cycle: Cycle) -> str:
    """Return why a cycle cannot be run on this machine, or nothing."""
    if cycle.part == "disks" and not can_mount():
        return "no tmpfs can be mounted (root only): FULL DISKS ARE NOT TESTED"
    return ""


@contextmanager
def grounds_of(folder: Path) -> Iterator[Grounds]:
    """Make servers below a folder; they end with the block."""
    java = find_java()
    jars = {name: fetch_jars(pom(name), jar_cache()) for name in ("kafka", "neo4j")}
    grounds = make_grounds(folder, jars, java)
    try:
        yield grounds
    finally:
        grounds.end()


def run_on_small_disk(cycle: Cycle, folder: Path) -> Outcome:
    """Run a cycle whose target has a small disk to itself."""
    (target,) = {blow.target for blow in cycle.blows}
    with grounds_of(folder / "servers") as own, small_disk(own.servers[target].home):
        try:
            return run_cycle(cycle, own, folder)
        finally:
            own.end()


def run(cycle: Cycle, grounds: Grounds, folder: Path) -> Outcome:
    """Run one cycle; one that does not come to rest is a difference, too."""
    try:
        if cycle.scenario:
            return run_scenario(cycle, grounds, folder)
        if cycle.part == "disks":
            return run_on_small_disk(cycle, folder)
        return run_cycle(cycle, grounds, folder)
    except Stuck as stuck:
        return Outcome(cycle, Verdict(differences=[str(stuck)]))


def main(arguments: list[str]) -> int:
    """Run what was asked for; return 0 when the product passed every cycle."""
    logging.getLogger("neo4j").setLevel(logging.ERROR)  # that a server is away is our own doing
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and workers end with us
    options = parse(arguments)
    cycles = chosen(options)
    if options.plan:
        say("\n".join(map(describe, cycles)))
        return 0
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if options.write:
        write_page(options.page, read_results(options.results))
        return 0
    finished = {result["key"] for result in read_results(options.results)}
    failed, commit = 0, commit_of(ROOT)
    with grounds_of(folder / f"servers-{os.getpid()}") as grounds:
        for n, cycle in enumerate(cycles, 1):
            where = f"[{n}/{len(cycles)}] {cycle.key} {cycle.scenario}".rstrip()
            if cycle.key in finished:
                say(f"{where}: done before")
                continue
            if reason := impossible(cycle):
                say(f"{where}: {reason}")
                continue
            outcome = run(cycle, grounds, folder / cycle.key)
            result = result_of(outcome, date.today(), commit)
            append_result(options.results, result)
            say(
                f"{where}: {'passed' if outcome.passed else 'DIFFERS'}; lost {result['lost']}, doubled "
                f"{result['doubled']}, good dead {result['good_dead']}; recovered in {result['recovery_seconds']} s; "
                f"{result['seconds']} s; {result['faults']}"
            )
            if not outcome.passed:
                failed += cycle.subject is Subject.PRODUCT
                say("\n".join([describe(cycle), *outcome.verdict.differences]))
            if options.page.exists():
                write_page(options.page, read_results(options.results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
