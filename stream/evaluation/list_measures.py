"""What lists are like, hits aside: variety, popularity, novelty, price."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.baselines.text import tfidf_vectors
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Catalogue, DoubleArray, IntArray
from stream.evaluation.known_counts import KnownCounts


@dataclass(frozen=True)
class ListMeasures:
    """Measures of lists cut at k; None where the shop's data does not tell.

    - coverage: share of the catalogue that is in at least one list.
    - gini: of how often each item of the catalogue is listed, 0 (alike) to 1 (always the same).
    - popularity_bias: mean popularity of what is listed over that of what the histories hold, minus 1 (Abdollahpouri et
      al., arXiv:1907.13286, without groups); popularity is the number of interactions known to the case.
    - diversity: mean distance, 1 - cosine of TF-IDF vectors, between two items of a list (Ziegler et al., WWW 2005).
    - category_novelty: share of the listed items whose category the history does not hold: what cross-sell is after.
    - price_lift: geometric mean price of the list over that of the last 20 steps, minus 1: what up-sell is after.
    """

    coverage: float
    gini: float
    popularity_bias: float
    diversity: float | None
    category_novelty: float | None
    price_lift: float | None

    def by_name(self) -> dict[str, float | None]:
        """Return the measures by the names of the report."""
        return {
            "coverage": self.coverage,
            "exposure Gini": self.gini,
            "popularity bias": self.popularity_bias,
            "intra-list diversity": self.diversity,
            "category novelty": self.category_novelty,
            "price lift": self.price_lift,
        }


class ListMeter:
    """Measures lists for one set of cases."""

    def __init__(self, catalogue: Catalogue, known: KnownCounts, cases: Cases) -> None:
        """Prepare what does not depend on the lists."""
        self._catalogue = catalogue
        self._known = known
        self._cases = cases
        self._vectors = tfidf_vectors(catalogue) if catalogue.has_text else None
        self._held = _held_categories(catalogue, cases)
        self._usual_price = _usual_log_prices(catalogue, cases)

    def measure(self, lists: IntArray, k: int) -> ListMeasures:
        """Measure lists (B, L) of codes, padded with -1."""
        lists = lists[:, :k]
        rows, columns = np.nonzero(lists >= 0)
        listed = lists[rows, columns]
        usual = self._known.of(self._cases.rows, self._cases.items).mean() if len(self._cases.items) else 1.0
        exposure = np.bincount(listed, minlength=len(self._catalogue))
        return ListMeasures(
            coverage=float(np.mean(exposure > 0)),
            gini=_gini(exposure),
            popularity_bias=float(self._known.of(rows, listed).mean() / max(usual, 1e-9) - 1) if len(listed) else 0.0,
            diversity=self._diversity(lists),
            category_novelty=self._category_novelty(lists),
            price_lift=self._price_lift(lists),
        )

    def _diversity(self, lists: IntArray) -> float | None:
        if self._vectors is None:
            return None
        rows, columns = np.nonzero(lists >= 0)
        sizes = np.bincount(rows, minlength=len(lists))
        ones = np.ones(len(rows), np.float32)
        chosen = sparse.csr_matrix((ones, (rows, lists[rows, columns])), (len(lists), self._vectors.shape[0]))
        # |sum of vectors|² holds every pair twice and every vector with itself once.
        sums = chosen @ self._vectors
        lengths = np.asarray(self._vectors.multiply(self._vectors).sum(axis=1)).ravel()
        squared = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
        several = sizes > 1
        pairs = (sizes * (sizes - 1))[several]
        return _mean(1 - (squared - chosen @ lengths)[several] / pairs)

    def _category_novelty(self, lists: IntArray) -> float | None:
        if self._held is None:
            return None
        categories = np.where(lists >= 0, self._catalogue.leaf_categories[lists], -1)
        rows, columns = np.nonzero(categories >= 0)
        labels = categories[rows, columns]
        width = int(self._catalogue.leaf_categories.max()) + 1
        return _mean(np.where(np.isin(rows * width + labels, self._held), 0.0, 1.0))

    def _price_lift(self, lists: IntArray) -> float | None:
        if self._usual_price is None:
            return None
        prices = np.log(np.maximum(self._catalogue.prices, 0.01))
        listed = np.where(lists >= 0, prices[lists], np.nan)
        known = ~np.isnan(listed)
        sizes = known.sum(axis=1)
        told = (sizes > 0) & ~np.isnan(self._usual_price)
        means = np.where(known, listed, 0).sum(axis=1)[told] / sizes[told]
        lift = _mean(means - self._usual_price[told])
        return None if lift is None else float(np.expm1(lift))


def _held_categories(catalogue: Catalogue, cases: Cases) -> IntArray | None:
    leaves = catalogue.leaf_categories
    if leaves.max(initial=-1) < 1:
        return None
    labels = leaves[cases.items]
    keys: IntArray = np.unique(cases.rows[labels >= 0] * (int(leaves.max()) + 1) + labels[labels >= 0])
    return keys


def _usual_log_prices(catalogue: Catalogue, cases: Cases) -> DoubleArray | None:
    if np.isnan(catalogue.prices).all():
        return None
    prices = np.log(np.maximum(catalogue.prices[cases.items], 0.01))
    told = ~np.isnan(prices) & (cases.ages < 20)
    totals = np.bincount(cases.rows[told], prices[told], len(cases))
    sizes = np.bincount(cases.rows[told], minlength=len(cases))
    usual: DoubleArray = np.divide(totals, sizes, out=np.full(len(cases), np.nan), where=sizes > 0)
    return usual


def _gini(exposure: IntArray) -> float:
    ordered = np.sort(exposure).astype(np.float64)
    total = ordered.sum()
    if not total:
        return 0.0
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def _mean(values: DoubleArray) -> float | None:
    return float(np.mean(values)) if len(values) else None
