"""Normalisation outside the gradient step, of which the paper warns (§2)."""

from __future__ import annotations

import torch
from torch import Tensor

from bnexp.norms.batch import BatchNorm, examples, follow


class NaiveNorm(BatchNorm):
    """y = (x − E[x])/√(Var[x] + ε), with E and Var constants to the gradient, and neither γ nor β.

    The layer before it keeps its bias b. Outside the gradient step are the mini-batch's `mean` alone, so that nothing
    is divided by; `both` mean and variance; or both as moving `averages`, in training as at inference. The population
    statistics of the first two come from Algorithm 2.
    """

    replaces_bias = False

    def __init__(self, features: int, outside: str, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(features, eps, "moving" if outside == "averages" else "population", momentum)
        self.outside = outside
        del self.gamma, self.beta

    def extra_repr(self) -> str:
        return f"{self.outside}, {super().extra_repr()}"

    def forward(self, x: Tensor) -> Tensor:
        places = (1, -1, *(1,) * (x.dim() - 2))
        if self.training and self.outside != "averages":
            dims = (0, *range(2, x.dim()))
            mean, var, unbiased = statistics(x, dims)
            if self.average is not None:
                self.average.add(mean, unbiased)
        else:
            mean, var = self.mean.clone().view(places), self.var.clone().view(places)
            if self.training:
                newest, _, unbiased = statistics(x, (0, *range(2, x.dim())))
                follow(self.mean, self.var, newest, unbiased, self.momentum)
        return (x - mean) * self.scale(var)

    def scale(self, var: Tensor) -> Tensor:
        """By what is multiplied where inputs have this variance."""
        return torch.ones_like(var) if self.outside == "mean" else torch.rsqrt(var + self.eps)


@torch.no_grad()
def statistics(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased and unbiased variance over these dimensions, of size 1 along them."""
    m = examples(x, dims)
    var, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
    return mean, var, var * (m / (m - 1))
