import math

import numpy as np
import pytest
import torch

from encoders.base import ITEM_DIMENSIONS, KIND_CODES, HistoryBatch
from encoders.items import ItemMatrix
from encoders.projection import ItemProjection
from encoders.user.decay import (
    HALF_LIVES_SECONDS,
    DecayNetwork,
    DecayUserEncoder,
    decayed_means,
    positions_before,
)

DAY = 86_400.0
VIEW, CART, PURCHASE, IMPRESSION = (KIND_CODES[kind] for kind in ("view", "add_to_cart", "purchase", "impression"))


@pytest.fixture
def matrix() -> ItemMatrix:
    """Item i is the i-th unit vector, so that a mean shows every item's share."""
    matrix = ItemMatrix(ItemProjection.unfitted(ITEM_DIMENSIONS))
    matrix.set_rows(np.arange(ITEM_DIMENSIONS), np.eye(ITEM_DIMENSIONS, dtype=np.float32))
    return matrix


def _batch(*history: tuple[int, int, float]) -> HistoryBatch:
    rows, kinds, ages = zip(*history, strict=True)
    return HistoryBatch(np.array([rows]), np.array([kinds]), np.array([ages], np.float32))


def _means(weights: list[float], ages: list[float], half_lives: list[float]) -> np.ndarray:
    rows, times, lives = (torch.tensor(values, dtype=torch.float32) for values in (weights, ages, half_lives))
    return decayed_means(torch.eye(len(weights))[None], rows[None], times[None], lives)[0].numpy()


@pytest.mark.parametrize("half_life", [3_600.0, DAY, 30 * DAY])
def test_a_half_life_halves(half_life: float) -> None:
    shares = _means([1, 1, 1], [2 * half_life, half_life, 0], [half_life])[0]
    np.testing.assert_allclose(shares, [1 / 7, 2 / 7, 4 / 7], rtol=1e-5)


def test_half_life_zero_takes_the_youngest_alone() -> None:
    np.testing.assert_allclose(_means([1, 5, 3], [50, 10, 10], [0.0])[0], [0, 5 / 8, 3 / 8], rtol=1e-6)


def test_weights_weigh() -> None:
    np.testing.assert_allclose(_means([5, 1, 0], [0, 0, 0], [DAY])[0], [5 / 6, 1 / 6, 0], rtol=1e-6)


def test_only_differences_of_age_matter_however_old() -> None:
    young = _means([1, 1], [7_200, 0], [3_600, DAY])
    old = _means([1, 1], [7_200 + 400 * DAY, 400 * DAY], [3_600, DAY])
    np.testing.assert_allclose(old, young, atol=1e-3)
    assert young[0][1] == pytest.approx(4 / 5)


def test_very_old_positions_fade_to_nothing_without_breaking() -> None:
    shares = _means([1, 1], [5_000 * DAY, 0], [3_600.0])[0]
    np.testing.assert_array_equal(shares, np.array([0, 1], np.float32))


def test_positions_that_do_not_weigh_set_no_age() -> None:
    np.testing.assert_allclose(_means([1, 0], [DAY, 0], [0.0, DAY]), [[1, 0], [1, 0]])


def test_without_weights_the_mean_is_zero() -> None:
    assert not _means([0, 0], [0, 0], [0.0, DAY]).any()


def test_untrained_is_the_even_mix_of_the_means(matrix: ItemMatrix) -> None:
    found = DecayUserEncoder(matrix).encode(_batch((0, VIEW, DAY), (1, VIEW, 0.0)))[0]
    old = [2 ** -(DAY / half_life) if half_life else 0 for half_life in HALF_LIVES_SECONDS]
    mixed = np.mean([[weight / (1 + weight), 1 / (1 + weight)] for weight in old], axis=0)
    np.testing.assert_allclose(found[:2], mixed / np.linalg.norm(mixed), atol=1e-6)


def test_newer_interactions_count_more(matrix: ItemMatrix) -> None:
    found = DecayUserEncoder(matrix).encode(_batch((0, VIEW, 2 * DAY), (1, VIEW, 3_600.0), (2, VIEW, 0.0)))[0]
    assert found[0] < found[1] < found[2]


def test_a_purchase_says_more_than_a_cart_and_a_cart_more_than_a_view(matrix: ItemMatrix) -> None:
    found = DecayUserEncoder(matrix).encode(_batch((0, VIEW, 0.0), (1, CART, 0.0), (2, PURCHASE, 0.0)))[0]
    np.testing.assert_allclose(found[:3] / found[:3].sum(), [1 / 9, 3 / 9, 5 / 9], atol=1e-6)


def test_an_impression_says_nothing(matrix: ItemMatrix) -> None:
    encoder = DecayUserEncoder(matrix)
    assert not encoder.encode(_batch((0, IMPRESSION, 0.0))).any()
    seen = encoder.encode(_batch((0, VIEW, DAY), (1, VIEW, 3_600.0), (2, IMPRESSION, 0.0)))
    np.testing.assert_allclose(seen, encoder.encode(_batch((0, VIEW, DAY), (1, VIEW, 3_600.0))), atol=1e-6)


def test_a_new_mlp_adds_nothing(matrix: ItemMatrix) -> None:
    batch = _batch((0, VIEW, DAY), (1, CART, 0.0))
    with_mlp = DecayUserEncoder(matrix, DecayNetwork(hidden=32)).encode(batch)
    np.testing.assert_allclose(with_mlp, DecayUserEncoder(matrix).encode(batch), atol=1e-6)


def test_everything_can_be_learned() -> None:
    network = DecayNetwork(hidden=8)
    _shake(network)
    vectors = torch.randn(3, 5, ITEM_DIMENSIONS, generator=torch.Generator().manual_seed(1))
    kinds = torch.tensor([[0, 1, 2, 3, 5]] * 3)
    ages = torch.tensor([[9e5, 8e4, 3e3, 60.0, 0.0]] * 3)
    network(vectors, kinds, ages, kinds > 0).pow(3).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_a_large_batch_is_cut(matrix: ItemMatrix, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    batch = HistoryBatch(
        random.integers(0, ITEM_DIMENSIONS, (31, 4)), np.full((31, 4), VIEW), random.random((31, 4)).astype(np.float32)
    )
    whole = DecayUserEncoder(matrix).encode(batch)
    monkeypatch.setattr("encoders.user.network.MAX_POSITIONS", 30)
    np.testing.assert_allclose(DecayUserEncoder(matrix).encode(batch), whole, atol=1e-6)


def test_a_broken_network_gives_zero_rather_than_nonsense(matrix: ItemMatrix) -> None:
    network = DecayNetwork()
    with torch.no_grad():
        network.decayed.mix[0] = math.inf
    assert not DecayUserEncoder(matrix, network).encode(_batch((0, VIEW, 0.0))).any()


def _shake(network: DecayNetwork) -> DecayNetwork:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            start = torch.zeros_like(parameter) if name.startswith("mlp") else parameter
            parameter.copy_(start + 0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def test_half_lives_in_positions_count_what_came_later() -> None:
    ages = torch.tensor([[9_000.0, 500.0, 500.0, 0.0]])
    assert positions_before(ages, torch.ones(1, 4)).tolist() == [[3, 1, 1, 0]]
    assert positions_before(ages, torch.tensor([[1.0, 1.0, 0.0, 1.0]])).tolist() == [[2, 1, 1, 0]]


def test_half_lives_in_positions_do_not_see_the_clock(matrix: ItemMatrix) -> None:
    network = DecayNetwork((0.0,), half_lives_positions=(1.0,))
    with torch.no_grad():
        network.decayed.mix[0] = -100
    quick = DecayUserEncoder(matrix, network).encode(_batch((0, VIEW, 2.0), (1, VIEW, 1.0), (2, VIEW, 0.0)))
    slow = DecayUserEncoder(matrix, network).encode(_batch((0, VIEW, 90 * DAY), (1, VIEW, DAY), (2, VIEW, 0.0)))
    np.testing.assert_allclose(quick, slow, atol=1e-6)
    np.testing.assert_allclose(quick[0, :3] / quick[0, :3].sum(), [1 / 7, 2 / 7, 4 / 7], atol=1e-5)
