"""BN over a mini-batch that is spread over several processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from bnexp.norms.batch import BatchNorm

_active = False


@contextlib.contextmanager
def synchronised(on: bool = True) -> Iterator[None]:
    """While it is open, every process of the group calls the same layers: `SyncBatchNorm` may wait for the others."""
    global _active
    before, _active = _active, on
    try:
        yield
    finally:
        _active = before


class SyncBatchNorm(BatchNorm):
    """BN whose statistics are those of all processes' parts together: in training steps, and nowhere else.

    As `BatchNorm` of the whole mini-batch, up to rounding. PyTorch has one for GPUs, which is used there.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and _active):
            return super().forward(x)
        if x.is_cuda:
            return self._on_gpu(x)
        shape = 1, -1, *(1,) * (x.dim() - 2)
        dims = (0, *range(2, x.dim()))
        y: Tensor = _Synchronised.apply(x, self.gamma.view(shape), self.beta.view(shape), dims, self.eps)
        return y

    def _on_gpu(self, x: Tensor) -> Tensor:
        from torch.nn.modules._functions import SyncBatchNorm as Function

        group = distributed.group.WORLD
        y: Tensor = Function.apply(
            x, self.gamma, self.beta, None, None, self.eps, 0.0, group, distributed.get_world_size()
        )
        return y


class _Synchronised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
        m = x.numel() // gamma.numel() * distributed.get_world_size()
        mu = _summed(x.sum(dims, keepdim=True)) / m
        x_hat = x - mu
        var = _summed(x_hat.square().sum(dims, keepdim=True)) / m
        scale = torch.rsqrt(var + eps)
        x_hat.mul_(scale)
        ctx.dims, ctx.m = dims, m
        ctx.save_for_backward(x_hat, gamma * scale)
        return torch.addcmul(beta, x_hat, gamma)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x_hat, slope = ctx.saved_tensors
        dbeta = dy.sum(ctx.dims, keepdim=True)
        dgamma = (dy * x_hat).sum(ctx.dims, keepdim=True)
        sums = _summed(torch.cat([dbeta, dgamma]))
        dx = (dy - sums[:1] / ctx.m).addcmul_(x_hat, sums[1:], value=-1 / ctx.m).mul_(slope)
        return dx, dgamma, dbeta, None, None


def _summed(x: Tensor) -> Tensor:
    """The sum over the processes."""
    distributed.all_reduce(x)
    return x
