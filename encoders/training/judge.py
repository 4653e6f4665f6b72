"""How good a learner is: full ranking over the whole catalogue."""

import numpy as np
import torch

from encoders.base import FloatArray
from encoders.heads import Task
from encoders.training.events import Histories
from encoders.training.learner import Learner
from encoders.training.parts import Cases
from encoders.training.ranking import ranking_metrics, target_ranks
from encoders.training.samples import history_before
from encoders.training.tasks import Targets

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
    users = user_vectors(learner, histories, cases)
    excluded = None
    if not repeats:
        starts = histories.starts[cases.users]
        excluded = [histories.items[first:place] for first, place in zip(starts, cases.places, strict=True)]
    ranks = target_ranks(users, learner.all_items(), histories.items[cases.places], excluded)
    return ranking_metrics(ranks, k)


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
