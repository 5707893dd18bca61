"""BN followed by noise that undoes its stability: the control of Santurkar et al. 2018; and by noise that drifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bnexp.norms.batch import BatchNorm

MEAN, SPREAD = 0.5, 1.25
"""From one mini-batch to the next a unit's noise has a mean within ±MEAN, and a width from 1 to SPREAD."""

AROUND = 0.1
"""How far single examples lie from these."""

DEVIATIONS = (SPREAD - 1) / math.sqrt(12), 2 * MEAN / math.sqrt(12)
"""Of the width and of the mean over mini-batches, and of noise that lasts."""


class NoisyBatchNorm(BatchNorm):
    """BN whose outputs are scaled and shifted at random in training: s·y + t, not in the mean 1 and 0.

    Each mini-batch draws, for every feature, a shift from U(−0.5, 0.5) and a scale from U(1, 1.25); each example's own
    t lies within 0.1 of the one, its s is normal around the other with a deviation of 0.1. At inference, and while the
    population statistics are estimated, there is no noise. Draws from `generator` alone.

    With `drift` scales and shifts, the same for all examples, walk instead: normal around 1 and 0, with the deviations
    of those drawn anew, and correlated by exp(−1/drift) from one step to the next. They start at 1 and 0, and at
    inference are where they have come to.
    Source: Santurkar et al. 2018, §2.1 and appendix; the drift is ours.
    """

    random = True
    """Its outputs in training are drawn."""

    walk: Tensor
    """Scale and shift in their deviations from their means, `[2, F]`."""

    def __init__(self, features: int, drift: int | None = None, **settings: Any) -> None:
        super().__init__(features, **settings)
        self.generator = torch.Generator()
        self.drift = drift
        if drift is not None:
            self.register_buffer("walk", torch.zeros(2, features))

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        learning = self.training and self.average is None
        spatial = (1,) * (x.dim() - 2)
        if self.drift is not None:
            if learning:
                self.walk.copy_(walked(self.walk, self.drift, self.generator))
            scale, shift = (part.view(-1, *spatial).to(y) for part in drifted(self.walk))
            return y * scale + shift
        if not learning:
            return y
        scale, shift = (part.view(*x.shape[:2], *spatial).to(y) for part in draw(x.shape[:2], self.generator))
        return y * scale + shift


def draw(shape: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Scales and shifts of a mini-batch, float32 `[B, F]` each, on the CPU."""
    features = shape[1]
    middle = MEAN * (2 * torch.rand(features, generator=generator) - 1)
    width = 1 + (SPREAD - 1) * torch.rand(features, generator=generator)
    shift = middle + AROUND * (2 * torch.rand(*shape, generator=generator) - 1)
    return width + AROUND * torch.randn(*shape, generator=generator), shift


def walked(walk: Tensor, drift: int, generator: torch.Generator) -> Tensor:
    """`walk` `[2, F]` a step later."""
    kept = math.exp(-1 / drift)
    return kept * walk + math.sqrt(1 - kept**2) * torch.randn(walk.shape, generator=generator).to(walk)


def drifted(walk: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and shifts `[..., F]` of walks `[..., 2, F]`."""
    scale, shift = walk.unbind(-2)
    return 1 + DEVIATIONS[0] * scale, DEVIATIONS[1] * shift
