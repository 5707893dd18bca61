"""The counterparts of a network's layers, each computing one layer for many networks, forwards and backwards.

Written by hand: a step takes two thirds of autograd's time. A module without a counterpart (anybody's norm) is
mapped over the networks by `torch.func` and differentiated by autograd.
Shapes: N networks, B examples, I inputs and O outputs of a layer, F features.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bnexp import norms
from bnexp.engine.copies import attributes, copied, tensors_held
from bnexp.models.dropout import Dropout, factors
from bnexp.models.mlp import Add, SkipInit
from bnexp.norms import batch as bn
from bnexp.norms.naive import statistics
from bnexp.norms.noisy import draw, drifted, walked


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

    fixed = False
    """Statistics of the mini-batch are constants, those in the buffers, in training, too."""

    batch = 0
    """Examples in each of the mini-batches of Algorithm 2, several of which come as one."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        tensors = [_tensors(module) for module in modules]
        stacked = {name: torch.stack([one[name].detach() for one in tensors]) for name in tensors[0]}
        parameters = dict(modules[0].named_parameters())
        self.learnt = {name for name, p in parameters.items() if p.requires_grad}
        """The parameters that take steps."""
        self.parameters = {name: t for name, t in stacked.items() if name in parameters}
        self.buffers = {name: t for name, t in stacked.items() if name not in parameters}

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        """The output, and what `backward` needs beside ∂l/∂y."""
        return x, None

    def backward(self, dy: Tensor, cache: Any) -> tuple[Tensor, list[Tensor]]:
        """∂l/∂x, and the gradients of the parameters in their order."""
        return dy, []

    def begin_estimate(self) -> bool:
        """Get ready for Algorithm 2, whose mini-batches come next, in the phase `FROZEN`; False if there is no need."""
        return False

    def end_estimate(self) -> None:
        """Write the statistics into the buffers."""


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

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        gamma, beta = (self.parameters[name].unsqueeze(1) for name in ("gamma", "beta"))
        mean, var = self.buffers["mean"].unsqueeze(1), self.buffers["var"].unsqueeze(1)
        batch_statistics = self.plain.statistics == "batch"
        if self.fixed or (phase is Phase.INFERENCE and not batch_statistics):
            return bn.infer(x, gamma, beta, mean, var, self.plain.eps), x if self.fixed else None
        follows = self.plain.statistics == "moving" and phase is Phase.TRAINING
        if self.average is not None:
            return self._in_parts(x, self.plain.ghost or self.batch, self.average.add)[0], None
        if self.plain.ghost is not None:
            running = self.buffers["mean"], self.buffers["var"]
            take = functools.partial(bn.follow, *running, momentum=self.plain.momentum) if follows else None
            return self._in_parts(x, self.plain.ghost, take)
        m = bn.examples(x, (1,))
        y, x_hat, slope, mu, biased = bn.normalise(x, gamma, beta, (1,), self.plain.eps)
        if follows:
            bn.follow(mean, var, mu, biased * (m / (m - 1)), self.plain.momentum)
        return y, (x_hat, slope)

    def _in_parts(self, x: Tensor, size: int, take: Callable[[Tensor, Tensor], None] | None) -> tuple[Tensor, Any]:
        """Each part of `size` examples normalised by itself; `take` is given their means and unbiased variances."""
        gamma, beta = (self.parameters[name][:, None, None] for name in ("gamma", "beta"))
        parts = bn.ghost_batches(x, 1, size)  # [N, parts, size, F]
        m = bn.examples(parts, (2,))
        y, x_hat, slope, mu, biased = bn.normalise(parts, gamma, beta, (2,), self.plain.eps)
        if take is not None:
            for i in range(parts.shape[1]):
                take(mu[:, i], biased[:, i] * (m / (m - 1)))
        return y.flatten(1, 2), (x_hat, slope)

    def backward(self, dy: Tensor, cache: Any) -> tuple[Tensor, list[Tensor]]:
        if self.fixed:
            scale = torch.rsqrt(self.buffers["var"] + self.plain.eps).unsqueeze(1)
            x_hat = (cache - self.buffers["mean"].unsqueeze(1)) * scale
            return dy * scale * self.parameters["gamma"].unsqueeze(1), [(dy * x_hat).sum(1), dy.sum(1)]
        x_hat, slope = cache
        if self.plain.ghost is not None:
            dx, dgamma, dbeta = bn.back_propagate(bn.ghost_batches(dy, 1, self.plain.ghost), x_hat, slope, (2,))
            return dx.flatten(1, 2), [dgamma.sum((1, 2)), dbeta.sum((1, 2))]
        dx, dgamma, dbeta = bn.back_propagate(dy, x_hat, slope, (1,))
        return dx, [dgamma.squeeze(1), dbeta.squeeze(1)]

    def begin_estimate(self) -> bool:
        self.average = bn.Average() if self.plain.statistics == "population" and not self.fixed else None
        return self.average is not None

    def end_estimate(self) -> None:
        assert self.average is not None
        self.average.store(self.buffers["mean"], self.buffers["var"])
        self.average = None


class StackedNoisyBatchNorm(StackedBatchNorm):
    """BN of `[N, B, F]` followed by noise, each network's from its own stream."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.generators: Sequence[Any] = [module.generator for module in modules]

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        y, cache = super().forward(x, phase)
        learning = phase is not Phase.INFERENCE and self.average is None
        if self.plain.drift is not None:
            scale, shift = drifted(self._walked(phase) if learning else self.buffers["walk"])
            scale, shift = scale.unsqueeze(1), shift.unsqueeze(1)
            return torch.addcmul(shift, y, scale), (cache, scale)
        if not learning:
            return y, cache
        drawn = [draw(x.shape[1:], generator) for generator in self.generators]
        scale, shift = (torch.stack(each).to(y) for each in zip(*drawn, strict=True))
        return torch.addcmul(shift, y, scale), (cache, scale)

    def backward(self, dy: Tensor, cache: Any) -> tuple[Tensor, list[Tensor]]:
        inner, scale = cache
        return super().backward(dy * scale, inner)

    def _walked(self, phase: Phase) -> Tensor:
        """The walks a step later, `[N, 2, F]`."""
        walks = zip(self.buffers["walk"], self.generators, strict=True)
        later = torch.stack([walked(walk, self.plain.drift, generator) for walk, generator in walks])
        if phase is Phase.TRAINING:
            self.buffers["walk"].copy_(later)
        return later


class StackedNaiveNorm(StackedBatchNorm):
    """Normalisation of `[N, B, F]` outside the gradient step: what it subtracts and divides by is constant to it."""

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        mean, var = self.buffers["mean"].unsqueeze(1), self.buffers["var"].unsqueeze(1)
        if self.average is not None:
            return self._estimate(x, self.average), None
        if phase is Phase.INFERENCE or self.plain.outside == "averages":
            scale: Tensor = self.plain.scale(var)
            y = (x - mean) * scale
            if phase is Phase.TRAINING:
                newest, _, unbiased = statistics(x, (1,))
                bn.follow(mean, var, newest, unbiased, self.plain.momentum)
            return y, scale
        newest, biased, _ = statistics(x, (1,))
        scale = self.plain.scale(biased)
        return (x - newest) * scale, scale

    def _estimate(self, x: Tensor, average: bn.Average) -> Tensor:
        batches = x.view(len(x), -1, self.batch, x.shape[-1])  # [N, batches, batch, F]
        mean, biased, unbiased = statistics(batches, (2,))
        for i in range(batches.shape[1]):
            average.add(mean[:, i], unbiased[:, i])
        y: Tensor = (batches - mean) * self.plain.scale(biased)
        return y.flatten(1, 2)

    def backward(self, dy: Tensor, scale: Tensor) -> tuple[Tensor, list[Tensor]]:
        return dy * scale, []


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


class StackedSkipInit(Layer):
    """A learnt factor on what is `[N, B, F]`, each network's own `[N, 1]`."""

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        return x * self.parameters["alpha"].unsqueeze(1), x

    def backward(self, dy: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return dy * self.parameters["alpha"].unsqueeze(1), [(dy * x).sum((1, 2)).unsqueeze(1)]


class Mapped(Layer):
    """Any module, unchanged: mapped over the networks by `vmap`, or where that fails called for one after the other.

    What it keeps in Python attributes is kept in training alone: all else is done with copies.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__(modules)
        self.buffers |= {name: t for name, t in self.parameters.items() if name not in self.learnt}
        self.parameters = {name: t for name, t in self.parameters.items() if name in self.learnt}
        self.plain = [copied(module) for module in modules]
        """Of each network, for its Python attributes; when it is mapped the first stands for all."""
        self.mapped = len(modules) > 1 and not tensors_held(modules[0])
        self.estimating: list[tuple[nn.Module, dict[str, norms.BatchNorm]]] = []
        """During Algorithm 2, for each network a copy, and the BN in it by name."""

    def forward(self, x: Tensor, phase: Phase) -> tuple[Tensor, Any]:
        training = phase is Phase.TRAINING
        parameters = {name: p.detach().requires_grad_(training) for name, p in self.parameters.items()}
        x = x.detach().requires_grad_(training)
        with torch.set_grad_enabled(training):
            if self.estimating:
                return self._estimate(parameters, x), None
            y, buffers = self._computed(parameters, x, phase)
        if training:
            for name, buffer in buffers.items():
                self.buffers[name].copy_(buffer.detach())
        return y.detach(), (y, [x, *parameters.values()])

    def backward(self, dy: Tensor, cache: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        dx, *gradients = torch.autograd.grad(*cache, dy, materialize_grads=True)
        return dx, gradients

    def begin_estimate(self) -> bool:
        copies = [copied(self.plain[0 if self.mapped else i]) for i in range(len(self.plain))]
        estimating = [(module, norms.estimating(module)) for module in copies]
        self.estimating = estimating if estimating[0][1] else []
        return bool(self.estimating)

    def end_estimate(self) -> None:
        for i, (_, estimated) in enumerate(self.estimating):
            for name, norm in estimated.items():
                assert norm.average is not None
                mean, var = (f"{name}.{value}".lstrip(".") for value in ("mean", "var"))
                norm.average.store(self.buffers[mean][i], self.buffers[var][i])
        self.estimating = []

    def _estimate(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        modules = [module for module, _ in self.estimating]
        return torch.cat(
            [self._one_by_one(modules, parameters, batch)[0] for batch in torch.split(x, self.batch, 1)], 1
        )

    def _computed(self, parameters: dict[str, Tensor], x: Tensor, phase: Phase) -> tuple[Tensor, dict[str, Tensor]]:
        """The output and the buffers after it; the first time that `vmap` cannot have them, with a warning."""
        reason = None
        if self.mapped:
            (module,) = self._modules(self.plain[:1], phase)
            parts = [(part, _kept(vars(part))) for part in module.modules()]
            try:
                buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
                computed = vmap(functools.partial(_call, module), randomness="different")(parameters, buffers, x)
                if not tensors_held(module):
                    return computed
                reason = "it keeps tensors in Python attributes"
            except Exception as error:  # of any kind: called for one network, the module either works or says why
                reason = str(error).partition("\n")[0].partition(". ")[0]
            for part, attributes in parts:
                vars(part).clear()
                vars(part).update(attributes)
            self.plain[1:] = [copied(self.plain[0]) for _ in self.plain[1:]]
            self.mapped = False
        outputs = self._one_by_one(self._modules(self.plain, phase), parameters, x)
        if reason is not None:
            name = type(self.plain[0]).__name__
            warnings.warn(f"{name} is computed for one network at a time, which takes longer: {reason}", stacklevel=2)
        return outputs

    @staticmethod
    def _modules(modules: Sequence[nn.Module], phase: Phase) -> list[nn.Module]:
        """These modules in training, else copies of them."""
        chosen = [module if phase is Phase.TRAINING else copied(module) for module in modules]
        return [module.train(phase is not Phase.INFERENCE) for module in chosen]

    def _one_by_one(
        self, modules: Sequence[nn.Module], parameters: dict[str, Tensor], x: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        outputs, buffers = [], []
        for i, module in enumerate(modules):
            before = {name: buffer[i].clone() for name, buffer in self.buffers.items()}
            y, after = _call(module, {name: p[i] for name, p in parameters.items()}, before, x[i])
            outputs.append(y)
            buffers.append(after)
        return torch.stack(outputs), {name: torch.stack([one[name] for one in buffers]) for name in self.buffers}


def _kept(value: Any) -> Any:
    """Lists, dicts and sets as they are now, however they are changed; what is in them is the same."""
    if type(value) is dict:
        return {key: _kept(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_kept(inner) for inner in value]
    return set(value) if type(value) is set else value


def _call(
    module: nn.Module, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output of a module with these tensors in it, and its buffers afterwards; `x` stays as it is."""
    tensors = parameters | buffers
    y = functional_call(module, tensors, (x.clone(),))
    return y, {name: tensors[name] for name in buffers}


COUNTERPARTS: dict[type[nn.Module], type[Layer]] = {
    nn.Identity: Layer,
    nn.Flatten: StackedFlatten,
    nn.Linear: StackedLinear,
    nn.Sigmoid: StackedSigmoid,
    nn.Tanh: StackedTanh,
    nn.ReLU: StackedReLU,
    Dropout: StackedDropout,
    Add: StackedAdd,
    SkipInit: StackedSkipInit,
    norms.BatchNorm: StackedBatchNorm,
    norms.NoisyBatchNorm: StackedNoisyBatchNorm,
    norms.NaiveNorm: StackedNaiveNorm,
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
    shapes = [(name, tensor.shape, tensor.requires_grad) for name, tensor in _tensors(module).items()]
    if type(module) in COUNTERPARTS:
        return type(module), settings, shapes
    values = [[(k, v) for k, v in attributes(part).items() if _is_plain(v)] for part in module.modules()]
    return type(module), settings, shapes, values


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(part) for part in value)
    return value is None or isinstance(value, (str, int, float))


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())
