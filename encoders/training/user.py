"""Train a user model on a shop's past: choose the number of epochs on the next period, then fit on everything."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import torch

from encoders.heads import Task
from encoders.projection import ItemProjection
from encoders.training.events import Histories, TrainingItems
from encoders.training.fit import Fitted, Judge, Watcher, fit
from encoders.training.judge import judge, judge_heads, judge_propagation
from encoders.training.learner import Learner, Teacher
from encoders.training.options import EncoderName, TrainingOptions
from encoders.training.parts import HoldOut, divide, repeats
from encoders.training.propagated import Interests
from encoders.training.start import ItemStart, start_items
from encoders.training.tasks import CheaperItems, find_targets
from encoders.user.decay import HALF_LIVES_POSITIONS, DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.model import TrainedParts
from encoders.user.network import UserNetwork
from encoders.user.transformer import TransformerNetwork

GAP_FACTORS = (1.0, 7.0, 50.0)
"""Half-lives in time, in typical gaps between two visits; the last item alone besides."""


class Refit(StrEnum):
    """What the model that is kept has learned from."""

    ALL = "all"
    """Everything: for use."""
    BEFORE_TEST = "before-test"
    """Everything but the test: to judge what learning from the newest events is worth."""
    NONE = "none"
    """What came before the validation: the model that was selected."""


@dataclass(frozen=True, slots=True)
class TrainedUser:
    """A trained model, and its figures: of validation and test, by full ranking.

    learned_until: the time (s) of the latest interaction that the kept model has learned from.
    """

    parts: TrainedParts
    metrics: dict[str, float]
    epochs: list[dict[str, float]]
    learned_until: float


class UserTraining:
    """One training run over one shop."""

    def __init__(
        self,
        items: TrainingItems,
        text_model: str,
        fallback: ItemProjection,
        options: TrainingOptions,
        checkpoints: Path | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Take the items. fallback: projection for a catalogue that allows no fit; checkpoints: a folder, or None."""
        self._items = items
        self._text_model = text_model
        self._fallback = fallback
        self._options = options
        self._checkpoints = checkpoints
        self._watcher = watcher or Watcher()

    def run(
        self, histories: Histories, hold_out: HoldOut, refit: Refit, interests: Interests | None = None
    ) -> TrainedUser:
        """Select, judge, fit again. With the graph's ``interests``, propagation is judged besides.

        Raises EncoderError when there is too little to learn from.
        """
        options = self._options
        parts = divide(histories, hold_out)
        again = repeats(parts.before_validation)
        validation = parts.validation.sample(options.validation_cases, options.seed)
        test = parts.test.sample(options.test_cases, options.seed)
        chosen, start, tasks = self._fit(
            "select", parts.before_validation, options.epochs, lambda it: judge(it, histories, validation, again)
        )
        metrics = {"epochs": float(chosen.best_epoch), "repeats": float(again)}
        metrics |= _named("validation", chosen.figures[chosen.best_epoch - 1])
        targets = find_targets(histories, self._items)
        for name, learner in (("untrained_test", untrained_learner(start)), ("test", chosen.learner)):
            metrics |= _named(name, judge(learner, histories, test, again))
            if interests is not None:
                hop = judge_propagation(learner, histories, test, again, self._items.categories, interests)
                metrics |= _named(name, hop)
        metrics |= _named("test", judge_heads(chosen.learner, histories, test, targets, tasks))
        past = parts.before_validation
        if refit is not Refit.NONE:
            past = histories if refit is Refit.ALL else parts.before_test
            chosen, start, tasks = self._fit(refit.value, past, chosen.best_epoch, None)
            if refit is Refit.BEFORE_TEST:
                metrics |= _named("refit_test", judge(chosen.learner, histories, test, again))
        learner = chosen.learner
        kept = TrainedParts(
            network=learner.network,
            projection=start.projection,
            text_model=self._text_model,
            items=list(self._items.ids),
            deltas=learner.deltas.detach().numpy(),
            heads=learner.heads(tasks),
        )
        rounded = {name: round(value, 4) for name, value in metrics.items()}
        return TrainedUser(kept, rounded, chosen.figures, float(past.seconds.max()))

    def _fit(
        self, stage: str, past: Histories, epochs: int, judged: Judge | None
    ) -> tuple[Fitted, ItemStart, list[Task]]:
        options = msgspec.structs.replace(self._options, epochs=epochs)
        start = start_items(self._items, past, self._fallback, options.delta_strength, options.seed)
        torch.manual_seed(options.seed)
        learner = Learner(new_network(options, past), start)
        teacher = Teacher(
            options, past.items, find_targets(past, self._items), CheaperItems(self._items), self._items.categories
        )
        checkpoint = None
        if self._checkpoints is not None:
            checkpoint = self._checkpoints / f"{stage}-{self._digest(past, options)}.safetensors"
        return fit(learner, teacher, past, options, stage, judged, checkpoint, self._watcher), start, teacher.tasks

    def _digest(self, past: Histories, options: TrainingOptions) -> str:
        """Return 12 hex digits of all that a fit depends on: another run never goes on from this one's checkpoint."""
        digest = sha256(msgspec.json.encode(options))
        for array in (past.starts, past.items, past.kinds, past.seconds, self._items.text_vectors, self._items.prices):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(self._items.categories.tobytes())
        return digest.hexdigest()[:12]


def untrained_learner(start: ItemStart) -> Learner:
    """Return what serves without training: the texts' vectors alone, mixed by the default half-lives."""
    return Learner(DecayNetwork(), ItemStart(start.projection, start.texts, np.zeros_like(start.deltas))).eval()


def new_network(options: TrainingOptions, histories: Histories) -> UserNetwork:
    """Return an untrained network of the kind that the options name, its half-lives taken from the shop's own gaps."""
    lives = half_lives(histories)
    if options.encoder is EncoderName.DECAY:
        return DecayNetwork(lives, options.hidden, HALF_LIVES_POSITIONS, options.dropout)
    if options.encoder is EncoderName.GRU:
        return GruNetwork(lives, options.hidden, HALF_LIVES_POSITIONS, options.dropout)
    return TransformerNetwork(lives, half_lives_positions=HALF_LIVES_POSITIONS, dropout=options.dropout)


def half_lives(histories: Histories) -> tuple[float, ...]:
    """Return half-lives in seconds: 0, and multiples of the median gap between two moments of one user."""
    same = np.diff(histories.user_of()) == 0
    gaps = np.diff(histories.seconds)[same]
    gaps = gaps[gaps > 0]
    typical = float(np.median(gaps)) if len(gaps) else 86_400.0
    return (0.0, *(round(typical * factor, 3) for factor in GAP_FACTORS))


def _named(prefix: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in figures.items()}
