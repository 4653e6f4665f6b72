"""Time the writing of users into a graph: milliseconds per batch, users and edges per second.

    python tests/bench/bench_graph_store.py --uri bolt://127.0.0.1:7687 --password ... --users 231 500 --writers 1 2

Writes into the graph it is given, under the ledgers `bench/N`: use one that holds nothing else. Users are drawn from
a population of their own per writer and come back, categories and items are shared and popular ones more so (Zipf 0.8).
A write has a state of 1 KB, two lists of ten, three interests (two that the user keeps) and two touches (one that the
user keeps). Without --uri the memory store is timed. Prints one line per figure and a JSON object last.
"""

import argparse
import asyncio
import json
import logging
import random
import statistics
import time

from graph.memory_store import MemoryGraphStore
from graph.model import Interest, Touch
from graph.neo4j_store import Neo4jGraphStore
from graph.store import GraphStore, LedgerCommit, LedgerMove, UserWrite

NOW = 1_795_468_800_000
CATEGORIES = [f"Department {number % 12} > Shelf {number}" for number in range(300)]
ITEMS = [f"SKU-{10_000 + number}" for number in range(5_000)]
POPULATION = 8_000
CATEGORY_WEIGHTS = [1 / (rank + 1) ** 0.8 for rank in range(len(CATEGORIES))]
ITEM_WEIGHTS = [1 / (rank + 1) ** 0.8 for rank in range(len(ITEMS))]


class Retries(logging.Handler):
    """Counts the transactions that the driver repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += "will be retried" in record.msg


def write(dice: random.Random, writer: int, number: int) -> UserWrite:
    """Return one user as it is written now."""
    categories = {CATEGORIES[number * 7 % 300], CATEGORIES[(number * 13 + 1) % 300]}
    categories.add(dice.choices(CATEGORIES, CATEGORY_WEIGHTS)[0])
    items = {ITEMS[number * 17 % 5_000], dice.choices(ITEMS, ITEM_WEIGHTS)[0]}
    at = NOW + dice.randrange(10**9)
    return UserWrite(
        f"user-{writer}-{number}",
        dice.randrange(100),
        at,
        at,
        dice.sample(ITEMS, 10),
        dice.sample(ITEMS, 10),
        dice.randbytes(1024),
        [Interest(path, dice.uniform(0.1, 9.0), at, dice.uniform(1e3, 2e3), 3, 1, 0.5) for path in sorted(categories)],
        [Touch(item, dice.random() < 0.2, 2, at) for item in sorted(items)],
    )


async def work(store: GraphStore, writer: int, users: int, batches: int) -> list[float]:
    """Write batches on one ledger; return the seconds of each."""
    key, dice = f"bench/{writer}", random.Random(writer)
    applied = (await store.claim({key: "bench"}))[key].applied
    seconds = []
    for _ in range(batches):
        writes = [write(dice, writer, number) for number in dice.sample(range(POPULATION), users)]
        commit = LedgerCommit({key: "bench"}, [LedgerMove(key, applied, applied + 1, b"", b"")])
        start = time.perf_counter()
        await store.apply_users(commit, writes)
        seconds.append(time.perf_counter() - start)
        applied += 1
    return seconds


async def measure(arguments: argparse.Namespace, users: int, writers: int) -> dict[str, float]:
    """Time ``writers`` writers at once, each with a store of its own."""
    retries = Retries()
    logging.getLogger("neo4j").addHandler(retries)
    memory = MemoryGraphStore()
    stores: list[GraphStore] = [
        Neo4jGraphStore(arguments.uri, arguments.user, arguments.password) if arguments.uri else memory
        for _ in range(writers)
    ]
    for store in stores:
        await store.start()
    await stores[0].ensure_schema({})
    await stores[0].ensure_stubs(CATEGORIES, ITEMS)
    client = time.process_time()
    start = time.perf_counter()
    runs = await asyncio.gather(*(work(s, index, users, arguments.batches) for index, s in enumerate(stores)))
    elapsed = time.perf_counter() - start
    client = time.process_time() - client
    for store in stores:
        await store.close()
    logging.getLogger("neo4j").removeHandler(retries)
    half = [seconds for run in runs for seconds in run[arguments.batches // 2 :]]
    return {
        "users_per_batch": users,
        "writers": writers,
        "median_ms_per_batch": round(1e3 * statistics.median(half), 1),
        "first_ms_per_batch": round(1e3 * statistics.median(runs[0][1:6]), 1),
        "users_per_second": round(users * writers / statistics.median(half)),
        "users_per_second_overall": round(users * writers * arguments.batches / elapsed),
        "client_cpu_ms_per_batch": round(1e3 * client / writers / arguments.batches, 1),
        "retries": retries.count,
    }


def main() -> None:
    """Measure every combination asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri")
    parser.add_argument("--user", default="neo4j")
    parser.add_argument("--password", default="")
    parser.add_argument("--users", type=int, nargs="+", default=[231, 500])
    parser.add_argument("--writers", type=int, nargs="+", default=[1])
    parser.add_argument("--batches", type=int, default=60)
    arguments = parser.parse_args()
    logging.getLogger("neo4j").propagate = False
    results = []
    for users in arguments.users:
        for writers in arguments.writers:
            results.append(asyncio.run(measure(arguments, users, writers)))
            print("  ".join(f"{name} {value}" for name, value in results[-1].items()))  # noqa: T201
    print(json.dumps({"bench": "graph_store", "store": "neo4j" if arguments.uri else "memory", "results": results}))  # noqa: T201


if __name__ == "__main__":
    main()
