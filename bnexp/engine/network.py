"""What the training loop and the probes ask of networks, be they many in a stack or one alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

Watch = Callable[[str, Tensor], None]
"""Shown a layer's name and its input, `[N, B, units]`."""

Gradients = dict[str, list[Tensor]]
"""`[N, ...]` each, by the name of the layer, in the order of its parameters."""


class Network(Protocol):
    """N networks that take their steps together.

    Shapes: N networks, B examples; images `[N, B, C, H, W]`, labels `[N, B]`.
    """

    size: int
    """N."""
    chunk: int
    """Test images at a time whose activations stay in the cache."""
    training_images: int
    """Of its training examples, those on which a network's training accuracy is measured, at most."""
    together: int
    """Mini-batches of Algorithm 2 that it is given at once."""
    compiled: str
    """The method that `compile=true` compiles."""

    nonlinearities: dict[str, list[type[nn.Module]]]
    """By watched layer, that of each network."""

    @property
    def watched(self) -> Sequence[str]:
        """The nonlinearities whose inputs `infer` and `look` show, from the first on."""

    @property
    def layers(self) -> Mapping[str, str]:
        """The same, by what they are called, under their names in the network."""

    @property
    def lost(self) -> bool:
        """Whether every network has NaNs for weights, and so for good."""

    def back_propagate(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Gradients]:
        """Mean cross-entropy of each network on its mini-batch, `[N]`, and the gradients, good until the next call."""

    def descend(self, gradients: Gradients, lr: Tensor, l2: Tensor | None = None) -> None:
        """One step of the optimizer, each network's at its own learning rate and L2 weight; lr and l2 `[N]`."""

    def infer(self, x: Tensor, watch: Watch | None = None) -> Tensor:
        """Logits `[N, B, classes]` at inference; images `[B, C, H, W]` are shared by all."""

    def look(self, x: Tensor, watch: Watch) -> None:
        """As `infer`, but as in training, each mini-batch normalised by its own statistics; nothing is kept of it."""

    def estimate_statistics(self, batches: Iterable[Tensor], size: int) -> None:
        """Algorithm 2 on mini-batches of `size` images, one or several in a tensor; other layers do as at inference."""

    def tensors(self, network: int) -> dict[str, Tensor]:
        """One network's parameters and buffers, under their names in its state; they may be the network's own."""

    def gradient_norms(self, gradients: Gradients) -> list[dict[str, float]]:
        """By network: the norm of a layer's gradients, by layer from the first on."""


class Resumable(Network, Protocol):
    """Networks whose training can go on from a checkpoint."""

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on, as plain data; every process of the group must ask for it."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
