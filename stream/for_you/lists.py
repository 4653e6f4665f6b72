"""The for-you lists of users, and what of their past each item hangs on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graph.ranking.items import ItemIndex
from stream.evaluation.cases import Candidates, Cases
from stream.evaluation.interactions import BoolArray, Catalogue, FloatArray, IntArray
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.ranker.model import first_places
from stream.evaluation.scoring import block_size
from stream.for_you.cases import cases_of
from stream.for_you.history import History
from stream.for_you.model import ForYouModel
from stream.for_you.places import ForYouPlace, Hold
from stream.ranker_file import RankerFileError

_AT_ONCE = 256
_DIGITS = 6


@dataclass(frozen=True)
class _Offered:
    """What a list may hold: what the log's own rule says, of what the catalogue has to offer now. gone: (n,)."""

    rule: Candidates
    gone: BoolArray

    def banned(self, cases: Cases, catalogue: Catalogue) -> BoolArray:
        """Return (B, n): True where an item may not be listed."""
        return self.rule.banned(cases, catalogue) | self.gone


@dataclass(frozen=True)
class _Ranked:
    """items: (B, size) codes, best first, -1 pads; scores: theirs.

    keys: ascending case * n + item of all candidates; all_scores: theirs. least: (B,) the lowest score that the trees
    gave; inf where there is no candidate.
    """

    items: IntArray
    scores: FloatArray
    keys: IntArray
    all_scores: FloatArray
    least: FloatArray

    def scores_of(self, row: int, items: IntArray, n_items: int) -> FloatArray:
        """Return what the items score in a case: no less than ``least``, which is what those off the table have."""
        wanted = row * n_items + items
        places = np.minimum(np.searchsorted(self.keys, wanted), max(0, len(self.keys) - 1))
        if not len(self.keys) or not np.isfinite(self.least[row]):
            return np.full(len(items), np.inf, np.float32)
        there = self.keys[places] == wanted
        found: FloatArray = np.maximum(np.where(there, self.all_scores[places], self.least[row]), self.least[row])
        return found


class ForYou:
    """A model made ready: it takes seconds to minutes to make, then answers in milliseconds a user.

    A list is a function of the model, of the history, and of what is on offer; never of the clock.
    """

    def __init__(self, model: ForYouModel, version: str, size: int, reasons: int) -> None:
        """``size``: of a list. ``reasons``: so many of the latest items are tried as reasons; 0: none.

        Raises RankerFileError for a model of another version of the features: found now, it is the file's fault; later
        it would seem to be that of the events.
        """
        self.version = version
        self._model = model
        self._size = size
        self._reasons = reasons
        self._builder = FeatureBuilder(model.knowledge, model.ranker.recipe, encoder=model.encoder)
        self._rows = np.full(model.knowledge.n_items, -1, np.int64)
        nobody = cases_of([History("", (), ())], {}, {}, sessions=model.sessions)
        nothing_gone = _Offered(model.candidates, np.zeros(model.knowledge.n_items, np.bool_))
        if (names := self._builder.table(nobody, nothing_gone).names) != model.ranker.names:
            others = ", ".join(sorted(set(names) ^ set(model.ranker.names))) or "in another order"
            raise RankerFileError(
                f"for-you model {version}: its features are not those of this version: {others}: train again"
            )

    def gone(self, items: ItemIndex) -> BoolArray:
        """Return (n,): which of the model's items the catalogue does not offer now. Belongs to the event loop."""
        missing = np.flatnonzero(self._rows < 0)
        ids = self._model.knowledge.catalogue.item_ids
        self._rows[missing] = items.ids.get_all([ids[code] for code in missing.tolist()])
        offered: BoolArray = (self._rows >= 0) & items.listed[self._rows] if len(items) else self._rows >= 0
        return ~offered

    def lists(self, histories: Sequence[History], gone: BoolArray) -> list[tuple[ForYouPlace, ...]]:
        """Return the list of each history, best first."""
        found: list[tuple[ForYouPlace, ...]] = []
        at_once = min(_AT_ONCE, block_size(self._model.knowledge.n_items)) // (1 + self._reasons)
        for start in range(0, len(histories), max(1, at_once)):
            found += self._together(histories[start : start + max(1, at_once)], gone)
        return found

    def _together(self, histories: Sequence[History], gone: BoolArray) -> Iterator[tuple[ForYouPlace, ...]]:
        """Rank each history and, for the reasons, the same without one of its latest items, all in one go.

        A reason is not told but tried: without the item, what it is named for must score less.
        """
        tried = [history.latest(self._reasons) for history in histories]
        asked = [
            one
            for history, items in zip(histories, tried, strict=True)
            for one in (history, *map(history.without, items))
        ]
        ranked = self._rank(asked, gone)
        row = 0
        for items in tried:
            because: list[list[Hold]] = [[] for _ in range(self._size)]
            listed = ranked.items[row]
            for number, item in enumerate(items, 1):
                falls = ranked.scores[row] - ranked.scores_of(row + number, listed, self._model.knowledge.n_items)
                for place in np.flatnonzero(np.round(falls, _DIGITS) > 0).tolist():
                    because[place].append(Hold(item, round(float(falls[place]), _DIGITS)))
            yield tuple(self._places(listed, ranked.scores[row], because))
            row += 1 + len(items)

    def _rank(self, histories: Sequence[History], gone: BoolArray) -> "_Ranked":
        model, catalogue = self._model, self._model.knowledge.catalogue
        cases = cases_of(histories, catalogue.codes, model.users, sessions=model.sessions)
        table = self._builder.table(cases, _Offered(model.candidates, gone))
        scored = model.ranker.score(table, self._builder)
        places = first_places(table.rows[scored.order], len(histories), self._size)
        rows = scored.order[places] if len(scored.order) else places
        seen = scored.near if scored.near.any() else np.ones(len(table.rows), np.bool_)
        least = np.full(len(histories), np.inf, np.float32)
        np.minimum.at(least, table.rows[seen], scored.scores[seen])
        return _Ranked(
            items=np.where(places >= 0, table.items[rows], -1) if len(table.items) else places,
            scores=np.where(places >= 0, scored.scores[rows], 0) if len(table.items) else places.astype(np.float32),
            keys=table.rows * len(catalogue) + table.items,
            all_scores=scored.scores,
            least=least,
        )

    def _places(self, items: IntArray, scores: FloatArray, because: list[list[Hold]]) -> Iterator[ForYouPlace]:
        ids = self._model.knowledge.catalogue.item_ids
        for code, score, holds in zip(items.tolist(), scores.tolist(), because, strict=True):
            if code >= 0:
                holds.sort(key=lambda hold: -hold.fall)
                yield ForYouPlace(ids[code], round(score, _DIGITS), tuple(holds))
