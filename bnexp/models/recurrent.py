"""Recurrent networks that read an image in time steps (§5), with norms of their own at every one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.config import ConfigError
from bnexp.norms import BatchNorm, NormFactory

FORGETS = 1.0
"""Added to the forget gate before its sigmoid, so that it begins open."""


class Norms(nn.ModuleList):
    """A norm for each time step, of statistics of its own; γ, `gamma` at first, and β are those of the first."""

    def __init__(self, norm: NormFactory, features: int, steps: int, gamma: float) -> None:
        first, *others = made = [norm(features) for _ in range(steps)]
        super().__init__(made)
        if isinstance(first, BatchNorm) and "gamma" in dict(first.named_parameters()):
            nn.init.constant_(first.gamma, gamma)
        for other in others:
            for name, p in list(first.named_parameters()):
                path, _, last = name.rpartition(".")
                setattr(other.get_submodule(path), last, p)


class Recurrent(nn.Module):
    """Reads the rows of images `[batch, 1, height, width]`, or their pixels, and maps the last state to logits.

    The cell is `tanh`, h = tanh(N(Wx) + N(Uh)), or `lstm`, with N(c) where the output gate opens. Norms N are on the
    `inputs`, Wx, alone, or on `all`. Pixels are those of images of half the size, mean over four.
    Source: Cooijmans et al. 2016, §3.
    """

    watched = ("hidden",)

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int,
        classes: int,
        norm: NormFactory,
        cell: str,
        scan: str,
        normed: str,
        gamma: float,
    ) -> None:
        super().__init__()
        colours, height, across = shape
        if colours != 1:
            raise ConfigError(
                f"model=recurrent reads grey images, and these have {colours} colours: take another model"
            )
        self.scan = scan
        self.lstm = cell == "lstm"
        steps, inputs = (height, across) if scan == "rows" else (height // 2 * (across // 2), 1)
        wide = 4 * width if self.lstm else width
        self.input_norms = Norms(norm, wide, steps, gamma)
        replaced = getattr(self.input_norms[0], "replaces_bias", False)
        self.of_input = nn.Linear(inputs, wide, bias=not replaced)
        self.of_state = nn.Linear(width, wide, bias=False)
        self.state_norms = Norms(norm, wide, steps, gamma) if normed == "all" else None
        self.cell_norms = Norms(norm, width, steps, gamma) if normed == "all" and self.lstm else None
        self.hidden = nn.Tanh()
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, 0] if self.scan == "rows" else functional.avg_pool2d(x, 2).flatten(1).unsqueeze(-1)
        from_input = self.of_input(x)  # [batch, steps, units]
        last = x.shape[1] - 1
        state = cell = x.new_zeros(len(x), self.of_state.in_features)
        for t in range(last + 1):
            z = self.input_norms[t](from_input[:, t])
            if t:
                u = self.of_state(state)
                z = z + (u if self.state_norms is None else self.state_norms[t](u))
            squash = self.hidden if t == last else torch.tanh
            if not self.lstm:
                state = squash(z)
                continue
            into, forget, new, out = z.chunk(4, 1)
            cell = torch.sigmoid(forget + FORGETS) * cell + torch.sigmoid(into) * torch.tanh(new)
            shown = cell if self.cell_norms is None else self.cell_norms[t](cell)
            state = torch.sigmoid(out) * squash(shown)
        logits: Tensor = self.classifier(state)
        return logits
