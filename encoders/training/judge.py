"""How good a learner is: full ranking over the whole catalogue."""

import numpy as np
import torch

from encoders.base import FloatArray, IntArray
from encoders.heads import Task
from encoders.training.events import Histories
from encoders.training.learner import Learner
from encoders.training.parts import Cases
from encoders.training.propagated import Interests, propagated
from encoders.training.ranking import ranking_metrics, target_ranks
from encoders.training.samples import history_before
from encoders.training.tasks import Targets
from encoders.user.propagation import ALPHA

STEP_USERS = 1024


@torch.no_grad()
def user_vectors(learner: Learner, histories: Histories, cases: Cases) -> FloatArray:
    """Return (B, d): each user as known just before the case."""
    was_training = learner.training
    learner.eval()
    parts = []
    for start in range(0, len(cases.users), STEP_USERS):
        part = slice(start, start + STEP_USERS)
        parts.append(learner.users(history_before(histories, cases.users[part], cases.places[part])).numpy())
    learner.train(was_training)
    return np.concatenate(parts)


def judge(learner: Learner, histories: Histories, cases: Cases, repeats: bool, k: int = 10) -> dict[str, float]:
    """Return HR@k, NDCG@k and MRR of the next item. Without ``repeats``, what a user had is not ranked."""
    return _ranked(user_vectors(learner, histories, cases), learner.all_items(), histories, cases, repeats, k)


def judge_propagation(
    learner: Learner,
    histories: Histories,
    cases: Cases,
    repeats: bool,
    categories: IntArray,
    interests: Interests,
    k: int = 10,
) -> dict[str, float]:
    """Return HR@k and NDCG@k of the next item after propagation, whose share of the users' vectors is ``ALPHA``."""
    users, items = user_vectors(learner, histories, cases), learner.all_items()
    moved = propagated(users, items, categories, histories, cases, interests, ALPHA)
    figures = _ranked(moved, items, histories, cases, repeats, k)
    return {f"{name}_propagated": value for name, value in figures.items()}


def _ranked(
    users: FloatArray, items: FloatArray, histories: Histories, cases: Cases, repeats: bool, k: int
) -> dict[str, float]:
    excluded = None
    if not repeats:
        starts = histories.starts[cases.users]
        excluded = [histories.items[first:place] for first, place in zip(starts, cases.places, strict=True)]
    return ranking_metrics(target_ranks(users, items, histories.items[cases.places], excluded), k)


def judge_heads(
    learner: Learner, histories: Histories, cases: Cases, targets: Targets, tasks: list[Task], k: int = 10
) -> dict[str, float]:
    """Return HR@k of the cross-sell and up-sell heads on the cases that have such a target, and without the head."""
    figures = {}
    by_task = {Task.CROSS_SELL: targets.cross_sell, Task.UP_SELL: targets.up_sell}
    for task in (task for task in tasks if task in by_task):
        wanted = by_task[task][cases.places]
        chosen = Cases(cases.users[wanted >= 0], cases.places[wanted >= 0])
        if not len(chosen.users):
            continue
        users = user_vectors(learner, histories, chosen)
        with torch.no_grad():
            queries = learner.queries(task, torch.from_numpy(users)).numpy()
        for name, vectors in ((f"{task.value}_hr@{k}", queries), (f"{task.value}_hr@{k}_without_head", users)):
            ranks = target_ranks(vectors, learner.all_items(), wanted[wanted >= 0])
            figures[name] = ranking_metrics(ranks, k)[f"hr@{k}"]
    return figures
