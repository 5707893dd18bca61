"""Batch renormalisation (Ioffe 2017): BN corrected towards the moving averages, for small mini-batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnexp.config import NormConfig
from bnexp.norms.batch import examples, follow


def ramps(config: NormConfig, steps: int) -> tuple[int, int, int]:
    """`warmup`, `r_ramp` and `d_ramp` in steps, in a training of so many.

    They are as given, or with `schedule` all by the same factor longer or shorter, so that the last limit is open after
    that part of the training. Source: Ioffe 2017, §4, where the limits open with the training.
    """
    if config.schedule is None:
        return config.warmup, config.r_ramp, config.d_ramp
    until = config.warmup + max(config.r_ramp, config.d_ramp)
    factor = config.schedule * steps / max(until, 1)
    warmup, r_ramp, d_ramp = (round(factor * n) for n in (config.warmup, config.r_ramp, config.d_ramp))
    return warmup, r_ramp, d_ramp


class BatchRenorm(nn.Module):
    """y = γ·((x − μ_B)/σ_B · r + d) + β, of `[batch, features]` or `[batch, features, height, width]`.

    r = σ_B/σ kept within [1/r_max, r_max] and d = (μ_B − μ)/σ within [−d_max, d_max] are constants to the gradient;
    μ and σ are moving averages, which also serve at inference. For `warmup` steps it is plain BN; then the limits
    grow linearly to `r_max` in `r_ramp` steps and to `d_max` in `d_ramp`. σ_B = √(σ²_B + ε), σ²_B biased.

    Errors: ValueError for a mini-batch with a single value per feature.
    Source: Ioffe 2017, Algorithm 1 and §4.
    """

    replaces_bias = True
    per_feature = True

    mean: Tensor
    sigma: Tensor
    steps: Tensor

    def __init__(
        self,
        features: int,
        eps: float = 1e-5,
        momentum: float = 0.01,
        r_max: float = 3.0,
        d_max: float = 5.0,
        warmup: int = 500,
        r_ramp: int = 3500,
        d_ramp: int = 2000,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.r_max, self.d_max = r_max, d_max
        self.warmup, self.r_ramp, self.d_ramp = warmup, r_ramp, d_ramp
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("sigma", torch.ones(features))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def extra_repr(self) -> str:
        return (
            f"eps={self.eps}, momentum={self.momentum}, r_max={self.r_max}, d_max={self.d_max}, "
            f"warmup={self.warmup}, r_ramp={self.r_ramp}, d_ramp={self.d_ramp}"
        )

    def limits(self, steps: int) -> tuple[float, float]:
        """The limits of r and of d after so many steps."""
        r, d = (min(max(steps - self.warmup, 0) / max(ramp, 1), 1.0) for ramp in (self.r_ramp, self.d_ramp))
        return 1 + (self.r_max - 1) * r, self.d_max * d

    def corrections(
        self, mu: Tensor, sigma_b: Tensor, mean: Tensor, sigma: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """r and d; all shapes as `mu`."""
        r_limit, d_limit = self.limits(steps)
        return (sigma_b / sigma).clamp(1 / r_limit, r_limit), ((mu - mean) / sigma).clamp(-d_limit, d_limit)

    def forward(self, x: Tensor) -> Tensor:
        gamma, beta, mean, sigma = (
            t.view(-1, *(1,) * (x.dim() - 2)) for t in (self.gamma, self.beta, self.mean, self.sigma)
        )
        if not self.training:
            return gamma * (x - mean) / sigma + beta
        dims = (0, *range(2, x.dim()))
        examples(x, dims)
        mu = x.mean(dims).view_as(mean)
        sigma_b = (x.var(dims, correction=0).view_as(mean) + self.eps).sqrt()
        r, d = self.corrections(mu.detach(), sigma_b.detach(), mean, sigma, int(self.steps))
        y = gamma * ((x - mu) / sigma_b * r + d) + beta
        follow(self.mean, self.sigma, mu, sigma_b, self.momentum)
        self.steps += 1
        return y
