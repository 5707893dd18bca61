"""Networks as plain `nn.Module`s that take a norm factory."""

from __future__ import annotations

import math

import torch
from torch import nn

from bnexp import norms
from bnexp.config import RunConfig
from bnexp.models.mlp import MLP
from bnexp.seeds import stream

__all__ = ["MLP", "build"]


def build(config: RunConfig, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """The network of one run with its initial weights, on the CPU.

    `shape` is that of one image. Each layer draws from a stream of its own, named after the layer, so
    layers that two arms have in common start equal whatever else the arms have (matched networks).
    """
    network = MLP(math.prod(shape), config.model.hidden, classes, norms.factory(config.norm), config.model.activation)
    with torch.no_grad():
        for name, layer in network.named_children():  # the affine maps of the model, none inside a norm
            if isinstance(layer, nn.Linear):
                layer.weight.normal_(0, config.init.scale, generator=stream(config.seed, "weights", name))
                if layer.bias is not None:
                    layer.bias.zero_()
    return network
