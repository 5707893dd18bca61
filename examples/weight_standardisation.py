"""Weight standardisation (Qiao et al. 2019): each unit's weights, not its inputs, have mean 0 and variance 1.

It norms no activations and so is a model, not a norm: beside BN in the paper's MNIST network, after `cd examples`,
`bnexp run -m model.target=weight_standardisation:build norm=none,batch` against `bnexp run -m norm=none,batch`.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Standardised(nn.Linear):
    """A linear map by standardised weights divided by √inputs, with a gain for each unit."""

    def __init__(self, inputs, units):
        super().__init__(inputs, units)
        self.gain = nn.Parameter(torch.ones(units))

    def forward(self, x):
        var, mean = torch.var_mean(self.weight, 1, correction=0, keepdim=True)
        weight = (self.weight - mean) * torch.rsqrt(var * self.in_features + 1e-5)
        return functional.linear(x, self.gain[:, None] * weight, self.bias)


def build(shape, classes, norm, depth=3, width=100):
    """The network of §4.1 with standardised weights in its hidden layers."""
    net = nn.Sequential(nn.Flatten())
    inputs = math.prod(shape)
    for i in range(1, depth + 1):
        net.add_module(f"linear{i}", Standardised(inputs, width))
        net.add_module(f"norm{i}", norm(width))
        net.add_module(f"hidden{i}", nn.Sigmoid())
        inputs = width
    net.add_module("classifier", nn.Linear(inputs, classes))
    net.watched = [f"hidden{i}" for i in range(1, depth + 1)]
    return net
