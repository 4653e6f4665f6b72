"""Shops small enough to compute by hand, and a made-up one large enough to learn from."""

import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stream.evaluation.cases import Cases, cases_from_log
from stream.evaluation.interactions import Catalogue, Knowledge, Log

DAY_MS = 86_400_000


@contextmanager
def unseen(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A progress that nobody looks at."""
    yield lambda: None


def catalogue_of(
    *item_ids: str, titles: tuple[str, ...] = (), categories: tuple[tuple[str, ...], ...] = ()
) -> Catalogue:
    """Codes are places in ``item_ids``."""
    n = len(item_ids)
    return Catalogue(item_ids, titles or ("",) * n, ("",) * n, categories or ((),) * n, np.full(n, np.nan))


def log_of(*sequences: list[int], days: list[list[int]] | None = None) -> Log:
    """One user per sequence of item codes, one step per item, at the given days (default 0, 1, 2 and so on)."""
    lengths = [len(sequence) for sequence in sequences]
    times = [day for sequence in days or [list(range(length)) for length in lengths] for day in sequence]
    return Log(
        users=np.repeat(np.arange(len(sequences)), lengths),
        items=np.array([item for sequence in sequences for item in sequence], np.int64),
        times=np.array(times, np.int64) * DAY_MS,
        prices=np.full(sum(lengths), np.nan),
        steps=np.array([step for length in lengths for step in range(length)], np.int64),
        places=np.arange(sum(lengths)),
        n_users=len(sequences),
    )


def knowledge_of(log: Log, n_items: int) -> Knowledge:
    """The cut is at the last interaction."""
    return Knowledge(log, catalogue_of(*(f"i{code}" for code in range(n_items))), int(log.times.max()))


def asked(*histories: list[int]) -> Cases:
    """Cases of unknown users with these histories and the target 0."""
    log = log_of(*([*history, 0] for history in histories))
    ends = log.offsets[1:] - 1
    cases = cases_from_log(log, np.arange(len(histories)), ends, ends + 1)
    return Cases(**{**vars(cases), "users": np.full(len(histories), -1)})


def write_shop(folder: Path, seed: int = 0, users: int = 150, items: int = 60) -> tuple[Path, Path]:
    """Write events and items of a shop whose users walk from item to item of one category, or to its neighbour's."""
    random_ = random.Random(seed)
    rows = [f"i{random_.randrange(10**6)}-{number}" for number in range(items)]
    catalogue = folder / "items.csv.gz"
    with gzip.open(catalogue, "wt") as file:
        file.write("item_id,title,category_path,brand,price\n")
        for number, item in enumerate(rows):
            file.write(
                f"{item},thing {number % 6} number {number},Shop > Aisle {number % 6},B{number % 4},{number + 1}\n"
            )
    lines = []
    for user in range(users):
        at, place = random_.randrange(60 * DAY_MS), random_.randrange(items)
        for _ in range(random_.randint(3, 12)):
            lines.append((at, f"u{user}", rows[place]))
            at += random_.randrange(60_000, 2 * DAY_MS)
            place = (place + random_.choice([6, 6, 6, 12, 1])) % items
    lines.sort()
    events = folder / "events.csv"
    with events.open("w") as file:
        file.write("event_id,user_id,item_id,type,ts_ms,price,quantity,session_id\n")
        for number, (moment, user_id, item) in enumerate(lines):
            file.write(f"e{number},{user_id},{item},view,{moment},,1,\n")
    return events, catalogue


def with_sessions(events: Path, folder: Path, first: int) -> Path:
    """Write the events again, the ``first`` ones of each user as one session (or basket), the others as another."""
    again = folder / "events-of-sessions.csv"
    header, *lines = events.read_text().splitlines()
    rows, so_far = [header], Counter[str]()
    for line in lines:
        user = line.split(",")[1]
        rows.append(f"{line}{user}-{so_far[user] < first}")
        so_far[user] += 1
    again.write_text("\n".join(rows) + "\n")
    return again


def write_relations(folder: Path, items: Path) -> Path:
    """Relate each item to its neighbours, which are of other aisles, and to one of its own."""
    with gzip.open(items, "rt") as file:
        ids = [line.split(",")[0] for line in file.read().splitlines()[1:]]
    for name in ("product.txt", "related_product.txt"):
        (folder / name).write_text("\n".join(ids) + "\n")
    for name, steps in {"bought_together": (1,), "also_bought": (1, 2, 6), "also_viewed": (6,)}.items():
        lines = [" ".join(str((place + step) % len(ids)) for step in steps) for place in range(len(ids))]
        (folder / f"{name}_p_p.txt").write_text("\n".join(lines) + "\n")
    return folder
