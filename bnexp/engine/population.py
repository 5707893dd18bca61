"""Many networks trained as one: their tensors stacked, the layers of all computed together.

The networks stay what they are, plain `nn.Sequential`s. Where their layers differ in kind (one has BN, another
none; sigmoid, ReLU), those of one kind are computed together and the outputs joined.
Shapes: N networks, B examples, I inputs of a layer.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bnexp.config import OptimizerConfig
from bnexp.engine import optimizers
from bnexp.engine.network import Gradients, Watch
from bnexp.engine.stacked import Layer, Mapped, Phase, StackedAdd, StackedLinear, counterpart, kind
from bnexp.models import in_front_of_norms


@dataclass
class Leaf:
    """A layer of some networks that follow each other."""

    key: str
    """The layer's name; with the networks, `norm1[0:4]`, where not all have it in this kind."""
    position: str
    rows: slice
    layer: Layer


class Population:
    """N networks on `device`, equal but for the values of their tensors and the kinds of some layers.

    Networks of a kind should follow each other. A layer that a network lacks does nothing to it. The networks given
    stay as they are: it takes copies.
    """

    chunk = 500
    """Test images at a time: the activations of a few networks stay in the cache."""

    training_images = 2000
    """Of its own training examples, those on which a network's training accuracy is measured, at most."""

    together = 10
    """Mini-batches of Algorithm 2 that it is given at once: products of few rows are slow."""

    compiled = "back_propagate"
    """The method that `compile=true` compiles."""

    lost = False
    """As in `Single`; of many networks hardly ever all are."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        device: torch.device | str = "cpu",
        optimizer: OptimizerConfig | None = None,
        rates: Sequence[float] | None = None,
        decayed: str = "all",
    ) -> None:
        """`rates` are factors on each network's learning rate of the weights in front of its norms; `decayed` by L2."""
        self.size = len(networks)
        self.device = torch.device(device)
        fronts = [in_front_of_norms(network) for network in networks]
        self.optimizer = optimizers.build(optimizer or OptimizerConfig())
        self.positions: dict[str, list[Leaf]] = {}
        self.nonlinearities: dict[str, list[type[nn.Module]]] = {}
        """By watched layer, that of each network."""
        bottom = True
        for name in _merged([[name for name, _ in network.named_children()] for network in networks]):
            modules = [getattr(network, name, None) or nn.Identity() for network in networks]
            leaves = []
            for _, same in itertools.groupby(enumerate(modules), lambda item: kind(item[1])):
                numbers, layers = zip(*same, strict=True)
                rows = slice(numbers[0], numbers[-1] + 1)
                key = name if len(layers) == self.size else f"{name}[{rows.start}:{rows.stop}]"
                leaves.append(Leaf(key, name, rows, counterpart([module.to(device) for module in layers])))
                leaves[-1].layer.bottom = bottom
            bottom = bottom and not any(leaf.layer.parameters for leaf in leaves)
            self.positions[name] = leaves
            if name.startswith("hidden"):
                self.nonlinearities[name] = [type(module) for module in modules]
        given = rates or [1.0] * self.size
        self.rates = {
            name: torch.tensor([r if name in front else 1.0 for r, front in zip(given, fronts, strict=True)]).to(device)
            for name in (set().union(*fronts) if set(given) != {1.0} else ())
        }
        """By affine map, where one of them is not 1: `[N]`."""
        self.leaves = {leaf.key: leaf for leaves in self.positions.values() for leaf in leaves}
        linear = [
            name
            for name, leaves in self.positions.items()
            if any(isinstance(leaf.layer, StackedLinear) for leaf in leaves)
        ]
        self.decayed = set(linear if decayed == "all" else linear[:-1])
        """The affine maps whose weights L2 decays."""
        self.draws = any(isinstance(leaf.layer, Mapped) for leaf in self.leaves.values())
        """Some modules may draw from PyTorch's generator."""
        self.sources = {leaf.layer.source for leaf in self.leaves.values() if isinstance(leaf.layer, StackedAdd)}

    @property
    def watched(self) -> list[str]:
        """The layers that probes look at: the nonlinearities, from the first on."""
        return list(self.nonlinearities)

    @property
    def layers(self) -> dict[str, str]:
        """They are called by their names."""
        return {name: name for name in self.nonlinearities}

    def tensors(self, network: int) -> dict[str, Tensor]:
        """One network's parameters and buffers, under their names in its state."""
        return {
            f"{leaf.position}.{name}": stacked[network - leaf.rows.start]
            for leaf in self.leaves.values()
            if leaf.rows.start <= network < leaf.rows.stop
            for name, stacked in (leaf.layer.parameters | leaf.layer.buffers).items()
        }

    @torch.no_grad()
    def infer(self, x: Tensor, watch: Watch | None = None) -> Tensor:
        """Logits `[N, B, classes]` at inference of images `[N, B, C, H, W]`, or `[B, C, H, W]` shared by all.

        `watch` is shown the input of each layer, with the layer's name.
        """
        if x.dim() == 4:
            x = x.expand(self.size, *x.shape)
        with self._untouched():
            return self._forward(x, lambda leaf: Phase.INFERENCE, watch)

    @torch.no_grad()
    def look(self, x: Tensor, watch: Watch) -> None:
        """As `infer`, but as in training, each mini-batch normalised by its own statistics; nothing is kept of it."""
        with self._untouched():
            self._forward(x, lambda leaf: Phase.FROZEN, watch)

    def _forward(
        self, x: Tensor, phase: Callable[[Leaf], Phase], watch: Watch | None = None, caches: list[Any] | None = None
    ) -> Tensor:
        inputs: dict[str, Tensor] = {}
        for name, leaves in self.positions.items():
            if watch is not None:
                watch(name, x)
            if name in self.sources:
                inputs[name] = x
            outputs = []
            for leaf in leaves:
                x_leaf = x if len(leaves) == 1 else x[leaf.rows]
                y, cache = leaf.layer.forward(x_leaf, phase(leaf))
                if isinstance(leaf.layer, StackedAdd):
                    y = y + inputs[leaf.layer.source][leaf.rows]
                outputs.append(y)
                if caches is not None:
                    caches.append(cache)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return x

    @torch.no_grad()
    def back_propagate(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Gradients]:
        """Mean cross-entropy of each network on its mini-batch, `[N]`, and the gradients `[N, ...]`.

        Shapes: x `[N, B, C, H, W]`, labels `[N, B]`. The gradients are good until the next call.
        """
        caches: list[Any] = []
        x = self._forward(x, lambda leaf: Phase.TRAINING, caches=caches)
        log_p = torch.log_softmax(x, -1)
        loss = -log_p.gather(-1, labels.unsqueeze(-1)).mean((1, 2))
        ones = x.new_ones(()).expand(*labels.shape, 1)
        dy = log_p.exp_().scatter_add_(-1, labels.unsqueeze(-1), -ones).div_(labels.shape[1])
        gradients: Gradients = {}
        around: dict[str, list[tuple[slice, Tensor]]] = {}  # what reaches a layer's input past the layer
        for name, leaves in reversed(self.positions.items()):
            down = []
            for leaf in reversed(leaves):
                dy_leaf = dy if len(leaves) == 1 else dy[leaf.rows]
                if isinstance(leaf.layer, StackedAdd):
                    around.setdefault(leaf.layer.source, []).append((leaf.rows, dy_leaf))
                dx, gradients[leaf.key] = leaf.layer.backward(dy_leaf, caches.pop())
                down.append(dx)
            if leaves[0].layer.bottom:
                break
            dy = down[0] if len(down) == 1 else torch.cat(down[::-1])
            for rows, past in around.pop(name, ()):
                dy[rows] += past
        return loss, gradients

    @torch.no_grad()
    def descend(self, gradients: Gradients, lr: Tensor, l2: Tensor | None = None) -> None:
        """One step of the optimizer, each network at its own learning rate and L2 weight; lr and l2 `[N]`."""
        for key, leaf_gradients in gradients.items():
            leaf = self.leaves[key]
            for (name, p), g in zip(leaf.layer.parameters.items(), leaf_gradients, strict=True):
                if name not in leaf.layer.learnt:
                    continue
                shape = -1, *(1,) * (p.dim() - 1)
                if l2 is not None and name == "weight" and leaf.position in self.decayed:
                    g.addcmul_(p, l2[leaf.rows].view(shape))
                rate = lr * self.rates[leaf.position] if name == "weight" and leaf.position in self.rates else lr
                self.optimizer.step(f"{key}.{name}", p, g, rate[leaf.rows].view(shape))

    def gradient_norms(self, gradients: Gradients) -> list[dict[str, float]]:
        """By network: the norm of all of a layer's gradients, by layer from the first on."""
        by_network: list[dict[str, float]] = [{} for _ in range(self.size)]
        for key, leaf in self.leaves.items():
            if gradients.get(key):
                norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients[key]]).norm(dim=0)
                for by_layer, value in zip(by_network[leaf.rows], norms.tolist(), strict=True):
                    by_layer[leaf.position] = value
        return by_network

    @torch.no_grad()
    def estimate_statistics(self, batches: Iterable[Tensor], size: int) -> None:
        """Algorithm 2 for every network at once: mini-batches of `size` images, one or several in `[N, B, C, H, W]`.

        All other layers do as at inference, as in `norms.estimate_population`; what they draw or keep is forgotten.
        """
        estimated = [leaf.layer for leaf in self.leaves.values() if leaf.layer.begin_estimate()]
        for layer in estimated:
            layer.batch = size
        with self._untouched():
            for x in batches if estimated else ():
                self._forward(x, lambda leaf: Phase.FROZEN if leaf.layer in estimated else Phase.INFERENCE)
        for layer in estimated:
            layer.end_estimate()

    def fix_statistics(self) -> None:
        """From now on BN normalises by the population statistics that it has, in training, too."""
        for leaf in self.leaves.values():
            leaf.layer.fixed = True

    def _untouched(self) -> contextlib.AbstractContextManager[None]:
        """Nothing that a module draws at random while this is open is missing afterwards."""
        on_gpu = [self.device] if self.device.type == "cuda" else []
        return torch.random.fork_rng(on_gpu, enabled=self.draws)


def _merged(sequences: Iterable[Sequence[str]]) -> list[str]:
    """All names, in an order that keeps that of each sequence."""
    order: list[str] = []
    for names in sequences:
        at = 0
        for name in names:
            if name not in order:
                order.insert(at, name)
            at = order.index(name) + 1
    return order
