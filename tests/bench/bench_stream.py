"""Time the whole path on the real servers: events per second at full backlog, and event to list at rest.

    make bench                                          # or: python -m tests.bench.bench_stream --events 50000
    make bench ARGS="--workers 2 --users 20000"

Starts a Kafka and a Neo4j in a folder of its own, as `interestream up` does. Backlog: all events are in the topic
before the first worker starts; the clock runs from the first commit in the graph until every hop has applied all it
was sent (lists published, associations written). The baseline is the tuned script of tests/faults/controls, which
only writes one edge per event, on the same log and the emptied graph, in the same run. Latency: single views at an
even rate, each of another user; from the hand-over to the broker until a subscriber has that user's list.

Prints one line per figure and a JSON object last. It is no test: figures of a busy machine are worth nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from encoders.settings import TextEncoderName
from tests.bench.latency import measure
from tests.bench.rig import Log, Rig, cpu_seconds, ledgers, process, rig, wait_until_applied
from tests.integration.shop import Shop, make_shop

_PATIENCE_SECONDS = 1800.0
_CONTROL_GROUP = "bench-tuned"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def backlog(rig: Rig, log: Log, shop: Shop, workers: list[subprocess.Popen[bytes]]) -> dict[str, float]:
    """Wait until the workers have applied everything; they were just started. Returns seconds, rates, CPU seconds."""
    pids = {**rig.pids(), **{f"worker-{i}": worker.pid for i, worker in enumerate(workers)}}
    started = time.monotonic()
    with rig.driver() as driver:
        while not any(ledgers(driver, rig.settings.topics.bundles).values()):
            if any(worker.poll() is not None for worker in workers):
                raise RuntimeError("a worker ended; see its log")
            if time.monotonic() - started > _PATIENCE_SECONDS:
                raise TimeoutError("nothing was ever applied")
            time.sleep(0.05)
    first = time.monotonic()
    used = {name: cpu_seconds(pid) for name, pid in pids.items()}
    wait_until_applied(rig, log, workers, _PATIENCE_SECONDS)
    seconds = time.monotonic() - first
    spent = {name: cpu_seconds(pid) - used[name] for name, pid in pids.items()}
    events = len(shop.good)
    return {
        "events": events,
        "seconds": round(seconds, 2),
        "seconds_with_start": round(time.monotonic() - started, 2),
        "events_per_second": round(events / seconds, 1),
        "cpu_ms_per_event": round(1000 * sum(spent.values()) / events, 4),
        **{f"cpu_seconds_{name}": round(value, 2) for name, value in spent.items()},
    }


def tuned(rig: Rig, log: Log, shop: Shop, folder: Path) -> dict[str, float]:
    """Let the tuned script write one edge per event of the same log into the emptied graph."""
    rig.empty_graph()
    with rig.driver() as driver:
        for label, key in (("User", "userId"), ("Item", "itemId")):
            driver.execute_query(
                f"CREATE CONSTRAINT bench_{label} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{key} IS UNIQUE"
            )
    names = {"CONTROL_GROUP": _CONTROL_GROUP}
    with (
        process(rig.settings, folder / "tuned.log", ["tests.faults.controls.tuned"], **names) as script,
        rig.driver() as driver,
    ):
        pids = {**rig.pids(), "script": script.pid}
        started = time.monotonic()
        written = 0
        first = used = None
        query = "MATCH (:User)-[t:TOUCHED]->(:Item) RETURN coalesce(sum(t.count), 0) AS n"
        still = time.monotonic()
        while first is None or time.monotonic() - still < 5.0:
            if script.poll() is not None or time.monotonic() - started > _PATIENCE_SECONDS:
                raise RuntimeError("the tuned script ended, or never began; see tuned.log")
            now_written = int(driver.execute_query(query)[0][0]["n"])
            if now_written != written:
                written, still = now_written, time.monotonic()
                if first is None:
                    first, used = still, {name: cpu_seconds(pid) for name, pid in pids.items()}
            time.sleep(0.5)
        assert used is not None
        seconds = still - first
        spent = sum(cpu_seconds(pid) - used[name] for name, pid in pids.items())
    return {
        "events": written,
        "seconds": round(seconds, 2),
        "events_per_second": round(written / seconds, 1),
        "cpu_ms_per_event": round(1000 * spent / written, 4),
    }


def run(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Measure everything; see the module."""
    shop = make_shop(options.seed, options.events, options.users, options.items, 60, now=time.time_ns() // 1_000_000)
    users = sorted({event["user_id"] for event in shop.good})
    items = [row["item_id"] for row in shop.rows]
    with rig(options.partitions, TextEncoderName(options.text)) as ground, ExitStack() as stack:
        log, topics = Log(ground.settings), ground.settings.topics
        say(f"{len(users):,} users, {len(items):,} items, {len(shop.messages):,} messages")
        log.produce(topics.catalogue, shop.catalogue())
        with process(ground.settings, folder / "catalogue.log", ["stream", "worker", "--role", "catalogue"]) as worker:
            wait_until_applied(ground, log, [worker], _PATIENCE_SECONDS)
        log.produce(topics.interactions, ((message.key, message.value) for message in shop.messages))
        workers = [
            stack.enter_context(process(ground.settings, folder / f"worker-{i}.log", ["stream", "worker"]))
            for i in range(options.workers)
        ]
        figures: dict[str, object] = {"workers": options.workers, "cpus": os.cpu_count(), "load": os.getloadavg()[0]}
        figures["backlog"] = full = backlog(ground, log, shop, workers)
        say(f"backlog: {full['events_per_second']:,.0f} events/s, {full['cpu_ms_per_event']:.3f} ms CPU an event")
        if options.seconds:
            figures["latency"] = rest = measure(
                ground.settings, users, items, options.rate, options.seconds, options.seed
            )
            say(f"event to list at {options.rate:g}/s: p50 {rest['p50']:.3f} s, p99 {rest['p99']:.3f} s")
        stop(workers)
        if options.baseline:
            figures["tuned_script"] = script = tuned(ground, log, shop, folder)
            figures["ratio"] = round(full["events_per_second"] / script["events_per_second"], 3)
            figures["cpu_ratio"] = round(full["cpu_ms_per_event"] / script["cpu_ms_per_event"], 3)
            say(f"tuned script, edges only: {script['events_per_second']:,.0f} events/s; ratio {figures['ratio']}")
    return figures


def stop(workers: Iterable[subprocess.Popen[bytes]]) -> None:
    """Let workers end by themselves."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait(90)


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1, help="processes, all roles each (1)")
    parser.add_argument("--text", default="transformers", choices=["transformers", "hashing"], help="text encoder")
    parser.add_argument("--rate", type=float, default=50.0, help="events per second at rest (50)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; 0: no latency (60)")
    parser.add_argument("--no-baseline", dest="baseline", action="store_false")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the workers' logs here; default: nowhere")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="interestream-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(run(options, folder)))  # noqa: T201
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
