"""The lists that the worker published before its tests, and what they come to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stream.evaluation.interactions import Catalogue, IntArray
from stream.evaluation.metrics import Outcome

LISTS = ("cross_sell", "up_sell")
LENGTH = 10
CUTOFFS = (5, 10)
SHOWN_METRICS = ("HR", "NDCG", "MRR")


@dataclass
class WorkerLists:
    """lists: (B, 10) codes by list, -1 pads; targets: (B,) what was taken next. ms: from interaction to lists.

    late: by delay, the lists that had been published so long before; -1 where there was none yet. asked: (Q, 10) codes
    of the cross-sell lists for users of one item each, in the order in which they were asked for.

    places: (B,) of the tests in the raw events, of which the worker processed those from ``processed_from`` on; the
    tests begin at ``tested_from``. categories: (n,) a code for each item's category in the worker, -1 for none.
    """

    lists: dict[str, IntArray]
    targets: IntArray
    places: IntArray
    processed_from: int
    tested_from: int
    categories: IntArray
    late: dict[str, dict[str, IntArray]] = field(default_factory=dict)
    asked: IntArray = field(default_factory=lambda: np.empty((0, LENGTH), np.int64))
    milliseconds: list[float] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)


def worker_figures(found: WorkerLists) -> dict[str, dict[str, float]]:
    """Return, per list and delay, accuracy and how many items are listed; nothing where there is no test.

    Under ``stream``: tests, broken rules and times.
    """
    figures: dict[str, dict[str, float]] = {}
    if not len(found.targets):
        return figures
    offsets = np.arange(len(found.targets) + 1)
    every = {"": found.lists} | {f" {delay}": lists for delay, lists in found.late.items()}
    for name, delay, lists in ((name, delay, parts[name]) for name in LISTS for delay, parts in every.items()):
        measured = Outcome.of(lists, found.targets, offsets).measure(CUTOFFS)
        shown = {key: float(value.mean()) for key, value in measured.items() if key.split("@")[0] in SHOWN_METRICS}
        figures[name.replace("_", "-") + delay] = shown | {"items listed": len(np.unique(lists[lists >= 0]))}
    figures["stream"] = {
        "tests": len(found.targets),
        "broken rules": sum(found.broken.values()),
        "ms to lists, p50": float(np.quantile(found.milliseconds, 0.5)),
        "ms to lists, p99": float(np.quantile(found.milliseconds, 0.99)),
    }
    return figures


def places_of(item_ids: Iterable[str], catalogue: Catalogue) -> list[int]:
    """Return the codes of the first LENGTH items, filled up with -1."""
    codes = [catalogue.codes[item_id] for item_id in item_ids][:LENGTH]
    return codes + [-1] * (LENGTH - len(codes))
