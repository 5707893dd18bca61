"""Dropout (Srivastava et al. 2014) whose draws come from a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Leaves out each value with probability `p` while training, and divides the others by 1 − p.

    Unlike `nn.Dropout` it draws from `generator` alone, so that what a network draws depends on no other.
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def forward(self, x: Tensor) -> Tensor:
        return x * factors(self.p, x.shape, self.generator).to(x) if self.training else x


def factors(p: float, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """What values are multiplied by: 0 with probability p, else 1/(1 − p); float32 of `shape`, on the CPU."""
    return torch.rand(*shape, generator=generator).ge_(p).div_(1 - p)
