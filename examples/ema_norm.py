"""Normalisation by moving averages that are kept in buffers, with a straight way for the gradient.

It keeps the contract: what it remembers is in buffers, updated in training alone, and an example is alone at inference.
"""

import torch
from torch import nn


class EMANorm(nn.Module):
    replaces_bias = True

    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.gain = nn.Parameter(torch.ones(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("var", torch.ones(features))

    def forward(self, x):
        places = (-1, *(1,) * (x.dim() - 2))
        if self.training:
            over = (0, *range(2, x.dim()))
            var, mean = torch.var_mean(x.detach(), over, correction=0)
            self.mean = torch.lerp(self.mean, mean.to(self.mean), self.momentum)
            self.var = torch.lerp(self.var, var.to(self.var), self.momentum)
        x = (x - self.mean.view(places)) * torch.rsqrt(self.var + self.eps).view(places)
        return x * self.gain.view(places) + self.shift.view(places)
