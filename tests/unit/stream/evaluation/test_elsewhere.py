"""What goes with an item in other top categories."""

import random

import numpy as np
import pytest

from stream.evaluation.cases import Candidates
from stream.evaluation.interactions import Catalogue, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.features import FeatureBuilder
from stream.evaluation.ranker.ingredients.elsewhere import elsewhere_ingredients
from stream.evaluation.ranker.recipe import Recipe
from tests.unit.stream.evaluation.small_shops import asked, log_of

SHOP = Catalogue(
    item_ids=("a", "b", "c", "d", "e"),
    titles=("red mug", "blue mug", "red lamp", "blue lamp", "lamp"),
    brands=("Fox", "Owl", "Fox", "Owl", "Elk"),
    categories=(("Shop", "Mugs"), ("Shop", "Mugs"), ("Shop", "Lamps"), ("Shop", "Lamps"), ("Shop", "Lamps")),
    prices=np.full(5, np.nan),
)
LOG = log_of([0, 2], [0, 2], [1, 3], [1, 4], [4, 3])


def scores_of_mug() -> dict[str, list[float]]:
    knowledge = Knowledge(LOG, SHOP, int(LOG.times.max()))
    ingredients = elsewhere_ingredients(knowledge, PairCounts.of(LOG, 5))
    return {part.name: part.scores(asked([0])).toarray()[0].tolist() for part in ingredients}


def test_each_ingredient_says_what_its_name_says() -> None:
    scores = scores_of_mug()
    assert scores["popularity"] == [2, 2, 2, 2, 2]
    assert np.flatnonzero(scores["nearness"]).tolist() == [2]
    assert np.flatnonzero(scores["same brand"]).tolist() == [0, 2]
    assert np.argmax(scores["popular of next brand"]) in (0, 2)
    assert scores["text"][2] > scores["text"][4]
    # The other mug leads to lamps that the first one was never taken with; where that one leads itself is left out.
    assert min(scores["nearness of similar text"][lamp] for lamp in (3, 4)) > 0
    assert scores["nearness of similar text"][2] == 0
    assert scores["text of nearness"][2] > scores["text of nearness"][3]


def test_only_other_top_categories_are_candidates() -> None:
    knowledge = Knowledge(LOG, SHOP, int(LOG.times.max()))
    table = FeatureBuilder(knowledge, Recipe(elsewhere=True)).table(asked([0]), Candidates.OTHER_CATEGORIES)
    assert table.items.tolist() == [2, 3, 4]
    assert not any(name.startswith(("log ", "item: ", "history: ")) for name in table.names)
    best_by_text = table.parts["text"][0]
    assert best_by_text[:1].tolist() == [2]


def test_an_item_that_nobody_took_stands_where_its_words_stand() -> None:
    random_ = random.Random(3)
    kinds = [("soap", "Bath"), ("brush", "Hair"), ("cream", "Skin"), ("comb", "Hair")]
    titles, categories = [], []
    for number in range(120):
        word, top = kinds[number % 4]
        titles.append(f"{word} {number}")
        categories.append(("Shop", top))
    shop = Catalogue(tuple(map(str, range(120))), tuple(titles), ("",) * 120, tuple(categories), np.full(120, np.nan))
    # Soap is taken with cream, brushes with combs; the last soap by nobody.
    pairs = [(0, 2), (1, 3)]
    sequences = []
    for _ in range(600):
        first, second = random_.choice(pairs)
        sequences.append([4 * random_.randrange(29) + first, 4 * random_.randrange(29) + second])
    log = log_of(*sequences)
    by_name = {
        part.name: part for part in elsewhere_ingredients(Knowledge(log, shop, 0), PairCounts.of(log, 120))
    }  # fmt: skip
    untaken = asked([116])
    assert by_name["nearness"].scores(untaken).nnz == 0
    near = by_name["text vectors"].scores(untaken).toarray()[0]
    creams, combs = near[2:116:4], near[3:116:4]
    assert creams.mean() > combs.mean()
    assert near[116] == pytest.approx(1, abs=1e-3)
