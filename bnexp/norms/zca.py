"""Whitening of groups of features: the costly thing of which BN is the simplification (§2, §3)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bnexp.norms.batch import BatchNorm, examples


class InverseRoot(torch.autograd.Function):
    """Σ^(−1/2) of symmetric positive definite matrices `[..., n, n]`, by their eigenvectors; NaN where Σ is not finite.

    Its derivative has no differences of eigenvalues in a denominator, and so is exact where these coincide.
    Source: Bhatia 1997, V.3 (Daleckii and Krein).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        finite = sigma.isfinite().flatten(-2).all(-1)  # eigh raises for the others, and for those beside them
        some = torch.eye(sigma.shape[-1]).to(sigma)
        values, vectors = torch.linalg.eigh(torch.where(finite[..., None, None], sigma, some))
        values = torch.where(finite.unsqueeze(-1), values, math.nan)
        return (vectors * values.rsqrt().unsqueeze(-2)) @ vectors.mT, values, vectors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, values, vectors = output
        ctx.mark_non_differentiable(values, vectors)
        ctx.save_for_backward(values, vectors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_root: Tensor, *_: Tensor) -> Tensor:
        values, vectors = ctx.saved_tensors
        roots = values.sqrt()
        a, b = roots.unsqueeze(-1), roots.unsqueeze(-2)
        symmetric = (d_root + d_root.mT) / 2
        turned = vectors.mT @ symmetric @ vectors
        d_sigma: Tensor = vectors @ (-turned / (a * b * (a + b))) @ vectors.mT
        return d_sigma


class ZCANorm(BatchNorm):
    """y = γ·Σ^(−1/2)(x − μ) + β, with the covariance Σ of the features of a group, of `[batch, features]`.

    With groups of one feature it is BN. `groups` divide the features; ε is added to Σ's diagonal. Population statistics
    come from Algorithm 2, Σ's as the variance's.

    Errors: ValueError for a mini-batch with a single value per feature, or feature maps.
    Source: Huang et al. 2018.
    """

    per_feature = False
    inputs = ("flat",)
    expected_failures: ClassVar[dict[str, str]] = {"keeps_dtype": "PyTorch has no eigenvectors in bfloat16"}

    def __init__(self, features: int, groups: int, eps: float = 1e-5) -> None:
        super().__init__(features, eps)
        self.groups = groups
        size = features // groups
        self.register_buffer("var", torch.eye(size).repeat(groups, 1, 1))

    def extra_repr(self) -> str:
        return f"groups={self.groups}, {super().extra_repr()}"

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2:
            raise ValueError(f"whitening is for inputs [batch, features]; this one has the shape {list(x.shape)}")
        if self.training:
            mean = x.mean(0)
            centred = self._grouped(x - mean)
            m = examples(x, (0,))
            sigma = centred @ centred.mT / m
            if self.average is not None:
                self.average.add(mean.detach(), sigma.detach() * (m / (m - 1)))
        else:
            centred, sigma = self._grouped(x - self.mean), self.var
        root, _, _ = InverseRoot.apply(sigma + self.eps * torch.eye(sigma.shape[-1]).to(sigma))
        x_hat = (root @ centred).permute(2, 0, 1).reshape(x.shape)
        return torch.addcmul(self.beta, x_hat, self.gamma)

    def _grouped(self, x: Tensor) -> Tensor:
        """`[batch, features]` to `[groups, features of a group, batch]`."""
        return x.view(len(x), self.groups, -1).permute(1, 2, 0)
