"""BN followed by noise that undoes its stability: the control of Santurkar et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bnexp.norms.batch import BatchNorm

MEAN, SPREAD = 0.5, 1.25
"""From one mini-batch to the next a unit's noise has a mean within ±MEAN, and a width from 1 to SPREAD."""

AROUND = 0.1
"""How far single examples lie from these."""


class NoisyBatchNorm(BatchNorm):
    """BN whose outputs are scaled and shifted at random in training: s·y + t, not in the mean 1 and 0.

    Each mini-batch draws, for every feature, a shift from U(−0.5, 0.5) and a scale from U(1, 1.25); each example's own
    t lies within 0.1 of the one, its s is normal around the other with a deviation of 0.1. At inference, and while the
    population statistics are estimated, there is no noise. Draws from `generator` alone.
    Source: Santurkar et al. 2018, §2.1 and appendix.
    """

    random = True
    """Its outputs in training are drawn."""

    def __init__(self, features: int, **settings: Any) -> None:
        super().__init__(features, **settings)
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if not self.training or self.average is not None:
            return y
        scale, shift = draw(x.shape[:2], self.generator)
        wide = (*x.shape[:2], *(1,) * (x.dim() - 2))
        return y * scale.to(y).view(wide) + shift.to(y).view(wide)


def draw(shape: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Scales and shifts of a mini-batch, float32 `[B, F]` each, on the CPU."""
    features = shape[1]
    middle = MEAN * (2 * torch.rand(features, generator=generator) - 1)
    width = 1 + (SPREAD - 1) * torch.rand(features, generator=generator)
    shift = middle + AROUND * (2 * torch.rand(*shape, generator=generator) - 1)
    return width + AROUND * torch.randn(*shape, generator=generator), shift
