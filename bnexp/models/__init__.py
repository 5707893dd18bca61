"""Networks as plain `nn.Module`s that take a norm factory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnexp import norms
from bnexp.config import InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.models.dropout import Dropout
from bnexp.models.inception import TABLE, Convolution, Inception, Maker, Row
from bnexp.models.mlp import MLP, Add
from bnexp.seeds import stream

__all__ = ["MLP", "Add", "Dropout", "Inception", "build", "parameters"]


def parameters(model: ModelConfig, norm: str, shape: tuple[int, ...], classes: int, rows: Sequence[Row] = TABLE) -> int:
    """How many parameters a network has."""
    with torch.device("meta"):
        network = _network(RunConfig(model=model, norm=NormConfig(norm)), shape, classes, rows)
    return sum(p.numel() for p in network.parameters())


def build(config: RunConfig, shape: tuple[int, ...], classes: int, rank: int = 0) -> nn.Sequential:
    """The network of one run with its initial weights, on the CPU.

    `shape` is that of one image. Each layer draws from a stream of its own, named after the layer, so
    layers that two arms have in common start equal whatever else the arms have (matched networks). Where several
    processes train one network, each has its `rank`, and dropout of its own.
    """
    network = _network(config, shape, classes, TABLE, rank)
    with torch.no_grad():
        for name, layer in network.named_modules():  # the affine maps of the model, none inside a norm
            if any(part.startswith("norm") for part in name.split(".")):
                continue
            if isinstance(layer, Convolution):
                for i, weight in enumerate(torch.split(layer.weight, layer.widths)):
                    _draw(weight, config.init, stream(config.seed, "weights", name, str(i)))
            elif isinstance(layer, (nn.Linear, nn.Conv2d)):
                _draw(layer.weight, config.init, stream(config.seed, "weights", name))
            else:
                continue
            if layer.bias is not None:
                layer.bias.fill_(config.init.scheme == "equal_biases")
    return network


def _network(
    config: RunConfig, shape: tuple[int, ...], classes: int, rows: Sequence[Row], rank: int = 0
) -> nn.Sequential:
    """The network, its weights as PyTorch draws them."""
    model, norm = config.model, config.norm
    place = (str(rank),) if rank else ()

    def dropout(name: str) -> nn.Module:
        return Dropout(model.dropout, stream(config.seed, "dropout", name, *place))

    if model.name == "mlp":
        return MLP(
            math.prod(shape),
            model.depth,
            model.width,
            classes,
            norms.factory(norm),
            model.activation,
            norm.placement,
            dropout if model.dropout else None,
            model.residual,
        )
    return Inception(
        shape,
        classes,
        model.name == "inception_small",
        [row for row in rows if row.name in model.modules],
        model.multiplier,
        Maker(norms.factory(norm), model.activation, norm.placement),
        model.lrn,
        dropout("dropout") if model.dropout else None,
        norm.per_activation,
    )


def _draw(weight: Tensor, init: InitConfig, generator: torch.Generator) -> None:
    """Initial weights `[outputs, inputs]`, or those of a convolution `[outputs, inputs, height, width]`."""
    if init.scheme == "orthogonal":
        nn.init.orthogonal_(weight, init.scale, generator)
        return
    inputs, outputs = weight[0].numel(), weight[:, 0].numel()
    unit = {"xavier": math.sqrt(2 / (inputs + outputs)), "he": math.sqrt(2 / inputs)}.get(init.scheme, 1.0)
    weight.normal_(0, unit * init.scale, generator=generator)
