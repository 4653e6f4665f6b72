"""What training starts from and what it minimises."""

import numpy as np
import pytest
import torch

from encoders.base import ITEM_DIMENSIONS
from encoders.projection import ItemProjection, normalise
from encoders.training.events import Histories
from encoders.training.losses import preference_loss, softmax_loss
from encoders.training.parts import Cases
from encoders.training.propagated import Interests, propagated
from encoders.training.ranking import ranking_metrics, target_ranks
from encoders.training.start import start_items
from encoders.training.transitions import ppmi_vectors, transition_counts
from tests.unit.encoders.toy_shop import ITEMS, partner, toy_histories, toy_items


def _walk(*items: int) -> Histories:
    count = len(items)
    return Histories(np.array([0, count]), np.array(items), np.full(count, 3), np.arange(count, dtype=np.float64))


def test_transitions_count_by_the_inverse_of_the_gap() -> None:
    counts = transition_counts(_walk(0, 1, 2, 0, 0, 0, 0, 3), 4).toarray()
    assert counts[0, 1] == 1
    assert counts[0, 2] == 1 / 2
    assert counts[1, 2] == 1
    assert counts[2, 3] == 1 / 5
    assert counts[1, 3] == 0  # six steps apart
    assert counts[3].sum() == 0


def test_transitions_stay_within_a_user() -> None:
    two = Histories(np.array([0, 1, 2]), np.array([0, 1]), np.array([3, 3]), np.array([0.0, 1.0]))
    assert transition_counts(two, 2).nnz == 0
    assert not ppmi_vectors(two, 2, seed=0).any()


def test_items_that_are_met_together_lie_together() -> None:
    vectors = ppmi_vectors(toy_histories(), ITEMS, seed=0)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, np.nan)
    with_partner = np.mean([cosines[row, partner(row)] for row in range(ITEMS)])
    assert with_partner > np.nanmean(cosines) + 0.3
    np.testing.assert_array_equal(vectors, ppmi_vectors(toy_histories(), ITEMS, seed=0))


def test_the_start_turns_the_graph_onto_the_texts() -> None:
    items, past = toy_items(), toy_histories()
    start = start_items(items, past, ItemProjection.unfitted(ITEM_DIMENSIONS), strength=1.0, seed=0)
    assert start.projection.name == "identity"  # 40 items allow no fit
    graph = ppmi_vectors(past, ITEMS, seed=0)
    np.testing.assert_allclose(normalise(start.deltas) @ normalise(start.deltas).T, graph @ graph.T, atol=1e-4)
    turned = np.einsum("nd,nd->n", normalise(start.deltas), normalise(start.texts)).mean()
    assert turned > np.einsum("nd,nd->n", graph, normalise(start.texts)).mean() + 0.1


def test_much_met_items_start_with_longer_deltas() -> None:
    start = start_items(toy_items(), _walk(0, 1, *[2, 3] * 50), ItemProjection.unfitted(ITEM_DIMENSIONS), 1.0, 0)
    lengths = np.linalg.norm(start.deltas, axis=1)
    assert lengths[2] > 3 * lengths[0] > 0
    assert lengths[4] == 0


def _unit(count: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_with_all_items_the_softmax_is_the_full_one() -> None:
    users, items, rows = _unit(5, 0), _unit(7, 1), torch.tensor([3, 0, 6, 3, 1])
    found = softmax_loss(users, items[rows], rows, items, torch.arange(7), torch.tensor(4.0))
    expected = torch.nn.functional.cross_entropy(4 * users @ items.T, rows)
    torch.testing.assert_close(found, expected)


def test_masking_leaves_every_gradient_finite() -> None:
    users, items, rows = _unit(4, 0), _unit(6, 1), torch.tensor([1, 2, 3, 3])
    scale = torch.tensor(10.0, requires_grad=True)
    users.requires_grad_()
    loss = softmax_loss(users, items[rows], rows, items, torch.arange(6), scale)
    for gradient in torch.autograd.grad(loss, [scale, users]):
        assert torch.isfinite(gradient).all()


def test_a_preference_costs_what_it_should() -> None:
    users, better, worse = (torch.eye(8)[index : index + 1] for index in (0, 0, 1))
    assert preference_loss(users, better, worse, torch.tensor(2.0)).item() == pytest.approx(np.log1p(np.exp(-2)))


def test_ranks_are_over_all_items_and_ties_count_against() -> None:
    items = np.eye(5, 8, dtype=np.float32)
    items[3] = items[1]
    items[4] = 0
    user = np.array([[0.9, 0.5, 0.7, 0, 0, 0, 0, 0], [0] * 8], np.float32)
    users = user[[0, 0, 0, 0, 1]]
    targets = np.array([0, 2, 1, 4, 0])
    assert target_ranks(users, items, targets).tolist() == [1, 2, 4, 6, 6]
    assert target_ranks(users[:2], items, targets[:2], [np.array([0]), np.array([0])]).tolist() == [6, 1]


def test_metrics_of_one_target_each() -> None:
    found = ranking_metrics(np.array([1, 3, 10, 11]))
    assert found["hr@10"] == 0.75
    assert found["ndcg@10"] == pytest.approx((1 + 1 / 2 + 1 / np.log2(11)) / 4)
    assert found["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 10 + 1 / 11) / 4)


def test_propagation_is_judged_on_the_graphs_own_weights() -> None:
    day = 86_400.0
    past = Histories(np.array([0, 3]), np.array([0, 1, 2]), np.array([5, 3, 3]), np.array([0.0, 7 * day, 8 * day]))
    items = np.eye(3, 8, dtype=np.float32)
    users = np.eye(1, 8, 4, dtype=np.float32)
    interests = Interests({"view": 1.0, "purchase": 5.0}, 7 * day)
    cases = Cases(np.array([0]), np.array([2]))
    moved = propagated(users, items, np.array([0, 1, 1]), past, cases, interests, 0.1)[0]
    # Category 0: a purchase a week before; category 1: a view now, its vector between items 1 and 2.
    around = np.array([2.5 / 3.5, *(np.sqrt(0.5) / 3.5,) * 2])
    expected = np.concatenate([0.1 * around, [0, 0.9, 0, 0, 0]])
    np.testing.assert_allclose(moved, expected / np.linalg.norm(expected), atol=1e-6)
