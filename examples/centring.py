"""A first lesson: it subtracts the mini-batch's mean, at inference, too, so that an example depends on its companions.

`bnexp judge --contract centring.py` says what is wrong with it and what to do.
"""

import torch
from torch import nn


class Centring(nn.Module):
    replaces_bias = True

    def __init__(self, features):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(features))

    def forward(self, x):
        over = (0, *range(2, x.dim()))
        return x - x.mean(over, keepdim=True) + self.shift.view(-1, *(1,) * (x.dim() - 2))
