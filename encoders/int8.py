"""Linear layers in 8-bit integers: weights rounded once per output, inputs once per row and call.

y = (x/s_x rounded) · (W/s_w rounded)ᵀ · s_x·s_w + b, with s the largest magnitude over 127. Source: Dettmers et al.,
LLM.int8(), NeurIPS 2022, section 3.1, without its mixed decomposition.
"""

import torch
from torch import Tensor, nn

LARGEST = 127


class Int8Linear(nn.Module):
    """What stands in for an ``nn.Linear`` of float32."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        with torch.no_grad():
            scale = linear.weight.float().abs().amax(dim=1).clamp(min=1e-12) / LARGEST
            rounded = (linear.weight.float() / scale[:, None]).round().to(torch.int8)
        self.register_buffer("scale", scale)
        self.register_buffer("weight", rounded.t().contiguous())
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., out) float32 for (..., in)."""
        rows = x.reshape(-1, x.shape[-1])
        scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / LARGEST
        # Matrix units of GPUs refuse fewer than 17 rows.
        short = max(0, 17 - len(rows))
        rounded = nn.functional.pad((rows / scale).round().to(torch.int8), (0, 0, 0, short))
        product = torch._int_mm(rounded, self.weight)[: len(rows)].float() * scale * self.scale
        if self.bias is not None:
            product = product + self.bias
        return product.reshape(*x.shape[:-1], -1)


def quantise(model: nn.Module) -> None:
    """Replace every linear layer of a model, in place."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
