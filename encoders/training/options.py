"""What a training run is told."""

from enum import StrEnum

import msgspec


class EncoderName(StrEnum):
    """The user encoders that can be trained."""

    DECAY = "decay"
    GRU = "gru"
    TRANSFORMER = "transformer"


class TrainingOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One run. The defaults were chosen on validation data, and are the same for every shop.

    negatives: items drawn per step for the sampled softmax, 0 for all of them; patience: epochs without a better
    validation before it stops; delta_strength: see :func:`encoders.training.start.start_items`; mask_share and
    mask_seconds: see :func:`encoders.training.samples.without_latest`; task_weight: of each task beside the next item;
    validation_cases, test_cases: at most so many interactions are foretold.
    """

    encoder: EncoderName = EncoderName.DECAY
    seed: int = 1
    epochs: int = 20
    patience: int = 3
    batch_size: int = 512
    most_samples: int = 400_000
    negatives: int = 2048
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    dropout: float = 0.3
    hidden: int = 128
    delta_strength: float = 1.0
    text_only_share: float = 0.1
    mask_share: float = 0.3
    mask_seconds: float = 3600.0
    task_weight: float = 0.3
    validation_cases: int = 4000
    test_cases: int = 50_000
