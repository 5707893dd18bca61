"""The distribution of the nonlinearities' inputs on test data, beside accuracy and loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bnexp.stats import PERCENTILES

BINS = 30
HISTOGRAM_IMAGES = 200
"""Test images behind a histogram; it is for the eye, the percentiles are exact."""

STATISTICS = (*(f"p{p}" for p in PERCENTILES), "mean", "var")
"""The columns of `Activations.statistics`."""

UNSATURATED = {"sigmoid": (-3.6369, 3.6369), "tanh": (-1.8184, 1.8184), "relu": (0.0, math.inf)}
"""The inputs at which a nonlinearity's slope is at least a tenth of its greatest."""


@dataclass(frozen=True)
class Activations:
    """One hidden layer of one network: the input of its nonlinearity over the test set."""

    statistics: np.ndarray
    """`[units, 5]`: 15th, 50th and 85th percentile, mean and variance of each unit."""
    saturated: float
    """Fraction of (unit, example) pairs."""
    histogram: tuple[np.ndarray, np.ndarray] | None
    """Counts `[BINS]` and edges `[BINS + 1]`; none for values that are not finite."""


@dataclass(frozen=True)
class Observation:
    """One network on the test set."""

    accuracy: float
    """Fraction of the test images; NaN when a logit is not finite."""
    loss: float
    """Mean cross-entropy, nats."""
    layers: dict[str, Activations]


Infer = Callable[[Tensor, Callable[[str, Tensor], None]], Tensor]


class Observer:
    """Measures N networks at inference on the test set, as often as it is asked.

    Shapes: images `[examples, C, H, W]`, uint8, of which `inputs` makes what the networks see; labels `[examples]`.
    `activations` has each network's nonlinearity, `layers` names the layers of them, `chunk` says how many images at a
    time.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        inputs: Callable[[Tensor], Tensor],
        activations: Sequence[str],
        layers: list[str],
        chunk: int,
    ) -> None:
        self.networks = len(activations)
        self.images = images
        self.labels = labels
        self.view = inputs
        self.unsaturated = [UNSATURATED[activation] for activation in activations]
        self.layers = layers
        self.chunk = chunk
        self.inputs: dict[str, Tensor] = {}  # by layer, [N, examples, units]; kept, since fresh memory costs as much

    def observe(self, infer: Infer) -> list[Observation]:
        """One observation per network.

        `infer` maps inputs `[B, C, H, W]` to logits `[N, B, classes]` and shows the input of each
        layer, `[N, B, units]`, to its second argument.
        """
        examples = len(self.labels)
        device = self.labels.device
        correct = torch.zeros(self.networks, device=device)
        loss = torch.zeros(self.networks, dtype=torch.float64, device=device)
        for rows in chunks(examples, self.chunk):
            logits = infer(self.view(self.images[rows].to(device)), partial(self._keep, rows))
            log_p = torch.log_softmax(logits, -1)
            labels = self.labels[rows].expand(self.networks, -1)
            correct += (log_p.argmax(-1) == labels).sum(-1)
            loss -= log_p.gather(-1, labels.unsqueeze(-1)).sum((1, 2), dtype=torch.float64)
        accuracy = torch.where(loss.isfinite(), correct / examples, torch.nan)
        described = {
            name: [_describe(inputs, *bounds) for inputs, bounds in zip(x, self.unsaturated, strict=True)]
            for name, x in self.inputs.items()
        }
        return [
            Observation(a, n / examples, {name: described[name][i] for name in self.layers})
            for i, (a, n) in enumerate(zip(accuracy.tolist(), loss.tolist(), strict=True))
        ]

    def _keep(self, rows: slice, name: str, x: Tensor) -> None:
        if name in self.layers:
            if name not in self.inputs:
                self.inputs[name] = x.new_empty(self.networks, len(self.labels), x.shape[-1])
            self.inputs[name][:, rows] = x


def chunks(examples: int, size: int) -> Iterator[slice]:
    """Parts of so many examples; the last takes in a single one left over, which would have no variance."""
    starts = [start for start in range(0, examples, size) if start == 0 or start < examples - 1]
    for start, end in zip(starts, [*starts[1:], examples], strict=True):
        yield slice(start, end)


def _describe(x: Tensor, low: float, high: float) -> Activations:
    """Statistics of `[examples, units]` over the examples; a unit is saturated outside (low, high)."""
    sample = x[:HISTOGRAM_IMAGES].cpu().numpy().astype(np.float64)
    histogram = np.histogram(sample, BINS) if np.isfinite(sample).all() else None
    x = sort(x.t().contiguous())  # [units, examples]
    bounds = x.new_tensor([low, high]).expand(len(x), 2).contiguous()
    below = torch.searchsorted(x, bounds, right=True).sum(0)  # relu: an input of 0 has slope 0
    saturated = 1 - (below[1] - below[0]).item() / x.numel()
    mean = x.mean(-1, keepdim=True)
    columns = [percentiles(x), mean]
    columns.append(torch.linalg.vector_norm(x.sub_(mean), dim=-1, keepdim=True).square() / x.shape[-1])
    return Activations(torch.cat(columns, -1).cpu().numpy(), saturated, histogram)


def sort(x: Tensor) -> Tensor:
    """Sort along the last axis, on the CPU in place."""
    if x.device.type != "cpu":
        return x.sort(-1).values
    x.numpy().sort(axis=-1)  # six times as fast as PyTorch
    return x


def percentiles(ordered: Tensor) -> Tensor:
    """The exact `PERCENTILES` of values sorted along the last axis, `[..., 3]`, linear between order statistics."""
    at = torch.tensor(PERCENTILES, dtype=torch.float64) / 100 * (ordered.shape[-1] - 1)
    below = at.floor().long()
    return torch.lerp(ordered[..., below], ordered[..., at.ceil().long()], (at - below).to(ordered))
