"""One fit: epochs over samples, stopped by the next period's ranking, resumable."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from encoders.training.checkpoint import Progress, Run
from encoders.training.events import Histories
from encoders.training.learner import Learner, Teacher
from encoders.training.options import TrainingOptions
from encoders.training.samples import epoch, teachable

STOPS_BY = "ndcg@10"

Judge = Callable[[Learner], dict[str, float]]


class Watcher:
    """Is told how a fit gets on; this one says nothing."""

    def begin_epoch(self, stage: str, number: int, samples: int) -> None:
        """Before an epoch over so many samples."""

    def step(self, samples: int) -> None:
        """After each batch of so many."""

    def end_epoch(self, stage: str, number: int, figures: dict[str, float]) -> None:
        """After an epoch, with its loss and, where there is a judge, its validation."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The learner at its best epoch, and what was measured after each."""

    learner: Learner
    best_epoch: int
    figures: list[dict[str, float]]


def fit(
    learner: Learner,
    teacher: Teacher,
    histories: Histories,
    options: TrainingOptions,
    stage: str,
    judge: Judge | None,
    checkpoint: Path | None,
    watcher: Watcher,
) -> Fitted:
    """Train until the judge has found nothing better for ``patience`` epochs, or for all epochs without a judge.

    Goes on from the checkpoint where there is one. Epochs draw from generators of their own, seeded by their number:
    a run that was broken off and resumed ends with the same weights as one that was not. Raises EncoderError for a
    damaged checkpoint.
    """
    optimiser = torch.optim.AdamW(
        learner.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    run = Run(learner, optimiser, Progress(), _copied(learner))
    if checkpoint is not None and checkpoint.is_file():
        run.load(checkpoint)
    progress = run.progress
    while progress.epoch < options.epochs and progress.epoch - progress.best_epoch < _patience(options, judge):
        number = progress.epoch + 1
        watcher.begin_epoch(stage, number, min(len(teachable(histories)), options.most_samples))
        random = np.random.default_rng([options.seed, number])
        torch.manual_seed(int(random.integers(2**31)))
        figures = {"loss": _learn(learner, teacher, histories, options, optimiser, random, watcher)}
        progress.epoch = number
        if judge is not None:
            figures |= judge(learner)
        if judge is None or figures[STOPS_BY] > progress.best:
            progress.best, progress.best_epoch = figures.get(STOPS_BY, 0.0), number
            run.best = _copied(learner)
        progress.figures.append(figures)
        if checkpoint is not None:
            run.save(checkpoint)
        watcher.end_epoch(stage, number, figures)
    learner.load_state_dict(run.best)
    return Fitted(learner.eval(), progress.best_epoch, progress.figures)


def _patience(options: TrainingOptions, judge: Judge | None) -> int:
    return options.patience if judge is not None else options.epochs + 1


def _learn(
    learner: Learner,
    teacher: Teacher,
    histories: Histories,
    options: TrainingOptions,
    optimiser: torch.optim.Optimizer,
    random: np.random.Generator,
    watcher: Watcher,
) -> float:
    learner.train()
    losses = []
    for sample in epoch(histories, random, options.batch_size, options.most_samples):
        optimiser.zero_grad()
        loss = teacher.loss(learner, sample, random)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        watcher.step(len(sample.places))
    return float(np.mean(losses))


def _copied(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in learner.state_dict().items()}
