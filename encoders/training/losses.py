"""What training minimises, all over unit vectors of users and items."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid


def softmax_loss(
    queries: Tensor, targets: Tensor, target_rows: Tensor, candidates: Tensor, candidate_rows: Tensor, scale: Tensor
) -> Tensor:
    """Return the mean cross-entropy (a scalar) of each target among itself and the candidates.

    queries: (B, d); targets: (B, d) vectors of their items target_rows (B,); candidates: (m, d) of candidate_rows (m,),
    shared by the batch; where a candidate is the target itself it does not count a second time. With all items as
    candidates this is the full softmax; with a uniform draw the sampled one, whose correction is a constant then.
    """
    positive = scale * (queries * targets).sum(dim=1, keepdim=True)
    others = scale * (queries @ candidates.T)
    # Masked after the scaling: infinity times a parameter has no gradient.
    others = others.masked_fill(target_rows[:, None] == candidate_rows[None, :], -torch.inf)
    first = torch.zeros(len(queries), dtype=torch.long, device=queries.device)
    return cross_entropy(torch.cat([positive, others], dim=1), first)


def preference_loss(queries: Tensor, better: Tensor, worse: Tensor, scale: Tensor) -> Tensor:
    """Return the mean of -log σ(better - worse), each (B, d). Source: Rendle et al., BPR, UAI 2009."""
    return -logsigmoid(scale * (queries * (better - worse)).sum(dim=1)).mean()
