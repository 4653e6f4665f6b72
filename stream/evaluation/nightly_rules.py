"""What a list may hold of a shop, whoever makes it: the rules under which the worker's lists are compared.

Nobody may list what the user bought not long before the latest interaction of the history. Beyond that, what a list
holds is

- **cross-sell**: any item of another category than that of the user's latest item;
- **up-sell**: any item of the category of one of the user's latest items, within the price band above it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from graph.settings import ListSettings
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import BoolArray, Catalogue, IntArray, Knowledge
from stream.evaluation.scoring import block_size


@dataclass(frozen=True)
class RuledTests:
    """knowledge: what the batches learn. cases: histories as the worker was told them, and what was taken.

    purchases: of every raw event, whether it is one. categories: (n,) codes as the worker had them, -1 for none.
    """

    knowledge: Knowledge
    cases: Cases
    purchases: BoolArray
    categories: IntArray
    settings: ListSettings

    def __len__(self) -> int:
        return len(self.cases)

    def blocks(self) -> Iterator["RuledTests"]:
        """Yield the tests in blocks whose items can be looked at all at once."""
        for cases in self.cases.blocks(block_size(self.knowledge.n_items)):
            yield replace(self, cases=cases)

    def allowed_targets(self, rule: "Rule") -> BoolArray:
        """Return one per target: whether it may be listed. Without a history there is no list."""
        lengths = np.diff(self.cases.offsets)
        found = np.zeros(len(self.cases.targets), np.bool_)
        told = replace(self, cases=self.cases.select(np.flatnonzero(lengths)))
        parts = [np.zeros(0, np.bool_)]
        for block in told.blocks():
            targets = block.cases.targets
            parts.append(rule(block)[block.cases.target_rows, targets] & (targets >= 0))
        found[(lengths > 0)[self.cases.target_rows]] = np.concatenate(parts)
        return found

    def cross_sell(self) -> BoolArray:
        """Return (B, n): the items of other categories than the latest one's."""
        categories, latest = self.categories, self.cases.items[self.cases.offsets[1:] - 1]
        found: BoolArray = (categories >= 0) & (categories != categories[latest][:, None]) & ~self._owned()
        return found

    def up_sell(self) -> BoolArray:
        """Return (B, n): dearer items of an anchor's category, within the band."""
        settings, prices = self.settings, self.knowledge.catalogue.prices
        found = np.zeros((len(self), self.knowledge.n_items), np.bool_)
        for anchors in _latest_distinct(self.cases, settings.anchors):
            base = np.where(anchors >= 0, prices[anchors], np.nan)[:, None]  # nothing is in a band above NaN
            category = self.categories[anchors][:, None]
            within = (prices >= base * settings.up_sell_min_ratio) & (prices <= base * settings.up_sell_max_ratio)
            found |= within & (category >= 0) & (self.categories == category)
        return found & ~self._owned()

    def _owned(self) -> BoolArray:
        cases = self.cases
        # The worker's clock is the user's own latest event, whenever it is asked.
        horizon = cases.times[cases.offsets[1:] - 1] - 1000 * self.settings.owned_seconds
        recent = self.purchases[cases.places] & (cases.times >= horizon[cases.rows])
        owned = np.zeros((len(self), self.knowledge.n_items), np.bool_)
        owned[cases.rows[recent], cases.items[recent]] = True
        return owned


Rule = Callable[[RuledTests], BoolArray]
RULES: Mapping[str, Rule] = {"cross_sell": RuledTests.cross_sell, "up_sell": RuledTests.up_sell}


@dataclass(frozen=True)
class RuledCandidates:
    """What one rule allows in these tests, whoever of them is asked; see :class:`stream.evaluation.cases.Listable`."""

    tests: RuledTests
    rule: Rule

    def banned(self, cases: Cases, catalogue: Catalogue) -> BoolArray:
        """Return (B, n): True where an item may not be listed."""
        return ~self.rule(replace(self.tests, cases=cases))


def _latest_distinct(cases: Cases, most: int) -> Iterator[IntArray]:
    """Yield (B,) codes: each history's latest item, then the latest other one, and so on; -1 where there is none."""
    places = np.flatnonzero(cases.latest)
    rows = cases.rows[places]
    from_the_end = np.searchsorted(rows, rows, side="right") - 1 - np.arange(len(rows))
    for place in range(most):
        codes = np.full(len(cases), -1, np.int64)
        chosen = from_the_end == place
        codes[rows[chosen]] = cases.items[places[chosen]]
        yield codes
