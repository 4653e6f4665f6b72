"""Every baseline on a shop of a few interactions, its scores computed by hand."""

import math

import numpy as np
import pytest

from stream.evaluation.baselines import ease, item_knn, own, popularity, session_knn, text, transitions
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Knowledge
from tests.unit.stream.evaluation.small_shops import asked, catalogue_of, knowledge_of, log_of
from tests.unit.titles_without_blanks import SHOPS_AND_PAIRS

THREE = [[0, 1, 2], [0, 1], [1, 3]]


@pytest.fixture
def shop() -> Knowledge:
    return knowledge_of(log_of(*THREE), 4)


def test_popularity_counts(shop: Knowledge) -> None:
    assert popularity.fit_all_time(shop).score(asked([2], [3])).tolist() == [[2, 3, 1, 1]] * 2


def test_recent_popularity_halves() -> None:
    knowledge = knowledge_of(log_of([0, 1], [0], days=[[0, 14], [7]]), 2)
    assert popularity.fit_recent(knowledge).score(asked([1]))[0].tolist() == pytest.approx([0.25 + 0.5, 1.0])


def test_own_most_frequent_orders_equals_by_popularity(shop: Knowledge) -> None:
    scores = own.fit(shop).score(asked([2, 3, 2, 0]))[0]
    assert np.argsort(-scores).tolist() == [2, 0, 3, 1]


def test_item_knn_is_a_shrunk_cosine(shop: Knowledge) -> None:
    scores = item_knn.fit(shop, shrinkage=10).score(asked([1]))[0]
    # Item 0: two common users of two and three; item 2: one of one; item 3: one of one; no item is its own neighbour.
    assert scores.tolist() == pytest.approx(
        [2 / (math.sqrt(6) + 10), 0, 1 / (math.sqrt(3) + 10), 1 / (math.sqrt(3) + 10)]
    )


def test_transitions_are_directed_and_weigh_by_gap(shop: Knowledge) -> None:
    scores = transitions.fit(shop).score(asked([0]))[0]
    # 0 leads to 1 twice at once, to 2 once with another in between; nothing leads to 0 from behind.
    assert scores.tolist() == pytest.approx([0, 2 / math.sqrt(3 * 4), 0.5 / math.sqrt(3 * 2), 0])
    back = transitions.fit(shop).score(asked([1]))[0]
    assert back[0] == pytest.approx(0.5 * 2 / math.sqrt(4 * 3))


def test_transitions_of_older_items_decay(shop: Knowledge) -> None:
    fitted = transitions.fit(shop)
    both, first, last = (fitted.score(asked(history))[0] for history in ([0, 3], [0], [3]))
    assert both.tolist() == pytest.approx((0.7 * first + last).tolist())


def test_v_sknn(shop: Knowledge) -> None:
    scores = session_knn.fit(shop, session_knn.v_sknn()).score(asked([1, 0]))[0]
    # History newest first: item 0 weighs 1, item 1 one half; idf is log(3 / 2) and log(3 / 3).
    likeness = math.log(3 / 2)
    # Users 0 and 1 hold both items; the newest common one is item 0, age 0, so their items count fully.
    assert scores.tolist() == pytest.approx([2 * likeness, 2 * likeness, likeness, 0])


def test_stan_prefers_what_is_near_the_common_item_and_recent() -> None:
    knowledge = knowledge_of(log_of([0, 1, 2], [0, 3], days=[[0, 1, 2], [0, 10]]), 4)
    rule = session_knn.stan(recency_ms=5 * 86_400_000)
    cases = Cases(**{**vars(asked([0])), "at": np.array([10 * 86_400_000])})
    scores = session_knn.fit(knowledge, rule).score(cases)[0]
    old, new = math.exp(-8 / 5) / math.sqrt(3), 1 / math.sqrt(2)
    assert scores.tolist() == pytest.approx(
        [old + new, old * math.exp(-0.5), old * math.exp(-1), new * math.exp(-0.5)], rel=1e-6
    )


def test_nobody_is_their_own_neighbour(shop: Knowledge) -> None:
    cases = Cases(**{**vars(asked([0])), "users": np.array([0])})
    scores = session_knn.fit(shop, session_knn.v_sknn()).score(cases)[0]
    assert scores[2] == 0  # only user 0 took item 2
    assert scores[1] > 0


def test_ease_is_its_closed_form(shop: Knowledge) -> None:
    gram = np.zeros((4, 4))
    for sequence in THREE:
        gram[np.ix_(sequence, sequence)] += 1
    inverse = np.linalg.inv(gram + 2 * np.eye(4))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scores = ease.fit(shop, ridge=2.0).score(asked([1, 2]))[0]
    assert scores.tolist() == pytest.approx((weights[1] + weights[2]).tolist(), abs=1e-6)


def test_text_is_the_cosine_of_tfidf_vectors() -> None:
    catalogue = catalogue_of("a", "b", "c", titles=("red lantern", "Red  lantern", "blue mug"))
    fitted = text.fit(Knowledge(log_of([0, 1, 2]), catalogue, 0))
    assert fitted is not None
    assert fitted.score(asked([0]))[0].tolist() == pytest.approx([1, 1, 0])


def test_text_needs_texts(shop: Knowledge) -> None:
    assert text.fit(shop) is None


@pytest.mark.parametrize(("titles", "pairs"), SHOPS_AND_PAIRS)
def test_text_tells_words_apart_where_there_are_no_blanks(
    titles: tuple[str, ...], pairs: tuple[tuple[int, int], ...]
) -> None:
    catalogue = catalogue_of(*(f"i{number}" for number in range(len(titles))), titles=titles)
    fitted = text.fit(Knowledge(log_of(list(range(len(titles)))), catalogue, 0))
    assert fitted is not None
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            scores = fitted.score(asked([one]))[0]
            assert np.argsort(-scores)[:2].tolist() == [one, other]
            assert scores[other] > 0.0
