"""The distribution of the nonlinearities' inputs on test data, beside accuracy and loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from bnexp.stats import PERCENTILES

BINS = 30
HISTOGRAM_IMAGES = 200
"""Test images behind a histogram; it is for the eye, the percentiles are exact."""

Bounds = tuple[float, float]

UNSATURATED: dict[type[nn.Module], Bounds] = {
    nn.Sigmoid: (-3.6369, 3.6369),
    nn.Tanh: (-1.8184, 1.8184),
    nn.ReLU: (0.0, math.inf),
}
"""The inputs at which a nonlinearity's slope is at least a tenth of its greatest."""


@dataclass(frozen=True)
class Activations:
    """One hidden layer of one network: the input of its nonlinearity over the test set."""

    statistics: np.ndarray
    """`[units, 5]`: 15th, 50th and 85th percentile, mean and variance of each unit."""
    saturated: float
    """Fraction of (unit, example) pairs; NaN for a nonlinearity that is not in `UNSATURATED`."""
    histogram: tuple[np.ndarray, np.ndarray] | None
    """Counts `[BINS]` and edges `[BINS + 1]`; none for values that are not finite."""


@dataclass(frozen=True)
class Shape:
    """How far one hidden layer's units are from normal distributions: 0 where they have their third and fourth moments.

    Means over the units, but for those that are constant; NaN where all are, or a value is not finite.
    """

    skewness: float
    """Of its absolute value, the third moment in standard deviations."""
    kurtosis: float
    """Of the absolute value of the excess kurtosis, the fourth moment in standard deviations less 3."""


@dataclass(frozen=True)
class Observation:
    """One network on the test set."""

    accuracy: float
    """Fraction of the test images; NaN when a logit is not finite."""
    loss: float
    """Mean cross-entropy, nats."""
    layers: dict[str, Activations]
    shapes: dict[str, Shape]
    """By layer, where it is asked for."""
    correct: np.ndarray
    """Whether each test image is classified correctly, bool `[images]`; none is where a logit is not finite."""


Infer = Callable[[Tensor, Callable[[str, Tensor], None]], Tensor]


class Observer:
    """Measures N networks at inference on the test set, as often as it is asked.

    Shapes: images `[examples, C, H, W]`, uint8, of which `inputs` makes what the networks see; labels `[examples]`.
    `nonlinearities` has by layer that of each network, `chunk` says how many images at a time, `shape` whether to
    measure the `Shape` of the layers.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        inputs: Callable[[Tensor], Tensor],
        nonlinearities: Mapping[str, Sequence[type[nn.Module]]],
        chunk: int,
        shape: bool = False,
    ) -> None:
        self.networks = len(next(iter(nonlinearities.values())))
        self.images = images
        self.labels = labels
        self.view = inputs
        self.unsaturated = {layer: [UNSATURATED.get(kind) for kind in kinds] for layer, kinds in nonlinearities.items()}
        self.chunk = chunk
        self.shape = shape
        self.inputs: dict[str, Tensor] = {}  # by layer, [N, examples, units]; kept, since fresh memory costs as much

    def observe(self, infer: Infer) -> list[Observation]:
        """One observation per network.

        `infer` maps inputs `[B, C, H, W]` to logits `[N, B, classes]` and shows the input of each
        layer, `[N, B, units]`, to its second argument.
        """
        examples = len(self.labels)
        device = self.labels.device
        correct = torch.zeros(self.networks, examples, dtype=torch.bool, device=device)
        loss = torch.zeros(self.networks, dtype=torch.float64, device=device)
        for rows in chunks(examples, self.chunk):
            logits = infer(self.view(self.images[rows].to(device)), partial(self._keep, rows))
            log_p = torch.log_softmax(logits, -1)
            labels = self.labels[rows].expand(self.networks, -1)
            correct[:, rows] = log_p.argmax(-1) == labels
            loss -= log_p.gather(-1, labels.unsqueeze(-1)).sum((1, 2), dtype=torch.float64)
        finite = loss.isfinite()
        correct &= finite.unsqueeze(1)
        accuracy = torch.where(finite, correct.sum(-1) / examples, torch.nan)
        shapes = {name: [shape(inputs) for inputs in x] for name, x in self.inputs.items()} if self.shape else {}
        described = {
            name: [_describe(inputs, bounds) for inputs, bounds in zip(x, self.unsaturated[name], strict=True)]
            for name, x in self.inputs.items()
        }
        measured = zip(accuracy.tolist(), loss.tolist(), correct.cpu().numpy(), strict=True)
        return [
            Observation(
                a,
                n / examples,
                {name: described[name][i] for name in self.unsaturated},
                {name: shapes[name][i] for name in self.unsaturated if name in shapes},
                right,
            )
            for i, (a, n, right) in enumerate(measured)
        ]

    def _keep(self, rows: slice, name: str, x: Tensor) -> None:
        if name in self.unsaturated:
            if name not in self.inputs:
                self.inputs[name] = x.new_empty(self.networks, len(self.labels), x.shape[-1])
            self.inputs[name][:, rows] = x


def chunks(examples: int, size: int) -> Iterator[slice]:
    """Parts of so many examples; the last takes in a single one left over, which would have no variance."""
    starts = [start for start in range(0, examples, size) if start == 0 or start < examples - 1]
    for start, end in zip(starts, [*starts[1:], examples], strict=True):
        yield slice(start, end)


def _describe(x: Tensor, unsaturated: Bounds | None) -> Activations:
    """Statistics of `[examples, units]` over the examples."""
    sample = x[:HISTOGRAM_IMAGES].cpu().numpy().astype(np.float64)
    histogram = np.histogram(sample, BINS) if np.isfinite(sample).all() else None
    x = sort(x.t().contiguous())  # [units, examples]
    saturated = math.nan if unsaturated is None else _outside(x, unsaturated)
    mean = x.mean(-1, keepdim=True)
    columns = [percentiles(x), mean]
    columns.append(torch.linalg.vector_norm(x.sub_(mean), dim=-1, keepdim=True).square() / x.shape[-1])
    return Activations(torch.cat(columns, -1).cpu().numpy(), saturated, histogram)


def shape(x: Tensor) -> Shape:
    """That of inputs `[examples, units]`."""
    x = x.double()  # in which a constant is its own mean
    x = x - x.mean(0)
    spread = x.square().mean(0).sqrt()
    x = (x / spread)[:, spread != 0]
    third = x * x.square()
    skewness, kurtosis = third.mean(0).abs().mean(), (third.mul_(x).mean(0) - 3).abs().mean()
    return Shape(skewness.item(), kurtosis.item())


def _outside(ordered: Tensor, bounds: Bounds) -> float:
    """The fraction of values, sorted along the last axis, that are not within the bounds, nor on the upper one."""
    limits = ordered.new_tensor(bounds).expand(len(ordered), 2).contiguous()
    below = torch.searchsorted(ordered, limits, right=True).sum(0)  # relu: an input of 0 has slope 0
    return float(1 - (below[1] - below[0]).item() / ordered.numel())


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
