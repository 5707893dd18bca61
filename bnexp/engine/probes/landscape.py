"""How smooth the loss is along the step that is made (Santurkar et al. 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bnexp.engine.probes.moment import Moment, Probe

PARTS = (0.5, 1.0, 2.0, 4.0)
"""Of the step, how far the loss is looked at."""


class Landscape(Probe):
    """The loss and its gradient along the step, on its mini-batch, up to four times as far as the step goes.

    `loss_range` is the range of the loss (nats), `gradient_change` the largest change of the gradient in lengths of
    that before the step, and `smoothness` the largest change of the gradient by length of the way, the effective β.
    Where they are infinite further on, they are of the part of the way up to there.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        unknown = dict.fromkeys(("loss_range", "gradient_change", "smoothness"), math.nan)
        if moment.after is None:
            return unknown
        start = moment.parameters
        way = {name: moment.after[name] - p for name, p in start.items()}
        length = _norm(way)
        loss, every = moment.start
        gradient = {name: every[name] for name in start}
        losses, changes = [loss], []
        for part in PARTS:
            there = {name: p + part * way[name] for name, p in start.items()}
            far_loss, far = moment.gradient({**moment.before, **there}, start)
            change = _norm({name: far[name] - g for name, g in gradient.items()})
            if not (math.isfinite(far_loss) and math.isfinite(change)):
                break
            losses.append(far_loss)
            changes.append(change)
        if not changes or not math.isfinite(loss):
            return unknown
        return {
            "loss_range": max(losses) - min(losses),
            "gradient_change": max(changes) / _norm(gradient),
            "smoothness": max(change / (part * length) for change, part in zip(changes, PARTS, strict=False)),
        }


def _norm(tensors: dict[str, Tensor]) -> float:
    """Of all of them as one vector, never 0."""
    return max(float(torch.stack([t.norm() for t in tensors.values()]).norm()), 1e-38)
