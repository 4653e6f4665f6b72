"""A run on disk, so that it can go on where it was broken off, to the same bytes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from encoders.base import EncoderError

_SEPARATOR = "|"


@dataclass(slots=True)
class Progress:
    """Where a fit stands. ``figures``: validation after each epoch."""

    epoch: int = 0
    best_epoch: int = 0
    best: float = -1.0
    figures: list[dict[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """Parameters, the best of them so far, the optimiser's memory, and the progress."""

    module: nn.Module
    optimiser: torch.optim.Optimizer
    progress: Progress
    best: dict[str, Tensor]

    def save(self, path: Path) -> None:
        """Write everything; the file is replaced at once."""
        tensors = {f"now{_SEPARATOR}{name}": tensor for name, tensor in self.module.state_dict().items()}
        tensors |= {f"best{_SEPARATOR}{name}": tensor for name, tensor in self.best.items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"{number}{_SEPARATOR}{name}": tensor for name, tensor in state.items()}
        data = save({n: t.contiguous() for n, t in tensors.items()}, {"progress": json.dumps(asdict(self.progress))})
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Take up what was saved. Raises EncoderError when the file is damaged."""
        try:
            data = path.read_bytes()
            tensors = load(data)
            self.progress = Progress(**json.loads(_metadata(data)["progress"]))
            self.module.load_state_dict(_part(tensors, "now"))
            self.best = _part(tensors, "best")
            state: dict[int, Any] = {}
            for name, tensor in tensors.items():
                number, _, field_name = name.partition(_SEPARATOR)
                if number.isdigit():
                    state.setdefault(int(number), {})[field_name] = tensor
            groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise EncoderError(f"{path} cannot be gone on from: {error}; remove it to begin anew") from error


def _part(tensors: Mapping[str, Tensor], wanted: str) -> dict[str, Tensor]:
    prefix = wanted + _SEPARATOR
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata
