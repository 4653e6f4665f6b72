"""What workers hold (memory, descriptors, threads, connections to the graph), and whether a storm made it grow."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from graph.neo4j_session import POOL_SIZE

_ESTABLISHED = "01"


@dataclass(frozen=True)
class Resources:
    """What processes hold: megabytes of memory of the largest; file descriptors and threads of all.

    ``connections`` are those to the graph, per process, and not among the descriptors.
    """

    megabytes: int
    descriptors: int
    threads: int
    connections: tuple[int, ...] = ()


def resources(pids: list[int], graph_port: int) -> Resources:
    """Measure processes that run. ``graph_port``: where they find Neo4j."""
    megabytes, descriptors, threads = [0], 0, 0
    connections = []
    for pid in pids:
        with contextlib.suppress(OSError):
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
            )
            open_files = [os.readlink(entry) for entry in _descriptors(pid)]
            to_graph = _sockets_to(pid, graph_port).intersection(open_files)
            megabytes.append(int(status["VmRSS"].split()[0]) // 1024)
            threads += int(status["Threads"])
            descriptors += len(open_files) - len(to_graph)
            connections.append(len(to_graph))
    return Resources(max(megabytes), descriptors, threads, tuple(connections))


def growth(before: Resources, after: Resources, of_nobody: int = 0) -> list[str]:
    """Return what grew by more than 10 % and an allowance, per process, for what is opened when it is first needed.

    Connections to the graph are another matter: a pool keeps what its busiest moment opened, and a storm is busier
    than the calm before it. So they are no leak as long as every process has at most what its pool may hold, and the
    server has none ``of_nobody``.
    """
    processes = len(after.connections) or 1
    grown = [
        ("descriptors", before.descriptors, after.descriptors, 5 * processes),
        ("threads", before.threads, after.threads, 3 * processes),
        ("megabytes", before.megabytes, after.megabytes, 100),
    ]
    found = [
        f"{what}: {then} before, {now} after"
        for what, then, now, allowance in grown
        if now > 1.1 * then and now > then + allowance
    ]
    found += [
        f"a worker has {held} connections to Neo4j, its pool holds {POOL_SIZE}"
        for held in after.connections
        if held > POOL_SIZE
    ]
    if of_nobody > 0:
        found.append(f"Neo4j has {of_nobody} connections of nobody who lives")
    return found


def _descriptors(pid: int) -> list[Path]:
    return [entry for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]


def _sockets_to(pid: int, port: int) -> set[str]:
    """Return the names that a network namespace's established connections to a port have among descriptors."""
    sockets = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _ESTABLISHED and int(fields[2].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{fields[9]}]")
    return sockets
