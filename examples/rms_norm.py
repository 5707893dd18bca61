"""RMS norm (Zhang & Sennrich 2019): each example's features divided by their root mean square, and a gain for each."""

import torch
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, features, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(features))

    def forward(self, x):
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + self.eps)
        return x * self.gain.view(-1, *(1,) * (x.dim() - 2))
