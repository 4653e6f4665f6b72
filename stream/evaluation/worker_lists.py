"""The worker's lists, as it published them before its tests or as it answered when asked, and what they come to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from graph.ranking.lists import UserLists
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import BoolArray, Catalogue, IntArray
from stream.evaluation.metrics import Outcome
from stream.recommendations import CROSS_SELL, NEXT_CROSS_SELL, NEXT_UP_SELL, UP_SELL, Recommendation

LISTS = (CROSS_SELL, UP_SELL)
OF_NEXT_VISIT = {CROSS_SELL: NEXT_CROSS_SELL, UP_SELL: NEXT_UP_SELL}
LENGTH = 10
CUTOFFS = (5, 10)
SHOWN_METRICS = ("HR", "NDCG", "MRR")
STREAM, ASKED = "stream", "asked"
"""What stands beside the figures of the lists: of a run event by event, or of one that was asked."""


@dataclass(kw_only=True)
class WorkerLists:
    """lists: (B, 10) codes by list, -1 pads, one row per test; next_visit: those for the next visit, if any are made.

    categories: (n,) a code for each item's category in the worker, -1 for none. heard: (n,) whether any interaction
    that the worker processed was with that item. asked: (Q, 10) codes of the cross-sell lists for users of one item
    each, in the order in which they were asked for. broken: rules, counted.
    """

    lists: dict[str, IntArray]
    categories: IntArray
    heard: BoolArray
    next_visit: dict[str, IntArray] = field(default_factory=dict)
    asked: IntArray = field(default_factory=lambda: np.empty((0, LENGTH), np.int64))
    broken: Counter[str] = field(default_factory=Counter)


Lists = TypeVar("Lists", bound=WorkerLists)


@dataclass(kw_only=True)
class PublishedLists(WorkerLists):
    """Lists as they were in force before each test. targets: (B,) what was taken next. ms: from interaction to lists.

    late: by delay, the lists that had been published so long before; -1 where there was none yet.

    places: (B,) of the tests in the raw events, of which the worker processed those from ``processed_from`` on; the
    tests begin at ``tested_from``.
    """

    targets: IntArray
    places: IntArray
    processed_from: int
    tested_from: int
    late: dict[str, dict[str, IntArray]] = field(default_factory=dict)
    next_visit_late: dict[str, dict[str, IntArray]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)


def listed_of(record: Recommendation | UserLists, catalogue: Catalogue) -> dict[str, list[int]]:
    """Return the codes of each list for the next step, and of each for the next visit under :data:`OF_NEXT_VISIT`."""
    found = {name: places_of((item.item_id for item in getattr(record, name)), catalogue) for name in LISTS}
    if (visit := record.next_visit) is not None:
        for name in LISTS:
            found[OF_NEXT_VISIT[name]] = places_of((item.item_id for item in getattr(visit, name)), catalogue)
    return found


def split_by_occasion(lists: Mapping[str, IntArray]) -> tuple[dict[str, IntArray], dict[str, IntArray]]:
    """Return those for the next step and those for the next visit, both by list; the latter may be none."""
    of_visit = {name: lists[of] for name, of in OF_NEXT_VISIT.items() if of in lists}
    return {name: lists[name] for name in LISTS}, of_visit


def for_next_visit(found: Lists) -> Lists | None:
    """Return the same with the lists for the next visit in place of those for the next step; None without any."""
    if not found.next_visit:
        return None
    if isinstance(found, PublishedLists):
        return replace(found, lists=found.next_visit, late=found.next_visit_late)
    return replace(found, lists=found.next_visit)


def published_figures(found: PublishedLists) -> dict[str, dict[str, float]]:
    """Return, per list and delay, accuracy and how many items are listed; nothing where there is no test.

    Under ``stream``: tests, broken rules and times.
    """
    if not len(found.targets):
        return {}
    every = {"": found.lists} | {f" {delay}": lists for delay, lists in found.late.items()}
    offsets = np.arange(len(found.targets) + 1)
    figures = {
        f"{name.replace('_', '-')}{delay}": _of_list(parts[name], found.targets, offsets)
        for name in LISTS
        for delay, parts in every.items()
    }
    figures[STREAM] = {
        "tests": len(found.targets),
        "broken rules": sum(found.broken.values()),
        "ms to lists, p50": float(np.quantile(found.milliseconds, 0.5)),
        "ms to lists, p99": float(np.quantile(found.milliseconds, 0.99)),
    }
    return figures


def asked_figures(found: WorkerLists, cases: Cases, processed: int) -> dict[str, dict[str, float]]:
    """Return, per list, accuracy over the cases, of one target or several, and how many items are listed.

    Under ``asked``: cases, those whose list is empty, the interactions that the worker had processed, broken rules.
    """
    figures = {
        name.replace("_", "-"): _of_list(found.lists[name], cases.targets, cases.target_offsets) for name in LISTS
    }
    figures[ASKED] = {
        "cases": len(cases),
        **{f"no {name.replace('_', '-')}": int((lists[:, 0] < 0).sum()) for name, lists in found.lists.items()},
        "interactions processed": processed,
        "broken rules": sum(found.broken.values()),
    }
    return figures


def without_summary(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """Return the figures of the lists alone."""
    return {name: of for name, of in figures.items() if name not in (STREAM, ASKED)}


def _of_list(lists: IntArray, targets: IntArray, target_offsets: IntArray) -> dict[str, float]:
    measured = Outcome.of(lists, targets, target_offsets).measure(CUTOFFS)
    shown = {key: float(value.mean()) for key, value in measured.items() if key.split("@")[0] in SHOWN_METRICS}
    return shown | {"items listed": len(np.unique(lists[lists >= 0]))}


def places_of(item_ids: Iterable[str], catalogue: Catalogue) -> list[int]:
    """Return the codes of the first LENGTH items, filled up with -1."""
    codes = [catalogue.codes[item_id] for item_id in item_ids][:LENGTH]
    return codes + [-1] * (LENGTH - len(codes))


def heard_of(item_ids: Iterable[str], catalogue: Catalogue) -> BoolArray:
    """Return (n,): which items these are."""
    heard = np.zeros(len(catalogue), np.bool_)
    heard[[catalogue.codes[item_id] for item_id in item_ids]] = True
    return heard
