"""One step of learning: a batch of samples in, parameters moved."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from encoders.base import ITEM_DIMENSIONS, FloatArray, HistoryBatch, IntArray
from encoders.heads import Heads, Task
from encoders.training.losses import preference_loss, softmax_loss
from encoders.training.options import TrainingOptions
from encoders.training.samples import Sample, without_latest
from encoders.training.start import ItemStart
from encoders.training.tasks import CheaperItems, Targets
from encoders.user.network import UserNetwork, arranged

FIRST_SCALE = 12.0
"""Of cosines before a softmax; learned from there."""

LARGEST_SCALE = 50.0


class Learner(nn.Module):
    """Everything that is learned: the user network, the items' deltas, the heads, the scale of the softmax."""

    texts: Tensor

    def __init__(self, network: UserNetwork, start: ItemStart) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("texts", torch.from_numpy(start.texts), persistent=False)
        self.deltas = nn.Parameter(torch.from_numpy(start.deltas.copy()))
        self.weights = nn.Parameter(torch.ones(len(Task), ITEM_DIMENSIONS))
        self.biases = nn.Parameter(torch.zeros(len(Task)))
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def scale(self) -> Tensor:
        """Return the factor of cosines."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    def item_vectors(self, rows: Tensor, without_delta: Tensor | None = None) -> Tensor:
        """Return unit vectors of items; ``without_delta`` (n,) bool: of which the texts alone are used."""
        deltas = self.deltas[rows]
        if without_delta is not None:
            deltas = deltas * ~without_delta[rows][..., None]
        return normalize(self.texts[rows] + deltas, dim=-1)

    def users(self, batch: HistoryBatch, without_delta: Tensor | None = None) -> Tensor:
        """Return (B, d) unit vectors of users."""
        present = np.ones(len(self.texts), np.bool_)
        rows, kinds, ages, known = (torch.from_numpy(np.ascontiguousarray(a)) for a in arranged(batch, present))
        return normalize(self.network(self.item_vectors(rows, without_delta), kinds, ages, known), dim=1)

    def queries(self, task: Task, users: Tensor) -> Tensor:
        """Return users as queries of a task."""
        return normalize(users * self.weights[list(Task).index(task)], dim=1)

    @torch.no_grad()
    def all_items(self) -> FloatArray:
        """Return (n, d) the vectors of all items."""
        return self.item_vectors(torch.arange(len(self.texts))).numpy()

    def heads(self, tasks: list[Task]) -> Heads:
        """Return the heads of the tasks that were learned."""
        rows = [list(Task).index(task) for task in tasks]
        return Heads(tasks, self.weights.detach().numpy()[rows], self.biases.detach().numpy()[rows])


class Teacher:
    """Knows what the samples teach. A function of (options, data): randomness comes with each call."""

    def __init__(
        self,
        options: TrainingOptions,
        histories_items: IntArray,
        targets: Targets,
        cheaper: CheaperItems,
        categories: IntArray,
    ) -> None:
        self._options = options
        self._items = histories_items
        self._targets = targets
        self._cheaper = cheaper
        self._categories = categories

    @property
    def tasks(self) -> list[Task]:
        """The tasks that the data teach a head; the next item is the plain inner product's."""
        learned = {
            Task.CROSS_SELL: bool((self._targets.cross_sell >= 0).any()),
            Task.UP_SELL: bool((self._targets.up_sell >= 0).any()),
            Task.PURCHASE: self._targets.learns_purchase,
        }
        return [task for task, learns in learned.items() if learns]

    def loss(self, learner: Learner, sample: Sample, random: np.random.Generator) -> Tensor:
        """Return the weighted sum of the tasks' losses, a scalar."""
        options, places = self._options, sample.places
        items = len(self._categories)
        history = without_latest(sample.history, random, options.mask_share, options.mask_seconds)
        text_only = torch.from_numpy(random.random(items) < options.text_only_share)
        users = learner.users(history, text_only)
        if 0 < options.negatives < items:
            drawn = torch.from_numpy(random.choice(items, options.negatives, replace=False))
        else:
            drawn = torch.arange(items)
        candidates = learner.item_vectors(drawn, text_only)
        scale = learner.scale()

        def among(queries: Tensor, rows: IntArray) -> Tensor:
            wanted = torch.from_numpy(rows)
            return softmax_loss(queries, learner.item_vectors(wanted, text_only), wanted, candidates, drawn, scale)

        rows = self._items[places]
        loss = among(users, rows)
        if len(crossing := np.flatnonzero(self._targets.cross_sell[places] >= 0)):
            queries = learner.queries(Task.CROSS_SELL, users[torch.from_numpy(crossing)])
            loss = loss + options.task_weight * among(queries, self._targets.cross_sell[places[crossing]])
        loss = loss + options.task_weight * self._up_sell_loss(learner, users, places, random)
        if self._targets.learns_purchase:
            number = list(Task).index(Task.PURCHASE)
            found = learner.item_vectors(torch.from_numpy(rows), text_only)
            logits = (users * found * learner.weights[number]).sum(dim=1) + learner.biases[number]
            bought = torch.from_numpy(self._targets.bought[places]).float()
            loss = loss + options.task_weight * binary_cross_entropy_with_logits(logits, bought)
        return loss

    def _up_sell_loss(self, learner: Learner, users: Tensor, places: IntArray, random: np.random.Generator) -> Tensor:
        wanted = self._targets.up_sell[places]
        worse = self._cheaper.draw(self._items[places - 1], random)
        climbing = np.flatnonzero((wanted >= 0) & (worse >= 0))
        if not len(climbing):
            return torch.zeros(())
        better, cheaper = (learner.item_vectors(torch.from_numpy(rows[climbing])) for rows in (wanted, worse))
        queries = learner.queries(Task.UP_SELL, users[torch.from_numpy(climbing)])
        return preference_loss(queries, better, cheaper, learner.scale())
