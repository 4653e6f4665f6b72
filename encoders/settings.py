"""Which encoders run, and where."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt


class TextEncoderName(StrEnum):
    """How item texts become vectors."""

    TRANSFORMERS = "transformers"
    HASHING = "hashing"


class DeviceName(StrEnum):
    """Where tensors live."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """The number type of the text model's forward pass."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


class EncoderSettings(BaseModel):
    """The encoders' section of the settings tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: TextEncoderName = Field(TextEncoderName.TRANSFORMERS, description="hashing needs no weights.")
    text_model_dir: Path | None = Field(
        None, description="Folder of a transformers model; the installed model package when unset."
    )
    text_prefix: str = Field("", description="Put before each item text; e5 models want 'query: '.")
    projection_file: Path | None = Field(
        None, description="Fitted projection of text vectors; the shipped one of the text model when unset."
    )
    user_model_dir: Path | None = Field(None, description="Folder of a trained user model; untrained decay when unset.")
    user_model_watch_seconds: NonNegativeFloat = Field(
        10.0, description="How often a worker looks for a new model in that folder; 0: only when it starts."
    )
    derive_categories: bool = Field(
        True, description="Give items that have a title and no category a derived one; such categories are marked."
    )
    categories_file: Path | None = Field(
        None,
        description="Centroids of derived categories (`train categories`); the shipped ones, of gifts and "
        "household goods, when unset and they fit the text model.",
    )
    micro_topics_file: Path | None = Field(
        None, description="Centroids of micro-topics (`train micro-topics`); items have none when unset."
    )
    device: DeviceName = Field(DeviceName.AUTO, description="auto takes the GPU when there is one.")
    cpu_threads: PositiveInt | None = Field(
        None, description="Threads of a forward pass on the CPU; all cores but one, at most 8, when unset."
    )
    text_precision: Precision = Field(
        Precision.AUTO,
        description="auto: bf16 on GPUs that are fast at it, else fp32. bf16 and int8 are measured against fp32 at the "
        "start, and refused below cosine 0.999 or 98 % equal lists.",
    )
    text_batch_tokens: PositiveInt | None = Field(
        None, description="Tokens per forward pass of the text model; 2048 on a CPU, 8192 on a GPU, when unset."
    )
