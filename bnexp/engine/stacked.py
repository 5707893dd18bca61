"""The counterparts of a network's layers, each computing one layer for many networks, forwards and backwards.

Written by hand: a step takes two thirds of autograd's time. A module without a counterpart (anybody's norm) is
mapped over the networks by `torch.func` and differentiated by autograd.
Shapes: N networks, B examples, I inputs and O outputs of a layer, F features.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bnexp import norms
from bnexp.models.dropout import Dropout, factors
from bnexp.models.mlp import Add
from bnexp.norms import batch as bn


class Phase(Enum):
    """What a forward pass is for."""

    TRAINING = "training"
    FROZEN = "frozen"
    """As in training, but no layer keeps anything of the mini-batch."""
    INFERENCE = "inference"


WIDE = 256
"""Inputs from which a layer's products go through oneDNN on the CPU. PyTorch sends float32 to MKL, which
keeps to AVX2 on AMD processors: 100 against 60 μs for 60x784 by 784x100; narrow layers gain nothing."""


ONE_DNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
"""The only door to oneDNN that does not copy the weights first; private, and absent from builds without oneDNN."""


class Layer:
    """One layer of N networks; this one does nothing to its input and has no parameters."""

    bottom = False
    """Nothing below has parameters, so nobody needs ∂l/∂x."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        first = modules[0]
        self.parameters = {name: _stacked(modules, name) for name, _ in first.named_parameters()}
        self.buffers = {name: _stacked(modules, name) for name, _ in first.named_buffers()}

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        """The output, and what `backward` needs beside ∂l/∂y."""
        return x, None

    def backward(self, dy: Tensor, cache: Any) -> tuple[Tensor, list[Tensor]]:
        """∂l/∂x, and the gradients of the parameters in their order."""
        return dy, []


class StackedFlatten(Layer):
    """Images `[N, B, C, H, W]` to `[N, B, I]`."""

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        return x.flatten(2), x.shape

    def backward(self, dy: Tensor, shape: torch.Size) -> tuple[Tensor, list[Tensor]]:
        return dy.view(shape), []


class StackedLinear(Layer):
    """x·Wᵀ + b: weight `[N, O, I]`, bias `[N, O]` or none."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        weight = self.parameters["weight"]
        wide = weight.shape[-1] >= WIDE and weight.device.type == "cpu" and weight.dtype == torch.float32
        self.one_dnn = ONE_DNN if wide else None
        self.gradient = torch.empty_like(weight)  # kept: fresh memory of this size costs a page fault per 4 kB

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        weight, bias = self.parameters["weight"], self.parameters.get("bias")
        z = self._product(x, weight, x.new_empty(*x.shape[:2], weight.shape[1]))
        return (z if bias is None else z.add_(bias.unsqueeze(1))), x

    def backward(self, dy: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        gradients = [self._product(dy.mT, x.mT, self.gradient)]
        if "bias" in self.parameters:
            gradients.append(dy.sum(1))
        return (dy if self.bottom else dy @ self.parameters["weight"]), gradients

    def _product(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        """a·bᵀ, `[N, n, k]` by `[N, m, k]`, written to `out` `[N, n, m]`."""
        linear = self.one_dnn
        if linear is None or torch.compiler.is_compiling():
            return torch.bmm(a, b.mT, out=out)
        if a.stride(0) == 0:  # images that all networks share: one product
            products = linear(a[0], b.reshape(-1, b.shape[-1]), None, "none", [], "")
            return out.copy_(products.view(-1, *b.shape[:2]).transpose(0, 1))
        for i, product in enumerate(out):
            product.copy_(linear(a[i], b[i], None, "none", [], ""))  # at once, while it is in the cache
        return out


class StackedSigmoid(Layer):
    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        y = torch.sigmoid(x)
        return y, y

    def backward(self, dy: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return torch.ops.aten.sigmoid_backward(dy, y), []


class StackedTanh(Layer):
    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        y = torch.tanh(x)
        return y, y

    def backward(self, dy: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return torch.ops.aten.tanh_backward(dy, y), []


class StackedReLU(Layer):
    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        y = torch.relu(x)
        return y, y

    def backward(self, dy: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return torch.ops.aten.threshold_backward(dy, y, 0), []


class StackedBatchNorm(Layer):
    """BN of `[N, B, F]`, the statistics over each network's own mini-batch; its tensors are `[N, F]`."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain: Any = modules[0]
        self.average: bn.Average | None = None
        self.batch = 0
        """Examples in each of the mini-batches that go to `average`."""

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        gamma, beta = (self.parameters[name].unsqueeze(1) for name in ("gamma", "beta"))
        mean, var = self.buffers["mean"].unsqueeze(1), self.buffers["var"].unsqueeze(1)
        own = self.plain.statistics == "batch"
        if phase is Phase.INFERENCE and not own:
            return bn.infer(x, gamma, beta, mean, var, self.plain.eps), None
        if self.average is not None:
            return self._estimate(x, self.average), None
        m = bn.examples(x, (1,))
        y, x_hat, slope, mu, biased = bn.normalise(x, gamma, beta, (1,), self.plain.eps)
        if self.plain.statistics == "moving" and phase is Phase.TRAINING:
            bn.follow(mean, var, mu, biased * (m / (m - 1)), self.plain.momentum)
        return y, (x_hat, slope)

    def _estimate(self, x: Tensor, average: bn.Average) -> Tensor:
        """Algorithm 2 on several mini-batches at once, each normalised by itself: `[N, batches · batch, F]`."""
        gamma, beta = (self.parameters[name][:, None, None] for name in ("gamma", "beta"))
        batches = x.view(len(x), -1, self.batch, x.shape[-1])  # [N, batches, batch, F]
        m = bn.examples(batches, (2,))
        y, _, _, mu, biased = bn.normalise(batches, gamma, beta, (2,), self.plain.eps)
        for i in range(batches.shape[1]):
            average.add(mu[:, i], biased[:, i] * (m / (m - 1)))
        return y.flatten(1, 2)

    def backward(self, dy: Tensor, cache: tuple[Tensor, Tensor]) -> tuple[Tensor, list[Tensor]]:
        dx, dgamma, dbeta = bn.back_propagate(dy, *cache, (1,))
        return dx, [dgamma.squeeze(1), dbeta.squeeze(1)]


class StackedBatchRenorm(Layer):
    """Batch renormalisation of `[N, B, F]`: BN with γ·r for γ and β + γ·d for β, r and d constants to the gradient."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain: Any = modules[0]
        self.steps = int(self.buffers["steps"][0])  # the same for all, and not to be waited for on a GPU

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        gamma, beta = (self.parameters[name].unsqueeze(1) for name in ("gamma", "beta"))
        mean, sigma = self.buffers["mean"].unsqueeze(1), self.buffers["sigma"].unsqueeze(1)
        if phase is Phase.INFERENCE:
            scale = gamma / sigma
            return torch.addcmul(beta - mean * scale, x, scale), None
        bn.examples(x, (1,))
        x_hat, scale, mu, _ = bn.standardise(x, (1,), self.plain.eps)
        r, d = self.plain.corrections(mu, 1 / scale, mean, sigma, self.steps)
        if phase is Phase.TRAINING:
            bn.follow(mean, sigma, mu, 1 / scale, self.plain.momentum)
            self.steps += 1
            self.buffers["steps"] += 1
        return torch.addcmul(beta + gamma * d, x_hat, gamma * r), (x_hat, gamma * r * scale, r, d)

    def backward(self, dy: Tensor, cache: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        x_hat, slope, r, d = cache
        dx, along, dbeta = bn.back_propagate(dy, x_hat, slope, (1,))
        return dx, [(along * r + dbeta * d).squeeze(1), dbeta.squeeze(1)]


class StackedGroupNorm(Layer):
    """Group and layer normalisation of `[N, B, F]`: PyTorch's kernel without γ and β, which are each network's own."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain: Any = modules[0]

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        n, b, f = x.shape
        x = x.contiguous()
        groups = self.plain.num_groups
        x_hat, mean, rstd = torch.native_group_norm(
            x.view(n * b, f, 1), None, None, n * b, f, 1, groups, self.plain.eps
        )
        gamma, beta = (self.parameters[name].unsqueeze(1) for name in ("weight", "bias"))
        x_hat = x_hat.view_as(x)
        return torch.addcmul(beta, x_hat, gamma), (x, x_hat, mean, rstd, gamma)

    def backward(self, dy: Tensor, cache: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        x, x_hat, mean, rstd, gamma = cache
        n, b, f = x.shape
        one = (n * b, f, 1)
        dx, _, _ = torch.ops.aten.native_group_norm_backward(
            (dy * gamma).view(one), x.view(one), mean, rstd, None, *one, self.plain.num_groups, [True, False, False]
        )
        return dx.view_as(x), [(dy * x_hat).sum(1), dy.sum(1)]


class StackedDropout(Layer):
    """Dropout of `[N, B, F]`, each network at its own probability and from its own stream."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain: Sequence[Any] = modules

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        if phase is Phase.INFERENCE:
            return x, None
        drawn = torch.stack([factors(m.p, x.shape[1:], m.generator) for m in self.plain]).to(x)
        return x * drawn, drawn

    def backward(self, dy: Tensor, drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        return dy * drawn, []


class StackedAdd(Layer):
    """A residual connection; the population fetches the input of `source` for it."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.source = str(modules[0].source)


class Mapped(Layer):
    """Any module, unchanged, mapped over the networks."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain = copy.deepcopy(modules[0])

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        training = phase is not Phase.INFERENCE
        self.plain.train(training)
        parameters = {name: p.detach().requires_grad_(training) for name, p in self.parameters.items()}
        buffers = self.buffers if phase is Phase.TRAINING else {k: v.clone() for k, v in self.buffers.items()}
        x = x.detach().requires_grad_(training)

        def one(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.plain, tensors, (x,))  # type: ignore[no-any-return]

        with torch.set_grad_enabled(training):
            y = vmap(one, randomness="different")(parameters | buffers, x)
        return y.detach(), (y, [x, *parameters.values()])

    def backward(self, dy: Tensor, cache: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        dx, *gradients = torch.autograd.grad(*cache, dy, materialize_grads=True)
        return dx, gradients


COUNTERPARTS: dict[type[nn.Module], type[Layer]] = {
    nn.Identity: Layer,
    nn.Flatten: StackedFlatten,
    nn.Linear: StackedLinear,
    nn.Sigmoid: StackedSigmoid,
    nn.Tanh: StackedTanh,
    nn.ReLU: StackedReLU,
    Dropout: StackedDropout,
    Add: StackedAdd,
    norms.BatchNorm: StackedBatchNorm,
    norms.BatchRenorm: StackedBatchRenorm,
    norms.GroupNorm: StackedGroupNorm,
    norms.LayerNorm: StackedGroupNorm,
}


def counterpart(modules: Sequence[nn.Module]) -> Layer:
    """The one layer that computes these for as many networks; they must be of equal `kind`."""
    return COUNTERPARTS.get(type(modules[0]), Mapped)(modules)


def kind(module: nn.Module) -> tuple[object, ...]:
    """What two modules must have in common to share a counterpart: all but the values of their tensors."""
    settings = "" if isinstance(module, Dropout) else repr(module)
    return type(module), settings, [(name, value.shape) for name, value in module.state_dict().items()]


def _stacked(modules: Sequence[nn.Module], name: str) -> Tensor:
    return torch.stack([module.state_dict()[name].detach() for module in modules])
