"""The tests of the worker's lists: what it had processed of a user when it is asked, and what the user took."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graph.settings import ListSettings
from stream.evaluation.cases import Cases, cases_from_log
from stream.evaluation.interactions import BoolArray, IntArray, Knowledge, Log
from stream.evaluation.nightly_rules import RuledTests
from stream.evaluation.plan import Shop
from stream.evaluation.worker_kinds import are_purchases
from stream.evaluation.worker_lists import PublishedLists


@dataclass(frozen=True)
class Processed:
    """log: what the worker processed, its tests included. ends: (B,) the place of each test in ``log``."""

    log: Log
    ends: IntArray

    @classmethod
    def of(cls, shop: Shop, found: PublishedLists) -> "Processed":
        """Take it from the shop, read as for ``prequential``, of which the worker was told."""
        log = shop.log.select(shop.log.places >= found.processed_from)
        where = np.full(len(shop.raw), -1, np.int64)
        where[log.places] = np.arange(len(log))
        return cls(log, where[found.places])

    def cases(self) -> Cases:
        """Return a case per test: what was processed of the user before it, and what the user took."""
        return cases_from_log(self.log, self.log.users[self.ends], self.ends, self.ends + 1)


def ruled_tests(shop: Shop, found: PublishedLists, settings: ListSettings) -> RuledTests:
    """Return the tests of a run as nightly batches are asked them: these know what came before all of the tests."""
    processed = Processed.of(shop, found)
    known = processed.log.select(processed.log.places < found.tested_from)
    knowledge = Knowledge(known, shop.catalogue, int(shop.raw.times[found.tested_from]))
    return RuledTests(knowledge, processed.cases(), are_purchases(shop.raw), found.categories, settings)


@dataclass(frozen=True)
class WorkerTests:
    """users: the names behind the cases' codes.

    allowed: by list, one per target of the cases, whether it counts in the comparison with nightly batches; nothing
    where none was made.
    """

    cases: Cases
    users: tuple[str, ...]
    allowed: Mapping[str, BoolArray]
