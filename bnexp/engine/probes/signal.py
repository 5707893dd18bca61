"""What becomes of signals on their way up, and of weights over the training."""

from __future__ import annotations

import torch
from torch import Tensor

from bnexp.engine.probes.moment import Moment, Probe

STEP = 0.01
"""Length of a random change of the weights, in their own."""

THRESHOLD = 0.01
"""Of the mean eigenvalue, from which on a direction counts for the rank (Daneshmand et al. 2020 take one, too)."""


class Weights(Probe):
    """`weight_norm/…`: the length of the weights in front of each nonlinearity (§3.3)."""

    def measure(self, moment: Moment) -> dict[str, float]:
        return {f"weight_norm/{label}": float(moment.before[name].norm()) for label, name in moment.weights.items()}


class Signal(Probe):
    """The inputs of the nonlinearities over reference mini-batches, in training.

    `scale/…` is their root mean square; `rank/…` in how many directions they lie, uncentred; `sensitivity/…` by which
    part of their length they change when all weights change at random by a hundredth of theirs.
    """

    @torch.no_grad()
    def measure(self, moment: Moment) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        changed = dict(moment.before)
        for name in dict.fromkeys(moment.weights.values()):
            weight = moment.before[name]
            change = torch.randn(weight.shape, generator=generator).to(weight)
            changed[name] = weight + STEP * weight.norm() / change.norm() * change
        batches = list(moment.batches())
        seen, other = (
            [moment.inputs(batch, tensors, training=True) for batch in batches] for tensors in (moment.before, changed)
        )
        measured = {}
        for label in moment.layers:
            u, v = (torch.cat([part[label] for part in parts]) for parts in (seen, other))
            measured[f"scale/{label}"] = float(u.square().mean().sqrt())
            measured[f"rank/{label}"] = rank(u)
            measured[f"sensitivity/{label}"] = float((v - u).norm() / u.norm())
        return measured


def rank(u: Tensor) -> float:
    """The eigenvalues of the second moments of `[E, units]` that are at least a hundredth of their mean."""
    moments = u.T.double() @ u.double()
    if not moments.isfinite().all():
        return float("nan")
    eigenvalues = torch.linalg.eigvalsh(moments)
    return float((eigenvalues >= THRESHOLD * eigenvalues.mean()).sum())
