"""§3.3: the singular values of layer Jacobians between normalised inputs."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from bnexp.engine.probes.moment import Moment, Probe, middle

EXAMPLES = 4
SMALLEST = 1e-6
"""Of the largest singular value, below which one is that of a unit which lets nothing through."""


class Jacobian(Probe):
    """The Jacobian from the inputs of each nonlinearity to those of the next, at inference.

    Both are taken in standard deviations over the reference images, with BN and without. `jacobian_median/…` is the
    decimal logarithm of the singular values' median, `jacobian_spread/…` their logarithms' standard deviation, both of
    those that are not 0; `jacobian_unequal/…` the standard deviation of all of them over their root mean square, and so
    with those that are 0. Means over examples; of feature maps, from the middle to the middle.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        spreads = {label: u.std(0) for label, u in moment.at_rest.items()}
        with torch.enable_grad():
            tensors = {name: t.detach().requires_grad_(t.is_floating_point()) for name, t in moment.before.items()}
            seen = moment.whole_inputs(moment.reference[:EXAMPLES], tensors, False)
            measured = {}
            for (above, u), (label, v) in itertools.pairwise(seen.items()):
                jacobian = between(u, middle(v))  # [E, units of v, units of u]
                alive = spreads[label] > 0, spreads[above] > 0
                scaled = jacobian * spreads[above] / spreads[label][:, None]
                median, spread = told(scaled[:, alive[0]][:, :, alive[1]])
                measured[f"jacobian_median/{label}"] = median
                measured[f"jacobian_spread/{label}"] = spread
                measured[f"jacobian_unequal/{label}"] = unequal(scaled[:, alive[0]][:, :, alive[1]])
        return measured


def between(u: Tensor, v: Tensor) -> Tensor:
    """∂v/∂u in the middle of u's feature maps, `[E, units of v, units of u]`; examples do not mix."""
    ones = torch.eye(v.shape[1], dtype=v.dtype, device=v.device)[:, None].expand(-1, len(v), -1)
    (rows,) = torch.autograd.grad(v, u, ones, is_grads_batched=True, retain_graph=True, allow_unused=True)
    if rows is None:  # they lie side by side
        return v.new_zeros(len(v), v.shape[1], middle(u).shape[1])
    return torch.stack([middle(row) for row in rows], 1).detach()


def told(jacobian: Tensor) -> tuple[float, float]:
    """Median and standard deviation of the decimal logarithms of the singular values, `[E, rows, columns]`."""
    if not (jacobian.numel() and jacobian.isfinite().all()):
        return math.nan, math.nan
    medians, spreads = [], []
    for values in torch.linalg.svdvals(jacobian):
        logs = values[values > SMALLEST * values[0]].log10()
        if len(logs) > 1:
            medians.append(float(logs.median()))
            spreads.append(float(logs.std()))
    return _mean(medians), _mean(spreads)


def unequal(jacobian: Tensor) -> float:
    """The standard deviation of the singular values over their root mean square, 0 where all are equal; at most 1.

    Mean over the examples in which not all of them are 0; NaN where there is none.
    """
    if not (jacobian.numel() and jacobian.isfinite().all()):
        return math.nan
    values = torch.linalg.svdvals(jacobian)
    squares = values.square().mean(-1)
    apart = (squares - values.mean(-1).square()).clamp(min=0)
    alive = squares > 0
    return float((apart[alive] / squares[alive]).sqrt().mean())


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
