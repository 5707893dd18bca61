"""What becomes of signals on their way up, and of weights over the training."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from bnexp.engine.probes.moment import Moment, Probe
from bnexp.models import Add

STEP = 0.01
"""Length of a random change of the weights, in their own."""

THRESHOLD = 0.01
"""Of the mean eigenvalue, from which on a direction counts for the rank (Daneshmand et al. 2020 take one, too)."""


class Weights(Probe):
    """`weight_norm/…`, the length of the weights in front of each nonlinearity (§3.3); `bias_norm/…`, of their biases.

    Where there are no biases their length is 0.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        measured = {}
        for label, name in moment.weights.items():
            bias = moment.before.get(f"{name.removesuffix('weight')}bias")
            measured[f"weight_norm/{label}"] = float(moment.before[name].norm())
            measured[f"bias_norm/{label}"] = 0.0 if bias is None else float(bias.norm())
        return measured


class Signal(Probe):
    """The inputs of the nonlinearities over reference mini-batches, in training.

    `scale/…` is their root mean square; `rank/…` in how many directions they lie, uncentred; `sensitivity/…` by which
    part of their width, their length about the mean over the examples, they change when all weights change at random
    by a hundredth of theirs; and `branch/…`, by residual connection, the root mean square of the branch in that of what
    it is added to.
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
        branches: dict[str, list[float]] = {}
        with _watching_branches(moment, branches):
            for batch in batches:
                moment.logits(batch, moment.before)
        seen, other = (
            [moment.inputs(batch, tensors, training=True) for batch in batches] for tensors in (moment.before, changed)
        )
        measured = {f"branch/{name}": statistics.fmean(values) for name, values in branches.items()}
        for label in moment.layers:
            u, v = (torch.cat([part[label] for part in parts]) for parts in (seen, other))
            measured[f"scale/{label}"] = float(u.square().mean().sqrt())
            measured[f"rank/{label}"] = rank(u)
            measured[f"sensitivity/{label}"] = float((v - u).norm() / (u - u.mean(0)).norm())
        return measured


@contextmanager
def _watching_branches(moment: Moment, seen: dict[str, list[float]]) -> Iterator[None]:
    def keep(name: str, layer: nn.Module, inputs: Sequence[Tensor]) -> None:
        branch, skip = inputs
        seen.setdefault(name, []).append(float((branch.square().mean() / skip.square().mean()).sqrt()))

    with ExitStack() as hooks:
        for name, layer in moment.network.named_modules():
            if isinstance(layer, Add):
                hooks.enter_context(layer.register_forward_pre_hook(functools.partial(keep, name)))
        yield


def rank(u: Tensor) -> float:
    """The eigenvalues of the second moments of `[E, units]` that are at least a hundredth of their mean."""
    moments = u.T.double() @ u.double()
    if not moments.isfinite().all():
        return float("nan")
    eigenvalues = torch.linalg.eigvalsh(moments)
    return float((eigenvalues >= THRESHOLD * eigenvalues.mean()).sum())
