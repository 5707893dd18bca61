"""Many networks of one shape trained as one: their tensors stacked, the backward pass written by hand.

The networks stay what they are, plain `nn.Sequential`s. Each of their layers has a counterpart here that
computes it for all of them; one without a counterpart (anybody's norm) is mapped over the networks by
`torch.func` and differentiated by autograd. Written by hand, a step takes two thirds of autograd's time.
Shapes: N networks, B examples, I inputs and O outputs of a layer, F features.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bnexp.norms import batch as bn

WIDE = 256
"""Inputs from which a layer's products go through oneDNN on the CPU. PyTorch sends float32 to MKL, which
keeps to AVX2 on AMD processors: 100 against 60 μs for 60x784 by 784x100; narrow layers gain nothing."""

Watch = Callable[[str, Tensor], None]


class Layer:
    """One layer of N networks; this one does nothing to its input and has no parameters."""

    bottom = False
    """Nothing below has parameters, so nobody needs ∂l/∂x."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        first = modules[0]
        self.parameters = {name: _stacked(modules, name) for name, _ in first.named_parameters()}
        self.buffers = {name: _stacked(modules, name) for name, _ in first.named_buffers()}

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        """The output, and what `backward` needs beside ∂l/∂y."""
        return x, None

    def backward(self, dy: Tensor, cache: Any) -> tuple[Tensor, list[Tensor]]:
        """∂l/∂x, and the gradients of the parameters in their order."""
        return dy, []


class Flatten(Layer):
    """Images `[N, B, C, H, W]` to `[N, B, I]`."""

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        return x.flatten(2), None


class Linear(Layer):
    """x·Wᵀ + b: weight `[N, O, I]`, bias `[N, O]` or none."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        weight = self.parameters["weight"]
        self.one_dnn = weight.shape[-1] >= WIDE and weight.device.type == "cpu" and weight.dtype == torch.float32
        self.gradient = torch.empty_like(weight)  # kept: fresh memory of this size costs a page fault per 4 kB

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
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
        if not self.one_dnn or torch.compiler.is_compiling():
            return torch.bmm(a, b.mT, out=out)
        linear = torch.ops.mkldnn._linear_pointwise  # the only door to oneDNN that does not copy the weights first
        for i, product in enumerate(out):
            product.copy_(linear(a[i], b[i], None, "none", [], ""))  # at once, while it is in the cache
        return out


class Sigmoid(Layer):
    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        y = torch.sigmoid(x)
        return y, y

    def backward(self, dy: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return torch.ops.aten.sigmoid_backward(dy, y), []


class Tanh(Layer):
    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        y = torch.tanh(x)
        return y, y

    def backward(self, dy: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return torch.ops.aten.tanh_backward(dy, y), []


class ReLU(Layer):
    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        y = torch.relu(x)
        return y, y

    def backward(self, dy: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return torch.ops.aten.threshold_backward(dy, y, 0), []


class BatchNorm(Layer):
    """BN of `[N, B, F]`, the statistics over each network's own mini-batch; its tensors are `[N, F]`."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain: Any = modules[0]
        self.average: bn.Average | None = None

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        gamma, beta = (self.parameters[name].unsqueeze(1) for name in ("gamma", "beta"))
        mean, var = self.buffers["mean"].unsqueeze(1), self.buffers["var"].unsqueeze(1)
        if not training:
            return bn.infer(x, gamma, beta, mean, var, self.plain.eps), None
        m = bn.examples(x, (1,))
        y, x_hat, slope, mu, biased = bn.normalise(x, gamma, beta, (1,), self.plain.eps)
        if self.average is not None:
            self.average.add(mu, biased * (m / (m - 1)))
        elif self.plain.statistics == "moving":
            bn.follow(mean, var, mu, biased * (m / (m - 1)), self.plain.momentum)
        return y, (x_hat, slope)

    def backward(self, dy: Tensor, cache: tuple[Tensor, Tensor]) -> tuple[Tensor, list[Tensor]]:
        dx, dgamma, dbeta = bn.back_propagate(dy, *cache, (1,))
        return dx, [dgamma.squeeze(1), dbeta.squeeze(1)]


class Mapped(Layer):
    """Any module, unchanged, mapped over the networks."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.plain = copy.deepcopy(modules[0])

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
        self.plain.train(training)
        parameters = {name: p.detach().requires_grad_(training) for name, p in self.parameters.items()}
        x = x.detach().requires_grad_(training)

        def one(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.plain, tensors, (x,))  # type: ignore[no-any-return]

        with torch.set_grad_enabled(training):
            y = vmap(one, randomness="different")(parameters | self.buffers, x)
        return y.detach(), (y, [x, *parameters.values()])

    def backward(self, dy: Tensor, cache: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        dx, *gradients = torch.autograd.grad(*cache, dy, materialize_grads=True)
        return dx, gradients


COUNTERPARTS: dict[type[nn.Module], type[Layer]] = {
    nn.Identity: Layer,
    nn.Flatten: Flatten,
    nn.Linear: Linear,
    nn.Sigmoid: Sigmoid,
    nn.Tanh: Tanh,
    nn.ReLU: ReLU,
    bn.BatchNorm: BatchNorm,
}


class Population:
    """N networks, equal but for the values of their tensors, on `device`.

    Takes copies: the networks given stay as they are until `write_back`.
    """

    def __init__(self, networks: Sequence[nn.Sequential], device: torch.device | str = "cpu") -> None:
        self.size = len(networks)
        self.layers: dict[str, Layer] = {}
        bottom = True
        for name, first in networks[0].named_children():
            modules = [network.get_submodule(name) for network in networks]
            layer = COUNTERPARTS.get(type(first), Mapped)([module.to(device) for module in modules])
            layer.bottom = bottom
            bottom = bottom and not layer.parameters
            self.layers[name] = layer

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers under their names in the networks' state, each `[N, ...]`."""
        return {
            f"{name}.{own}": value
            for name, layer in self.layers.items()
            for own, value in (layer.parameters | layer.buffers).items()
        }

    @torch.no_grad()
    def write_back(self, networks: Sequence[nn.Sequential]) -> None:
        """Copy the tensors into plain networks."""
        for name, stacked in self.tensors().items():
            for network, value in zip(networks, stacked, strict=True):
                network.state_dict()[name].copy_(value)

    @torch.no_grad()
    def infer(self, x: Tensor, watch: Watch | None = None) -> Tensor:
        """Logits `[N, B, classes]` at inference of images `[N, B, C, H, W]`, or `[B, C, H, W]` shared by all.

        `watch` is shown the input of each layer, with the layer's name.
        """
        if x.dim() == 4:
            x = x.expand(self.size, *x.shape)
        for name, layer in self.layers.items():
            if watch is not None:
                watch(name, x)
            x, _ = layer.forward(x, training=False)
        return x

    @torch.no_grad()
    def back_propagate(self, x: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """Mean cross-entropy of each network on its mini-batch, `[N]`, and each layer's gradients `[N, ...]`.

        Shapes: x `[N, B, C, H, W]`, labels `[N, B]`. The gradients are good until the next call.
        """
        caches = []
        for layer in self.layers.values():
            x, cache = layer.forward(x, training=True)
            caches.append(cache)
        log_p = torch.log_softmax(x, -1)
        loss = -log_p.gather(-1, labels.unsqueeze(-1)).mean((1, 2))
        ones = x.new_ones(()).expand(*labels.shape, 1)
        dy = log_p.exp_().scatter_add_(-1, labels.unsqueeze(-1), -ones).div_(labels.shape[1])
        gradients = {}
        for name, layer in reversed(self.layers.items()):
            dy, gradients[name] = layer.backward(dy, caches.pop())
            if layer.bottom and layer.parameters:
                break
        return loss, gradients

    @torch.no_grad()
    def descend(self, gradients: dict[str, list[Tensor]], lr: Tensor) -> None:
        """One step of plain SGD, each network at its own learning rate; lr `[N]`."""
        for name, own in gradients.items():
            for p, g in zip(self.layers[name].parameters.values(), own, strict=True):
                p.addcmul_(g, lr.view(-1, *(1,) * (p.dim() - 1)), value=-1)

    @torch.no_grad()
    def estimate_statistics(self, batches: Iterable[Tensor]) -> None:
        """Algorithm 2 for every network at once, on mini-batches of images `[N, B, C, H, W]`."""
        layers = list(self.layers.values())
        norms = [n for n in layers if isinstance(n, BatchNorm) and n.plain.statistics == "population"]
        for norm in norms:
            norm.average = bn.Average()
        for x in batches if norms else ():
            for layer in layers[: layers.index(norms[-1]) + 1]:
                x, _ = layer.forward(x, training=True)
        for norm in norms:
            assert norm.average is not None
            norm.average.store(norm.buffers["mean"], norm.buffers["var"])
            norm.average = None


def _stacked(modules: Sequence[nn.Module], name: str) -> Tensor:
    return torch.stack([module.state_dict()[name].detach() for module in modules])
