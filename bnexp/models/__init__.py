"""Networks as plain `nn.Module`s that take a norm factory."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bnexp import norms
from bnexp.config import InitConfig, RunConfig
from bnexp.models.dropout import Dropout
from bnexp.models.mlp import MLP, Add
from bnexp.seeds import stream

__all__ = ["MLP", "Add", "Dropout", "build"]


def build(config: RunConfig, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """The network of one run with its initial weights, on the CPU.

    `shape` is that of one image. Each layer draws from a stream of its own, named after the layer, so
    layers that two arms have in common start equal whatever else the arms have (matched networks).
    """
    model = config.model
    network = MLP(
        math.prod(shape),
        model.depth,
        model.width,
        classes,
        norms.factory(config.norm),
        model.activation,
        config.norm.placement,
        (lambda name: Dropout(model.dropout, stream(config.seed, "dropout", name))) if model.dropout else None,
        model.residual,
    )
    with torch.no_grad():
        for name, layer in network.named_children():  # the affine maps of the model, none inside a norm
            if isinstance(layer, nn.Linear):
                _draw(layer.weight, config.init, stream(config.seed, "weights", name))
                if layer.bias is not None:
                    layer.bias.fill_(config.init.scheme == "equal_biases")
    return network


def _draw(weight: Tensor, init: InitConfig, generator: torch.Generator) -> None:
    """Initial weights `[outputs, inputs]`."""
    outputs, inputs = weight.shape
    if init.scheme == "orthogonal":
        nn.init.orthogonal_(weight, init.scale, generator)
        return
    unit = {"xavier": math.sqrt(2 / (inputs + outputs)), "he": math.sqrt(2 / inputs)}.get(init.scheme, 1.0)
    weight.normal_(0, unit * init.scale, generator=generator)
