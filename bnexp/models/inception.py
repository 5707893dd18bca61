"""Inception with batch normalisation: the network of Figure 5, read from the paper's table."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.models.mlp import ACTIVATIONS
from bnexp.norms import NormFactory


@dataclass(frozen=True)
class Row:
    """A row of Figure 5: the widths of a module's branches."""

    name: str
    one: int
    """1×1; 0 in the modules of stride 2, which have none."""
    reduce: int
    """1×1 before the 3×3."""
    three: int
    """3×3."""
    double_reduce: int
    """1×1 before the double 3×3."""
    double: int
    """Each of the double 3×3."""
    pool: str
    """`avg` or `max`, 3×3."""
    projection: int
    """1×1 behind the pooling; 0 where it passes through."""
    stride: int = 1


TABLE = (
    Row("3a", 64, 64, 64, 64, 96, "avg", 32),
    Row("3b", 64, 64, 96, 64, 96, "avg", 64),
    Row("3c", 0, 128, 160, 64, 96, "max", 0, stride=2),
    Row("4a", 224, 64, 96, 96, 128, "avg", 128),
    Row("4b", 192, 96, 128, 96, 128, "avg", 128),
    Row("4c", 160, 128, 160, 128, 160, "avg", 96),
    Row("4d", 96, 128, 192, 160, 192, "avg", 96),
    Row("4e", 0, 128, 192, 192, 256, "max", 0, stride=2),
    Row("5a", 352, 192, 320, 160, 224, "avg", 128),
    Row("5b", 352, 192, 320, 192, 224, "max", 128),
)
"""Figure 5, but for a projection of 96 in 4c and 4d, as in TF-slim; ports of MXNet and Caffe have the printed 128."""

PRINTED = tuple(replace(row, projection=128) if row.name in ("4c", "4d") else row for row in TABLE)
"""Figure 5 as it is printed. Its 4c and 4d have 608 outputs, and not the 576 that it prints beside them."""

PAPER_PARAMETERS = 13.6e6
"""What the paper says of its network. The table as printed, with biases and without BN, comes to 11.3 million."""

PER_ACTIVATION = ("5a", "5b")
"""The last hidden layers of §4.2.3."""

STEM = 64
"""Feature maps of the first convolution."""

DEPTH_MULTIPLIER = 8
"""Feature maps per colour of the first, separable convolution."""


@dataclass(frozen=True)
class Maker:
    """Makes a network's convolutions, each with its norm and its nonlinearity."""

    norm: NormFactory
    activation: str
    placement: str

    def unit(
        self,
        inputs: int,
        widths: Sequence[int],
        kernel: int,
        stride: int = 1,
        per_activation: int = 0,
        pooled: bool = False,
    ) -> nn.Sequential:
        """`conv`, `norm` and `hidden`, the nonlinearity.

        Several widths are convolutions of the same input side by side; a norm that mixes feature maps keeps to each of
        them. With `per_activation`, the side of the map, the norm takes every activation for a feature of its own. With
        `pooled` the convolution is one of its input's average pooling.
        """
        features = [inputs] if self.placement == "input" else list(widths)
        values = max(per_activation, 1) ** 2
        spatial = per_activation == 0
        normed = [self.norm(n * values, spatial) for n in features]
        norm = normed[0]
        if len(normed) > 1 and type(norm) is not nn.Identity:
            per_feature = getattr(norm, "per_feature", False)
            norm = self.norm(sum(features) * values, spatial) if per_feature else Beside(normed, features)
        without_bias = self.placement == "before" and getattr(normed[0], "replaces_bias", False)
        convolution = PooledConvolution if pooled else Convolution
        conv = convolution(inputs, widths, kernel, stride, bias=not without_bias)
        layers: list[tuple[str, nn.Module]] = [("conv", conv), ("hidden", ACTIVATIONS[self.activation]())]
        if type(norm) is not nn.Identity:  # one of the user's may be derived from it
            at = {"input": 0, "before": 1, "after": 2}[self.placement]
            layers.insert(at, ("norm", PerActivation(norm) if per_activation else norm))
        return nn.Sequential(OrderedDict(layers))


class Convolution(nn.Conv2d):
    """Several convolutions of one input, computed as one: fewer and larger products are faster."""

    def __init__(self, inputs: int, widths: Sequence[int], kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(inputs, sum(widths), kernel, stride, kernel // 2, bias=bias)
        self.widths = list(widths)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.bias)

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """With another bias, or none."""
        if self.kernel_size == (1, 1) and self.stride == (1, 1) and x.device.type == "cpu":
            # a convolution would cost more than the product that it is
            return functional.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), bias).permute(0, 3, 1, 2)
        return functional.conv2d(x, self.weight, bias, self.stride, self.padding)


class PooledConvolution(Convolution):
    """A 1×1 convolution of the 3×3 average pooling of its input, which is pooled behind: there are fewer maps there."""

    def forward(self, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(self.convolve(x, None), 3, 1, 1)
        return y if self.bias is None else y + self.bias[:, None, None]


class Beside(nn.Module):
    """Norms of parts of the feature maps, side by side."""

    def __init__(self, norms: Sequence[nn.Module], features: Sequence[int]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(norms)
        self.features = list(features)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [norm(part) for norm, part in zip(self.parts, torch.split(x, self.features, 1), strict=True)], 1
        )


class PerActivation(nn.Module):
    """A norm to which every location of a feature map is a feature of its own (§4.2.3)."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.flatten(1)).view(x.shape)  # type: ignore[no-any-return]


class Module(nn.Module):
    """An Inception module: branches on one input `[B, C, H, W]`, their outputs joined to `[B, outputs, H', W']`."""

    def __init__(self, inputs: int, row: Row, make: Maker, side: int, per_activation: bool) -> None:
        super().__init__()
        within = side if per_activation else 0
        behind = (half(side) if row.stride == 2 else side) if per_activation else 0
        self.widths = [width for width in (row.one, row.reduce, row.double_reduce) if width]
        self.entry = make.unit(inputs, self.widths, 1, per_activation=within)
        self.three = make.unit(row.reduce, [row.three], 3, row.stride, behind)
        self.double1 = make.unit(row.double_reduce, [row.double], 3, per_activation=within)
        self.double2 = make.unit(row.double, [row.double], 3, row.stride, behind)
        behind_it = row.pool == "avg" and make.placement != "input"  # a norm of the input would come in between
        in_front = nn.MaxPool2d(3, row.stride, 1) if row.pool == "max" else nn.AvgPool2d(3, 1, 1)
        self.pool = nn.Identity() if behind_it else in_front
        self.projection = (
            make.unit(inputs, [row.projection], 1, per_activation=within, pooled=behind_it)
            if row.projection
            else nn.Identity()
        )
        self.outputs = row.one + row.three + row.double + (row.projection or inputs)

    def forward(self, x: Tensor) -> Tensor:
        *one, reduced, double_reduced = torch.split(self.entry(x), self.widths, 1)
        three = self.three(reduced.contiguous(memory_format=torch.channels_last))  # one part of all is slow to convolve
        double = self.double2(self.double1(double_reduced.contiguous(memory_format=torch.channels_last)))
        return torch.cat([*one, three, double, self.projection(self.pool(x))], 1)


class Inception(nn.Sequential):
    """The network of Figure 5, or parts of it: images `[B, C, H, W]` to logits `[B, classes]`.

    `rows` are those of the table that are there, their widths, and those of the layers in front, times `multiplier`.
    `small` has a 3×3 convolution in front instead of the separable 7×7 of stride 2 and the 3×3. `lrn` is the local
    response normalisation of the network without BN, behind the first pooling and the second convolution; `dropout`
    stands before the linear layer to the classes.
    """

    watched: list[str]
    """The nonlinearities that probes look at, one of every module."""

    channels_last = True
    """Convolutions are fastest on feature maps whose channels lie next to each other in memory."""

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        small: bool,
        rows: Sequence[Row],
        multiplier: float,
        make: Maker,
        lrn: bool = False,
        dropout: nn.Module | None = None,
        per_activation: bool = False,
    ) -> None:
        colours, side = shape[0], shape[1]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width = scaled(STEM, multiplier)
        if small:
            layers["conv1"] = make.unit(colours, [width], 3)
        else:
            layers["colours"] = nn.Conv2d(
                colours, DEPTH_MULTIPLIER * colours, 7, 2, 3, groups=colours, bias=False
            )  # of the separable convolution, the part for each colour
            layers["conv1"] = make.unit(DEPTH_MULTIPLIER * colours, [width], 1)
            side = half(side)
        layers["pool1"], side = nn.MaxPool2d(3, 2, 1), half(side)
        if lrn:
            layers["lrn1"] = nn.LocalResponseNorm(5)
        if not small:
            layers["reduce2"] = make.unit(width, [width], 1)
            layers["conv2"] = make.unit(width, [scaled(192, multiplier)], 3)
            width = scaled(192, multiplier)
            if lrn:
                layers["lrn2"] = nn.LocalResponseNorm(5)
            layers["pool2"], side = nn.MaxPool2d(3, 2, 1), half(side)
        for row in rows:
            module = Module(width, narrowed(row, multiplier), make, side, per_activation and row.name in PER_ACTIVATION)
            layers[row.name], width = module, module.outputs
            side = half(side) if row.stride == 2 else side
        layers["average"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        if dropout is not None:
            layers["dropout"] = dropout
        layers["classifier"] = nn.Linear(width, classes)
        super().__init__(layers)
        self.watched = [f"{row.name}.three.hidden" for row in rows]


def half(side: int) -> int:
    """The side of a map behind a layer of stride 2."""
    return (side + 1) // 2


def scaled(width: int, multiplier: float) -> int:
    """A width of the table times the multiplier, rounded to a multiple of 8; 0 stays 0."""
    return max(8, round(width * multiplier / 8) * 8) if width else 0


def narrowed(row: Row, multiplier: float) -> Row:
    """A row with its widths scaled."""
    names = ("one", "reduce", "three", "double_reduce", "double", "projection")
    widths: dict[str, Any] = {name: scaled(getattr(row, name), multiplier) for name in names}
    return replace(row, **widths)
