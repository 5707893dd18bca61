"""§3.2: which is more Gaussian, what goes into a nonlinearity or what comes out of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bnexp.engine.probes.moment import Moment, Probe
from bnexp.engine.probes.shift import TINY


class Gaussian(Probe):
    """How far the inputs and the outputs of each nonlinearity are from normal distributions, at inference.

    `skew_in/…`, `skew_out/…`: the size of the skewness over many images, `tails_in/…`, `tails_out/…` that of the excess
    kurtosis; medians over the units that are not constant, for units that seldom answer have any. BN in front changes
    neither of the inputs'.
    """

    @torch.no_grad()
    def measure(self, moment: Moment) -> dict[str, float]:
        measured = {}
        for label, u in moment.inputs(moment.many, moment.before, training=False).items():
            for which, values in (("in", u), ("out", moment.network.get_submodule(moment.layers[label])(u))):
                skewness, kurtosis = shape(values)
                measured[f"skew_{which}/{label}"] = skewness
                measured[f"tails_{which}/{label}"] = kurtosis
        return measured


def shape(x: Tensor) -> tuple[float, float]:
    """The median sizes of skewness and excess kurtosis of the units of `[E, units]`; NaN where all are constant."""
    spread = x.std(0, correction=0)
    alive = spread > TINY
    if not alive.any():
        return math.nan, math.nan
    z = (x - x.mean(0))[:, alive] / spread[alive]
    return float((z**3).mean(0).abs().median()), float(((z**4).mean(0) - 3).abs().median())
