"""One network trained on its own, by autograd: what `Population` does for one that does not stack, as convolutions."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from bnexp import norms
from bnexp.config import OptimizerConfig
from bnexp.engine import optimizers
from bnexp.engine.copies import untouched
from bnexp.engine.network import Gradients, Watch
from bnexp.engine.probes.moment import middle, weights_in_front
from bnexp.models import AFFINE, layout_of
from bnexp.norms.sync import synchronised


class Single:
    """A network on `device`; everything about it has a first dimension of 1, as in a population of one.

    The network says by `watched` which of its layers are looked at, by name, from the first on; one with
    `channels_last = True` is given images laid out so. With `ranks` processes, of a process group that is there, each
    works on its own part of a mini-batch and all make the same step.
    """

    size = 1

    chunk = 125
    """Test images at a time: their feature maps stay in the cache."""

    training_images = 500
    """Of its own training examples, those on which a network's training accuracy is measured, at most."""

    together = 1
    """Mini-batches of Algorithm 2 that it is given at once."""

    compiled = "forward"
    """The method that `compile=true` compiles."""

    def __init__(
        self,
        network: nn.Module,
        device: torch.device | str = "cpu",
        optimizer: OptimizerConfig | None = None,
        precision: str = "float32",
        ranks: int = 1,
        decayed: str = "all",
    ) -> None:
        self.layout = layout_of(network)
        self.device = torch.device(device)
        self.network = network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.parameters = dict(network.named_parameters())
        self.layers = _labelled(network.watched)  # type: ignore[arg-type]
        self.watched = list(self.layers)
        self.nonlinearities = {label: [type(network.get_submodule(name))] for label, name in self.layers.items()}
        self.in_front = weights_in_front(network, self.layers)
        self.last_weights = next(p for p in reversed(list(network.parameters())) if p.dim() > 1)
        self.optimizer = optimizers.build(optimizer or OptimizerConfig())
        self.precision = precision
        self.ranks = ranks
        self.rank = distributed.get_rank() if ranks > 1 else 0
        self.forward: Callable[[Tensor], Tensor] = self.network
        if ranks > 1:
            self.forward = DistributedDataParallel(self.network)
        affine = [f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, AFFINE)]
        self.decayed = set(affine if decayed == "all" else affine[:-1])
        """The weights that L2 decays."""

    @property
    def lost(self) -> bool:
        """Whether the network has NaNs for weights, of its last layer at least, and so for good."""
        return bool(self.last_weights.isnan().any())

    def back_propagate(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Gradients]:
        """Mean cross-entropy on a mini-batch, `[1]`, and the gradients `[1, ...]`, good until the next call.

        Shapes: x `[1, B, C, H, W]`, labels `[1, B]`.
        """
        self.network.train()
        for p in self.parameters.values():
            p.grad = None
        with self._cast(), synchronised(self.ranks > 1):
            logits = self.forward(self._laid_out(x))
        loss = functional.cross_entropy(logits.float(), labels[0])
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {name: [p.grad.unsqueeze(0)] for name, p in self.parameters.items() if p.grad is not None}
        loss = loss.detach()
        if self.ranks > 1:
            distributed.all_reduce(loss)
            loss /= self.ranks
        return loss.unsqueeze(0), gradients

    @torch.no_grad()
    def descend(self, gradients: Gradients, lr: Tensor, l2: Tensor | None = None) -> None:
        """One step of the optimizer; lr and l2 `[1]`."""
        for name, (g,) in gradients.items():
            p = self.parameters[name]
            if l2 is not None and name in self.decayed:
                g[0].addcmul_(p, l2)
            self.optimizer.step(name, p, g[0], lr)

    @torch.no_grad()
    def infer(self, x: Tensor, watch: Watch | None = None) -> Tensor:
        """Logits `[1, B, classes]` at inference of images `[1, B, C, H, W]` or `[B, C, H, W]`.

        `watch` is shown the input of each watched nonlinearity, `[1, B, maps]`, in the middle of its feature map.
        """
        self.network.eval()
        with self._cast(), untouched(self.network, self.device) as network, self._watching(network, watch):
            return network(self._laid_out(x)).float().unsqueeze(0)  # type: ignore[no-any-return]

    @torch.no_grad()
    def look(self, x: Tensor, watch: Watch) -> None:
        """As `infer`, but as in training, normalised by the mini-batch's own statistics; nothing is kept of it."""
        self.network.train()
        kept = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        with self._cast(), untouched(self.network, self.device) as network, self._watching(network, watch):
            network(self._laid_out(x))
        for name, buffer in self.network.named_buffers():
            buffer.copy_(kept[name])

    def estimate_statistics(self, batches: Iterable[Tensor], size: int) -> None:
        """Algorithm 2, on mini-batches of `size` images, one or several in a tensor `[1, B, C, H, W]`."""
        each = (self._laid_out(batch) for several in batches for batch in torch.split(several, size, 1))
        with self._cast(), untouched(self.network, self.device) as network:
            norms.estimate_population(network, each)

    def gradient_norms(self, gradients: Gradients) -> list[dict[str, float]]:
        """The norm of the gradient of the weights in front of each watched layer."""
        none = [torch.zeros(())]  # of weights that the user keeps as they are
        return [{label: float(gradients.get(name, none)[0].norm()) for label, name in self.in_front.items()}]

    def tensors(self, network: int) -> dict[str, Tensor]:
        """The network's parameters and buffers; there is no other than 0."""
        return {name: p.detach() for name, p in self.parameters.items()} | dict(self.network.named_buffers())

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on; every process of the group must ask for it."""
        dropout = {name: m.generator.get_state() for name, m in self._drawing()}
        by_rank = [dropout]
        if self.ranks > 1:
            by_rank *= self.ranks
            distributed.all_gather_object(by_rank, dropout)
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state(), "dropout": by_rank}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.restore(state["optimizer"])
        for name, module in self._drawing():
            module.generator.set_state(state["dropout"][self.rank][name])

    def _drawing(self) -> Iterator[tuple[str, Any]]:
        modules = self.network.named_modules()
        return ((name, m) for name, m in modules if isinstance(getattr(m, "generator", None), torch.Generator))

    def _laid_out(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]`, in memory as the network wants it."""
        x = x[0] if x.dim() == 5 else x
        return x.contiguous(memory_format=self.layout)

    def _cast(self) -> contextlib.AbstractContextManager[Any]:
        device = self.last_weights.device.type
        return torch.autocast(str(device), torch.bfloat16, enabled=self.precision == "bfloat16")

    @contextlib.contextmanager
    def _watching(self, network: nn.Module, watch: Watch | None) -> Iterator[None]:
        with contextlib.ExitStack() as hooks:
            if watch is not None:
                for label, name in self.layers.items():
                    layer = network.get_submodule(name)
                    hooks.enter_context(layer.register_forward_pre_hook(functools.partial(_show, watch, label)))
            yield


def _labelled(names: Sequence[str]) -> dict[str, str]:
    """Watched layers under the first part of their names, `3a` for `3a.three.hidden`, where that tells them apart."""
    firsts = [name.partition(".")[0] for name in names]
    return dict(zip(firsts if len(set(firsts)) == len(firsts) else names, names, strict=True))


def _show(watch: Watch, label: str, layer: nn.Module, inputs: Sequence[Tensor]) -> None:
    """The units in the middle of each feature map, `[1, B, maps]`, or of a sequence `[B, places, units]`."""
    watch(label, middle(inputs[0]).float().unsqueeze(0))
