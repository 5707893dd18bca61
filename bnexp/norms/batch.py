"""Batch normalisation as the paper has it: Algorithms 1 and 2 (§3, §3.1), and its folding into an affine map."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def normalise(
    x: Tensor, gamma: Tensor, beta: Tensor, dims: tuple[int, ...], eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Algorithm 1: the transform of one mini-batch.

    Shapes: `x` any; `gamma` and `beta` with size 1 along `dims`, over which the statistics are taken.
    Returns y and x_hat (as `x`), the slope γ/√(σ²+ε), mu and the biased var (as `gamma`).
    """
    x_hat, scale, mu, var = standardise(x, dims, eps)
    y = torch.addcmul(beta, x_hat, gamma)
    return y, x_hat, gamma * scale, mu, var


def standardise(x: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x_hat (as `x`), 1/√(σ²+ε), mu and the biased var (with size 1 along `dims`) of one mini-batch."""
    mu = x.mean(dims, keepdim=True)
    x_hat = x - mu
    var = x_hat.square().mean(dims, keepdim=True)  # divided by m
    scale = torch.rsqrt(var + eps)
    return x_hat.mul_(scale), scale, mu, var


def normalise_maps(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Algorithm 1 per feature map of a convolution (§3.2), by PyTorch's own kernels: twice as fast.

    Shapes: `x` `[batch, maps, height, width]`, else `[maps]`. Returns y, differentiable, mu and the biased var.
    """
    y, mu, scale = torch.native_batch_norm(x, gamma, beta, None, None, True, 0.0, eps)
    with torch.no_grad():
        var = (scale.square().reciprocal() - eps).clamp_(min=0)
    return y, mu.detach(), var


def back_propagate(dy: Tensor, x_hat: Tensor, slope: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """∂l/∂x, ∂l/∂γ and ∂l/∂β from ∂l/∂y: the six derivatives of §3 with those of μ and σ² put in."""
    m = math.prod(dy.shape[d] for d in dims)  # §3.2: m·p·q in a convolution
    dbeta = dy.sum(dims, keepdim=True)
    dgamma = (dy * x_hat).sum(dims, keepdim=True)
    dx = (dy - dbeta / m).addcmul_(x_hat, dgamma, value=-1 / m).mul_(slope)
    return dx, dgamma, dbeta


def infer(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """The transform at inference, one affine map per activation (§3.1); all shapes broadcast against `x`."""
    scale = gamma * torch.rsqrt(var + eps)
    return torch.addcmul(beta - mean * scale, x, scale)


class Average:
    """Algorithm 2: E[x] is the average of the mini-batch means, Var[x] of the unbiased mini-batch variances."""

    def __init__(self) -> None:
        self.batches = 0
        self.mean: Tensor | float = 0.0
        self.var: Tensor | float = 0.0

    def add(self, mu: Tensor, unbiased: Tensor) -> None:
        """Take in one mini-batch: its mean and m/(m−1) times its biased variance."""
        self.batches += 1
        self.mean = self.mean + mu
        self.var = self.var + unbiased

    def store(self, mean: Tensor, var: Tensor) -> None:
        """Write the averages into buffers of the same number of values, if there was a mini-batch."""
        if self.batches == 0:  # a layer derived from BN may normalise in its own way
            return
        assert isinstance(self.mean, Tensor)
        assert isinstance(self.var, Tensor)
        mean.copy_(self.mean.view_as(mean) / self.batches)
        var.copy_(self.var.view_as(var) / self.batches)


class _Algorithm1(torch.autograd.Function):
    """y of `normalise`, differentiable, and all else that it returns, which is not."""

    @staticmethod
    def forward(
        x: Tensor, gamma: Tensor, beta: Tensor, dims: tuple[int, ...], eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return normalise(x, gamma, beta, dims, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, x_hat, slope, mu, var = output
        ctx.dims = inputs[3]
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(x_hat, slope, mu, var)
        ctx.save_for_backward(x_hat, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        if dy is None:
            return (None,) * 5
        x_hat, slope = ctx.saved_tensors
        return *back_propagate(dy, x_hat, slope, ctx.dims), None, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        dims: tuple[int, ...],
        eps: float,
    ) -> tuple[tuple[Tensor, ...], int]:
        """Of many networks at once, as in a stack: `[N, ...]`."""
        networks = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((x, gamma, beta), in_dims, strict=False)
        ]
        outputs: tuple[Tensor, ...] = _Algorithm1.apply(*networks, tuple(d + 1 for d in dims), eps)
        return outputs, 0


class BatchNorm(nn.Module):
    """BN of `[batch, features]` or, per feature map, `[batch, features, height, width]` (§3.2).

    In training it normalises by the mini-batch; at inference by the population statistics in the buffers
    `mean` and `var`, which come from Algorithm 2 (`estimate_population`) or, with `statistics="moving"`,
    from moving averages kept while training; with `statistics="batch"` by the mini-batch there too. With `ghost`, every
    so many examples of a mini-batch, a ghost batch, are normalised by themselves in training, and Algorithm 2 and the
    moving averages take in one ghost batch after the other.

    Errors: ValueError for a mini-batch with a single value per feature, whose variance is 0, or not divisible into
    ghost batches.
    Source: Ioffe & Szegedy 2015, §3; ghost batches Hoffer et al. 2017, Algorithm 1.
    """

    replaces_bias = True
    """β does what the bias of the affine map before it would do (§3.2)."""
    per_feature = True

    mean: Tensor
    var: Tensor

    def __init__(
        self,
        features: int,
        eps: float = 1e-5,
        statistics: str = "population",
        momentum: float = 0.1,
        ghost: int | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.statistics = statistics
        self.momentum = momentum
        self.ghost = ghost
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("var", torch.ones(features))
        self.average: Average | None = None

    def extra_repr(self) -> str:
        ghost = "" if self.ghost is None else f", ghost={self.ghost}"
        return f"eps={self.eps}, statistics={self.statistics}, momentum={self.momentum}{ghost}"

    def forward(self, x: Tensor) -> Tensor:
        spatial = (1,) * (x.dim() - 2)
        gamma, beta = self.gamma.view(-1, *spatial), self.beta.view(-1, *spatial)
        if not self.training and self.statistics != "batch":
            return infer(x, gamma, beta, self.mean.view_as(gamma), self.var.view_as(gamma), self.eps)
        if self.ghost is not None and self.training:
            return self._by_ghost_batches(x, gamma, beta, self.ghost)
        dims = (0, *range(2, x.dim()))
        m = examples(x, dims)
        if x.dim() == 4:
            y, mu, var = normalise_maps(x, self.gamma, self.beta, self.eps)
        else:
            y, _, _, mu, var = _Algorithm1.apply(x, gamma.unsqueeze(0), beta.unsqueeze(0), dims, self.eps)
        if self.average is not None:
            self.average.add(mu, var * (m / (m - 1)))
        elif self.statistics == "moving" and self.training:
            follow(self.mean, self.var, mu, var * (m / (m - 1)), self.momentum)
        return y

    def _by_ghost_batches(self, x: Tensor, gamma: Tensor, beta: Tensor, ghost: int) -> Tensor:
        parts = ghost_batches(x, 0, ghost)  # [parts, ghost, features, ...]
        dims = (1, *range(3, parts.dim()))
        m = examples(parts, dims)
        gamma, beta = (t.expand(len(parts), 1, *t.shape) for t in (gamma, beta))
        y, _, _, mu, var = _Algorithm1.apply(parts, gamma, beta, dims, self.eps)
        for mean, unbiased in zip(mu, var * (m / (m - 1)), strict=True):
            if self.average is not None:
                self.average.add(mean, unbiased)
            elif self.statistics == "moving":
                follow(self.mean, self.var, mean, unbiased, self.momentum)
        return y.flatten(0, 1)  # type: ignore[no-any-return]


def ghost_batches(x: Tensor, dim: int, ghost: int) -> Tensor:
    """The examples along `dim` in parts of so many each, along two; ValueError where they do not divide into such."""
    if x.shape[dim] % ghost:
        raise ValueError(f"a mini-batch of {x.shape[dim]} examples does not divide into ghost batches of {ghost}")
    return x.view(*x.shape[:dim], -1, ghost, *x.shape[dim + 1 :])


def examples(x: Tensor, dims: tuple[int, ...]) -> int:
    """Values per feature in a mini-batch; ValueError for a single one, whose variance is 0."""
    m = math.prod(x.shape[d] for d in dims)
    if m == 1:
        raise ValueError("batch normalisation needs more than one value per feature in a mini-batch, got 1")
    return m


@torch.no_grad()
def follow(mean: Tensor, spread: Tensor, mu: Tensor, newest: Tensor, momentum: float) -> None:
    """Move the averages `mean` and `spread` (variance or deviation) towards the statistics of the newest mini-batch."""
    mean.lerp_(mu.view_as(mean), momentum)
    spread.lerp_(newest.view_as(spread), momentum)


@torch.no_grad()
def estimate_population(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Algorithm 2: set the population statistics of every BN layer from mini-batches, the weights frozen.

    All other layers do as at inference meanwhile: the statistics are for the network as it will be used, without
    dropout. Leaves the network in inference mode.
    """
    estimated = estimating(network)
    for batch in batches if estimated else ():
        network(batch)
    for norm in estimated.values():
        norm.average, average = None, norm.average
        if average is not None:
            average.store(norm.mean, norm.var)
    network.eval()


def estimating(network: nn.Module) -> dict[str, BatchNorm]:
    """By name, the layers whose statistics Algorithm 2 is to estimate, made ready for it, and all others for inference.

    What they are given from now on goes to the `average` of each.
    """
    network.eval()
    norms = {
        name: norm
        for name, norm in network.named_modules()
        if isinstance(norm, BatchNorm) and norm.statistics == "population"
    }
    for norm in norms.values():
        norm.train()
        norm.average = Average()
    return norms


def fold(affine: nn.Linear | nn.Conv2d, norm: BatchNorm) -> nn.Linear | nn.Conv2d:
    """One affine layer that does what `affine` followed by `norm` does at inference (§3.1).

    Shapes as in `affine`; the result always has a bias.
    """
    scale = norm.gamma * torch.rsqrt(norm.var + norm.eps)
    shift = norm.beta - norm.mean * scale
    folded: nn.Linear | nn.Conv2d
    if isinstance(affine, nn.Conv2d):
        folded = nn.Conv2d(
            affine.in_channels,
            affine.out_channels,
            affine.kernel_size,  # type: ignore[arg-type]
            affine.stride,  # type: ignore[arg-type]
            affine.padding,  # type: ignore[arg-type]
            affine.dilation,  # type: ignore[arg-type]
            affine.groups,
            padding_mode=affine.padding_mode,
        )
    else:
        folded = nn.Linear(affine.in_features, affine.out_features)
    folded = folded.to(affine.weight)
    bias = affine.bias if affine.bias is not None else torch.zeros_like(shift)
    with torch.no_grad():
        folded.weight.copy_(affine.weight * scale.view(-1, *(1 for _ in affine.weight.shape[1:])))
        assert folded.bias is not None
        folded.bias.copy_(bias * scale + shift)
    return folded
