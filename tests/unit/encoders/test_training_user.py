"""Training as a whole, on a shop with a known rule."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from encoders.base import ITEM_DIMENSIONS, EncoderError
from encoders.card import Card
from encoders.device import CPU
from encoders.hashing import HashingTextEncoder
from encoders.heads import Task
from encoders.projection import ItemProjection
from encoders.training.fit import Watcher
from encoders.training.options import EncoderName, TrainingOptions
from encoders.training.parts import HoldOut, divide
from encoders.training.samples import history_before
from encoders.training.user import Refit, TrainedUser, UserTraining, half_lives
from encoders.user.model import load_user_model, save_user_model
from tests.unit.encoders.toy_shop import ITEMS, partner, toy_histories, toy_items

OPTIONS = TrainingOptions(
    epochs=6, patience=6, batch_size=64, negatives=0, learning_rate=0.01, dropout=0.0, hidden=32, mask_share=0.0
)
TEXT_MODEL = HashingTextEncoder().model
FALLBACK = ItemProjection.unfitted(ITEM_DIMENSIONS)


class Broken(Exception):
    """What ends a run in the middle."""


class Breaks(Watcher):
    """Ends a run after so many batches, and notes the epochs it saw."""

    def __init__(self, after: float = float("inf")) -> None:
        self.left = after
        self.epochs: list[tuple[str, int]] = []

    def step(self, samples: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise Broken

    def end_epoch(self, stage: str, number: int, figures: dict[str, float]) -> None:
        self.epochs.append((stage, number))


def run(
    options: TrainingOptions = OPTIONS,
    refit: Refit = Refit.NONE,
    checkpoints: Path | None = None,
    watcher: Watcher | None = None,
    hold_out: HoldOut = HoldOut.LAST,
) -> TrainedUser:
    training = UserTraining(toy_items(), TEXT_MODEL, FALLBACK, options, checkpoints, watcher)
    return training.run(toy_histories(), hold_out, refit)


@pytest.mark.parametrize("encoder", EncoderName)
def test_every_encoder_learns_the_rule(encoder: EncoderName) -> None:
    trained = run(msgspec.structs.replace(OPTIONS, encoder=encoder))
    # One in ten jumps somewhere: nobody can foretell more than 92 %. By chance it would be a quarter.
    assert trained.metrics["test_hr@10"] > 0.8
    assert trained.metrics["test_mrr"] > 0.5
    assert trained.metrics["test_cross_sell_hr@10"] > 0.7


def test_what_is_saved_encodes_as_it_was_judged(tmp_path: Path) -> None:
    trained = run(msgspec.structs.replace(OPTIONS, encoder=EncoderName.GRU))
    save_user_model(tmp_path, trained.parts, Card(format=""))
    model = load_user_model(tmp_path, TEXT_MODEL, CPU, FALLBACK)
    items, past = toy_items(), toy_histories()
    model.matrix.set_items(items.ids, np.arange(ITEMS), items.text_vectors)
    cases = divide(past, HoldOut.LAST).test
    users = model.encoder.encode(history_before(past, cases.users, cases.places))
    latest, target = past.items[cases.places - 1], past.items[cases.places]
    follows = target == np.array([partner(row) for row in latest])
    nearest = np.argmax(users @ model.matrix.vectors.T, axis=1)
    assert np.mean(nearest[follows] == target[follows]) > 0.5
    assert Task.CROSS_SELL in model.heads
    assert Task.PURCHASE in model.heads


def test_the_same_seed_gives_the_same_model() -> None:
    few = msgspec.structs.replace(OPTIONS, epochs=2, dropout=0.3, mask_share=0.3)
    first, second = run(few), run(few)
    assert first.metrics == second.metrics
    np.testing.assert_array_equal(first.parts.deltas, second.parts.deltas)
    other = run(msgspec.structs.replace(few, seed=2))
    assert not np.array_equal(first.parts.deltas, other.parts.deltas)


def test_a_run_that_was_broken_off_goes_on_to_the_same_model(tmp_path: Path) -> None:
    few = msgspec.structs.replace(OPTIONS, epochs=3, dropout=0.3, mask_share=0.3)
    whole = run(few, Refit.ALL)
    breaks = Breaks(after=18)  # an epoch has 12 batches: in the second
    with pytest.raises(Broken):
        run(few, Refit.ALL, tmp_path, breaks)
    assert breaks.epochs == [("select", 1)]
    resumed_by = Breaks()
    resumed = run(few, Refit.ALL, tmp_path, resumed_by)
    assert resumed_by.epochs[:2] == [("select", 2), ("select", 3)]
    assert resumed.metrics == whole.metrics
    assert resumed.epochs == whole.epochs
    np.testing.assert_array_equal(resumed.parts.deltas, whole.parts.deltas)
    for name, tensor in whole.parts.network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), resumed.parts.network.state_dict()[name].numpy())


def test_another_run_begins_anew(tmp_path: Path) -> None:
    few = msgspec.structs.replace(OPTIONS, epochs=1)
    run(few, checkpoints=tmp_path)
    watcher = Breaks()
    run(few, checkpoints=tmp_path, watcher=watcher)
    assert watcher.epochs == []
    run(msgspec.structs.replace(few, seed=9), checkpoints=tmp_path, watcher=watcher)
    assert watcher.epochs == [("select", 1)]


def test_a_damaged_checkpoint_is_refused_and_named(tmp_path: Path) -> None:
    few = msgspec.structs.replace(OPTIONS, epochs=1)
    run(few, checkpoints=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(EncoderError, match=rf"{file.name} cannot be gone on from.*remove it"):
        run(few, checkpoints=tmp_path)


def test_it_stops_when_validation_gets_no_better() -> None:
    watcher = Breaks()
    still = msgspec.structs.replace(OPTIONS, epochs=20, patience=2, learning_rate=0.0)
    trained = run(still, watcher=watcher)
    assert watcher.epochs == [("select", 1), ("select", 2), ("select", 3)]
    assert trained.metrics["epochs"] == 1


def test_the_kept_model_is_fitted_again_as_long_as_was_best() -> None:
    watcher = Breaks()
    trained = run(msgspec.structs.replace(OPTIONS, epochs=2), Refit.BEFORE_TEST, watcher=watcher)
    again = [number for stage, number in watcher.epochs if stage == "before-test"]
    assert len(again) == trained.metrics["epochs"]
    assert trained.metrics["refit_test_hr@10"] > 0.5


def test_the_next_period_judges_by_default() -> None:
    trained = run(msgspec.structs.replace(OPTIONS, epochs=2), hold_out=HoldOut.PERIOD)
    assert trained.metrics["validation_hr@10"] > 0.5


def test_half_lives_follow_the_shops_own_gaps() -> None:
    past = toy_histories()
    last, *others = half_lives(past)
    assert last == 0
    assert others[0] == pytest.approx(10 * 3600, rel=0.2)
    assert others == sorted(others)
