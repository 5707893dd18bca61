"""A network at a step of its training, and what can be asked of it without disturbing it."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from bnexp import norms
from bnexp.engine.copies import put, tensors_of
from bnexp.models import AFFINE, of_norm
from bnexp.seeds import stream

Tensors = Mapping[str, Tensor]
"""Parameters and buffers by name."""


class Probe(ABC):
    """Measures something of one network, again and again while it is trained."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        """What it remembers from one measurement to the next, as plain data."""

    @abstractmethod
    def measure(self, moment: Moment) -> dict[str, float]:
        """By name, at every step the same names; NaN for what cannot be measured at this one."""


@dataclass(frozen=True)
class Moment:
    """A network between two steps."""

    step: int
    seed: int
    """Of the run."""
    network: nn.Module
    """A copy, in which the tensors are put."""
    before: Tensors
    after: Tensors | None
    """After the step to come; None where there is none."""
    x: Tensor
    """The mini-batch of that step, `[B, C, H, W]`."""
    labels: Tensor
    reference: Tensor
    """Images as in tests, at every step the same, `[E, C, H, W]`."""
    targets: Tensor
    """Their labels, `[E]`."""
    many: Tensor
    """More test images, for what 480 tell too roughly, `[M, C, H, W]`."""
    many_targets: Tensor
    """Their labels, `[M]`."""
    batch: int
    """Examples over which training normalises."""
    layers: Mapping[str, str]
    """The watched nonlinearities by what they are called, from the first on."""
    weights: Mapping[str, str]
    """For each of them the weights in front of it."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Those that are learnt, before the step."""
        return {name: self.before[name] for name, p in self.network.named_parameters() if p.requires_grad}

    @functools.cached_property
    def at_rest(self) -> dict[str, Tensor]:
        """The inputs of the watched nonlinearities over the reference images, at inference."""
        return self.inputs(self.reference, self.before, training=False)

    @functools.cached_property
    def start(self) -> tuple[float, dict[str, Tensor]]:
        """The loss on the mini-batch before the step, and its gradient by all parameters, learnt or not."""
        return self.gradient(self.before, [name for name, _ in self.network.named_parameters()])

    def logits(self, x: Tensor, tensors: Tensors, training: bool = True) -> Tensor:
        """The network's output with these tensors in it; equal calls at a step draw the same dropout and noise."""
        self.network.train(training)
        for name, module in self.network.named_modules():
            if isinstance(generator := getattr(module, "generator", None), torch.Generator):
                generator.manual_seed(stream(self.seed, "probes", name, str(self.step)).initial_seed())
        kept = {name: tensor if tensor.requires_grad else tensor.clone() for name, tensor in tensors.items()}
        with torch.random.fork_rng():
            torch.manual_seed(stream(self.seed, "probes", str(self.step)).initial_seed())
            output: Tensor = functional_call(self.network, kept, (x,))
        return output

    def loss(self, tensors: Tensors) -> Tensor:
        """Mean cross-entropy on the mini-batch, as in training."""
        return functional.cross_entropy(self.logits(self.x, tensors), self.labels)

    def gradient(self, tensors: Tensors, wanted: Iterable[str]) -> tuple[float, dict[str, Tensor]]:
        """The loss, and its gradient by these parameters."""
        leaves = {name: tensors[name].detach().requires_grad_() for name in wanted}
        with torch.enable_grad():
            loss = self.loss({**tensors, **leaves})
            gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        return float(loss.detach()), dict(zip(leaves, gradients, strict=True))

    def inputs(self, x: Tensor, tensors: Tensors, training: bool) -> dict[str, Tensor]:
        """The inputs of the watched nonlinearities, `[E, units]`; of feature maps those in the middle."""
        return {label: middle(u).detach() for label, u in self.whole_inputs(x, tensors, training).items()}

    @torch.no_grad()
    def around(self, x: Tensor, tensors: Tensors) -> tuple[dict[str, Tensor], ...]:
        """By watched nonlinearity, at inference: its inputs, those of the affine map in front of it, and its outputs.

        `[E, units]` each, of feature maps those in the middle.
        """
        entering: dict[str, Tensor] = {}
        fed: dict[str, Tensor] = {}
        front: dict[str, Tensor] = {}
        with self._watching(entering), ExitStack() as hooks:
            for label, weight in self.weights.items():
                layer = self.network.get_submodule(weight.rpartition(".")[0])
                hooks.enter_context(layer.register_forward_pre_hook(functools.partial(_keep, fed, label)))
                hooks.enter_context(layer.register_forward_hook(functools.partial(_keep_output, front, label)))
            self.logits(x, tensors, training=False)
        return tuple({label: middle(u) for label, u in seen.items()} for seen in (entering, fed, front))

    @torch.no_grad()
    def adapted(self, images: Tensor) -> dict[str, Tensor]:
        """The network's tensors before the step, with the population statistics of these images (Algorithm 2)."""
        put(self.before, self.network)
        norms.estimate_population(self.network, self.batches(images))
        own = tensors_of(self.network)
        return {name: own[name].clone() for name in self.before}

    def whole_inputs(self, x: Tensor, tensors: Tensors, training: bool) -> dict[str, Tensor]:
        """The same with all of the feature maps, and the graph behind them."""
        seen: dict[str, Tensor] = {}
        with self._watching(seen):
            self.logits(x, tensors, training)
        return seen

    def batches(self, images: Tensor | None = None) -> Iterator[Tensor]:
        """The reference images, or others, in whole mini-batches as large as those over which training normalises."""
        images = self.reference if images is None else images
        size = min(self.batch, len(images))
        whole = len(images) // size * size
        return iter(torch.split(images[:whole], size))

    @contextmanager
    def _watching(self, seen: dict[str, Tensor]) -> Iterator[None]:
        with ExitStack() as hooks:
            for label, name in self.layers.items():
                layer = self.network.get_submodule(name)
                hooks.enter_context(layer.register_forward_pre_hook(functools.partial(_keep, seen, label)))
            yield


def _keep(seen: dict[str, Tensor], label: str, layer: nn.Module, inputs: Sequence[Tensor]) -> None:
    seen[label] = inputs[0]


def _keep_output(
    seen: dict[str, Tensor], label: str, layer: nn.Module, inputs: Sequence[Tensor], output: Tensor
) -> None:
    seen[label] = output


def middle(x: Tensor) -> Tensor:
    """Units in the middle of each feature map, `[B, maps]`, or of a sequence, `[B, units]`."""
    if x.dim() == 4:
        return x[:, :, x.shape[2] // 2, x.shape[3] // 2]
    return x[:, x.shape[1] // 2] if x.dim() == 3 else x


def weights_in_front(network: nn.Module, layers: Mapping[str, str]) -> dict[str, str]:
    """By watched layer: the name of the weights of the affine map that is defined last before it, outside norms."""
    weights: dict[str, str] = {}
    labels = {name: label for label, name in layers.items()}
    latest = None
    for name, layer in network.named_modules():
        if isinstance(layer, AFFINE) and not of_norm(layer):
            latest = f"{name}.weight"
        if name in labels and latest is not None:
            weights[labels[name]] = latest
    return weights
