"""The trained encoder: its gradient, what it learns, when it is left out."""

import numpy as np
import pytest
from scipy import sparse

from stream.evaluation.cases import cases_from_log
from stream.evaluation.interactions import Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker import encoder as encoders
from stream.evaluation.ranker.encoder import Encoder
from stream.evaluation.ranker.ingredients.trained import train_encoder, trained_ingredients
from stream.evaluation.ranker.recipe import Recipe
from tests.unit.stream.evaluation.small_shops import catalogue_of, log_of

N_ITEMS = 70


def cyclic_shop(users: int = 400) -> Knowledge:
    """After item i comes i + 1, whoever asks."""
    log = log_of(*([(start + step) % N_ITEMS for step in range(8)] for start in range(users)))
    return Knowledge(log, catalogue_of(*(f"i{code}" for code in range(N_ITEMS))), int(log.times.max()))


def test_the_gradient_is_that_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "DROPOUT", 0.0)
    random = np.random.default_rng(0)
    width = len(encoders.DECAYS) * encoders.DIMENSIONS

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.2, shape)

    encoder = Encoder(
        drawn(5, encoders.DIMENSIONS), drawn(5), drawn(width, encoders.DIMENSIONS), drawn(width, encoders.HIDDEN),
        drawn(encoders.HIDDEN), drawn(encoders.HIDDEN, encoders.DIMENSIONS),
    )  # fmt: skip
    histories = [sparse.csr_matrix(random.random((3, 5))) for _ in encoders.DECAYS]
    targets = np.array([1, 4, 1])
    gradients = encoders._gradients(encoder, histories, targets, random)
    for part, gradient in zip(encoder.parameters(), gradients, strict=True):
        for place in random.integers(0, part.size, 4):
            before = part.flat[place]
            losses = []
            for change in (1e-5, -1e-5):
                part.flat[place] = before + change
                losses.append(encoders._loss(encoder, histories, targets))
            part.flat[place] = before
            assert gradient.flat[place] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-5)


def test_it_learns_what_comes_next_and_twice_the_same() -> None:
    shop = cyclic_shop()
    counts = PairCounts.of(shop.log, N_ITEMS)
    cases = cases_from_log(shop.log, np.arange(20), shop.log.offsets[:20] + 4, shop.log.offsets[:20] + 5)
    runs = []
    for _ in range(2):
        (ingredient,) = trained_ingredients(train_encoder(shop, counts, Recipe()), N_ITEMS)
        runs.append(ingredient.scores(cases).toarray())
    assert (runs[0] == runs[1]).all()
    assert np.mean(runs[0].argmax(axis=1) == cases.targets) > 0.8


def test_a_large_catalogue_is_learned_from_samples_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "WHOLE_SOFTMAX", N_ITEMS - 1)
    monkeypatch.setattr(encoders, "SAMPLED", 20)
    test_it_learns_what_comes_next_and_twice_the_same()


def test_a_sample_stands_for_the_whole_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "WHOLE_SOFTMAX", 10)
    monkeypatch.setattr(encoders, "SAMPLED", 30)
    targets = np.array([3, 70, 3])
    shown = encoders._Shown.of(100, targets, np.random.default_rng(0))
    assert (np.diff(shown.items) > 0).all()
    assert np.isin(targets, shown.items).all()
    own = np.isin(shown.items, targets)
    assert (shown.stands_for[own] == 0).all()
    assert len(set(shown.stands_for[~own].tolist())) == 1
    assert np.exp(shown.stands_for).sum() == pytest.approx(100)


@pytest.mark.parametrize("recipe", [Recipe(baskets=True), Recipe()])
def test_it_is_left_out_of_shops_of_baskets_and_of_small_logs(recipe: Recipe) -> None:
    shop = cyclic_shop(400 if recipe.baskets else 40)
    assert train_encoder(shop, PairCounts.of(shop.log, N_ITEMS), recipe) is None
