"""What explanations of BN speak of, measured on one network at a time where a run asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from bnexp.engine.copies import copied
from bnexp.engine.network import Network
from bnexp.engine.probes.gaussian import Gaussian
from bnexp.engine.probes.jacobian import Jacobian
from bnexp.engine.probes.landscape import Landscape
from bnexp.engine.probes.moment import Moment, Probe, weights_in_front
from bnexp.engine.probes.robustness import Adaptation, Robustness
from bnexp.engine.probes.shift import GradientShift, InputShift
from bnexp.engine.probes.signal import Signal, Weights
from bnexp.models import layout_of

PROBES: dict[str, Callable[[], Probe]] = {
    "input_shift": InputShift,
    "gradient_shift": GradientShift,
    "landscape": Landscape,
    "jacobian": Jacobian,
    "weights": Weights,
    "signal": Signal,
    "gaussian": Gaussian,
    "robustness": Robustness,
    "adaptation": Adaptation,
}
"""By the names in `probes=`."""

REFERENCE = 480
"""Test images on which all that is no mini-batch of the training is measured: eight of the paper's mini-batches."""

MANY = 4000
"""Test images for accuracies, which 480 tell within 4 points, and for the tails of distributions."""


class Instruments:
    """The probes of N networks, each with its own; they leave no trace in the training.

    `plain` are the networks as they were built, `reference` images as in tests, `[E, C, H, W]`, and their labels, and
    `many` more of them.
    """

    def __init__(
        self,
        names: Sequence[str],
        plain: Sequence[nn.Module],
        networks: Network,
        reference: tuple[Tensor, Tensor],
        many: tuple[Tensor, Tensor],
        batch: int,
        seeds: Sequence[int],
    ) -> None:
        self.networks = networks
        self.layout = layout_of(plain[0])
        self.copies = [copied(network).to(memory_format=self.layout) for network in plain]
        self.layers = networks.layers
        self.weights = [weights_in_front(network, self.layers) for network in plain]
        (images, self.targets), (more, self.many_targets) = reference, many
        self.reference, self.many = (x.contiguous(memory_format=self.layout) for x in (images, more))
        self.batch = batch
        self.seeds = seeds
        self.probes: list[dict[str, Probe]] = [{name: PROBES[name]() for name in names} for _ in plain]
        self.seconds = dict.fromkeys(names, 0.0)
        """What each has taken so far, for all networks."""

    def state(self) -> list[dict[str, Any]]:
        """What the probes of each network remember."""
        return [{name: probe.kept for name, probe in probes.items()} for probes in self.probes]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go on from such a state."""
        for probes, kept in zip(self.probes, state, strict=True):
            for name, probe in probes.items():
                probe.kept = kept[name]

    def tensors(self) -> list[dict[str, Tensor]]:
        """Each network's parameters and buffers as they are now."""
        return [
            {name: tensor.clone() for name, tensor in self.networks.tensors(i).items()}
            for i in range(self.networks.size)
        ]

    def measure(
        self,
        step: int,
        before: Sequence[Mapping[str, Tensor]],
        after: Sequence[Mapping[str, Tensor]] | None,
        x: Tensor,
        labels: Tensor,
    ) -> list[dict[str, float]]:
        """By network, what its probes measure at a step, made on the mini-batch `[N, B, C, H, W]`, labels `[N, B]`.

        The networks' tensors `before` the step and `after` it; there is none after the last.
        """
        measured: list[dict[str, float]] = []
        for i, network in enumerate(self.copies):
            moment = Moment(
                step,
                self.seeds[i],
                network,
                before[i],
                after[i] if after else None,
                x[i].contiguous(memory_format=self.layout),
                labels[i],
                self.reference,
                self.targets,
                self.many,
                self.many_targets,
                self.batch,
                self.layers,
                self.weights[i],
            )
            metrics: dict[str, float] = {}
            for name, probe in self.probes[i].items():
                started = time.perf_counter()
                metrics |= probe.measure(moment)
                self.seconds[name] += time.perf_counter() - started
            measured.append(metrics)
        return measured
