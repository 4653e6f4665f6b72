"""The tests of the worker's lists: what it had processed of a user when it is asked, and what the user took."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stream.evaluation.cases import Cases, cases_from_log
from stream.evaluation.interactions import BoolArray, IntArray, Log
from stream.evaluation.plan import Shop
from stream.evaluation.shop import order_by_user
from stream.evaluation.worker_lists import WorkerLists


@dataclass(frozen=True)
class Processed:
    """log: what the worker processed, its tests included. order: (m,) the place of each in the raw events.

    ends: (B,) the place of each test in ``log``.
    """

    log: Log
    order: IntArray
    ends: IntArray

    @classmethod
    def of(cls, shop: Shop, found: WorkerLists) -> "Processed":
        """Take it from the shop, read as for ``prequential``, of which the worker was told."""
        order = order_by_user(shop.raw)
        processed = order >= found.processed_from
        log, order = shop.log.select(processed), order[processed]
        places = np.full(len(shop.raw), -1, np.int64)
        places[order] = np.arange(len(order))
        return cls(log, order, places[found.places])

    def cases(self) -> Cases:
        """Return a case per test: what was processed of the user before it, and what the user took."""
        return cases_from_log(self.log, self.log.users[self.ends], self.ends, self.ends + 1)


@dataclass(frozen=True)
class WorkerTests:
    """users: the names behind the cases' codes.

    compared: by list, (B,) whether the nightly batches are asked for the case too; nothing where none are.
    """

    cases: Cases
    users: tuple[str, ...]
    compared: Mapping[str, BoolArray]
