"""The trained encoder: its gradient, what it learns, when it is left out."""

import numpy as np
import pytest
from scipy import sparse

from stream.evaluation.cases import cases_from_log
from stream.evaluation.interactions import Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients import trained
from stream.evaluation.ranker.ingredients.trained import Encoder, trained_ingredients
from stream.evaluation.ranker.recipe import Recipe
from tests.unit.stream.evaluation.small_shops import catalogue_of, log_of

N_ITEMS = 70


def cyclic_shop(users: int = 400) -> Knowledge:
    """After item i comes i + 1, whoever asks."""
    log = log_of(*([(start + step) % N_ITEMS for step in range(8)] for start in range(users)))
    return Knowledge(log, catalogue_of(*(f"i{code}" for code in range(N_ITEMS))), int(log.times.max()))


def test_the_gradient_is_that_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "DROPOUT", 0.0)
    random = np.random.default_rng(0)
    width = len(trained.DECAYS) * trained.DIMENSIONS

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.2, shape)

    encoder = Encoder(
        drawn(5, trained.DIMENSIONS), drawn(5), drawn(width, trained.DIMENSIONS), drawn(width, trained.HIDDEN),
        drawn(trained.HIDDEN), drawn(trained.HIDDEN, trained.DIMENSIONS),
    )  # fmt: skip
    histories = [sparse.csr_matrix(random.random((3, 5))) for _ in trained.DECAYS]
    targets = np.array([1, 4, 1])
    gradients = trained._gradients(encoder, histories, targets, random)
    for part, gradient in zip(encoder.parameters(), gradients, strict=True):
        for place in random.integers(0, part.size, 4):
            before = part.flat[place]
            losses = []
            for change in (1e-5, -1e-5):
                part.flat[place] = before + change
                losses.append(trained._loss(encoder, histories, targets))
            part.flat[place] = before
            assert gradient.flat[place] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-5)


def test_it_learns_what_comes_next_and_twice_the_same() -> None:
    shop = cyclic_shop()
    counts = PairCounts.of(shop.log, N_ITEMS)
    cases = cases_from_log(shop.log, np.arange(20), shop.log.offsets[:20] + 4, shop.log.offsets[:20] + 5)
    runs = []
    for _ in range(2):
        (ingredient,) = trained_ingredients(shop, counts, Recipe())
        runs.append(ingredient.scores(cases).toarray())
    assert (runs[0] == runs[1]).all()
    assert np.mean(runs[0].argmax(axis=1) == cases.targets) > 0.8


@pytest.mark.parametrize("recipe", [Recipe(baskets=True), Recipe()])
def test_it_is_left_out_of_shops_of_baskets_and_of_small_logs(recipe: Recipe) -> None:
    shop = cyclic_shop(400 if recipe.baskets else 40)
    assert not list(trained_ingredients(shop, PairCounts.of(shop.log, N_ITEMS), recipe))
