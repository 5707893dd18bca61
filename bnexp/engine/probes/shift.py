"""Covariate shift by two definitions: how the distributions of inputs move, and how a layer's gradient does."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bnexp.engine.probes.moment import Moment, Probe

TINY = 1e-9
"""Spread below which a unit is taken to be constant, and left out."""


class InputShift(Probe):
    """How far the inputs of each layer have moved since the measurement before (§2: internal covariate shift).

    `moved_mean/…` and `moved_w1/…` (Wasserstein-1) in widths of the unit's distribution, `moved_spread/…` the size of
    the logarithm of the spreads' quotient: means over the units. They are of the inputs of the nonlinearities, behind
    BN; `…_fed/…` of the inputs of the affine maps in front of these, but for the images, and `…_front/…` of the outputs
    of these maps, in front of BN. `…_tr/…` are of the network in training, on one mini-batch of the reference, all
    others of that at inference, on all of it. Population statistics are those of the reference: of mini-batches drawn
    anew they would seem to move where no weight does. NaN at the first.
    """

    @torch.no_grad()
    def measure(self, moment: Moment) -> dict[str, float]:
        entering, fed, front = moment.around(moment.reference, moment.adapted(moment.reference))
        first = next(iter(moment.layers))
        seen = {
            "": entering,
            "_fed": {label: u for label, u in fed.items() if label != first},
            "_front": front,
            "_tr": moment.inputs(next(moment.batches()), moment.before, training=True),
        }
        measured = {}
        for network, layers in seen.items():
            for label, u in layers.items():
                now, key = u.sort(0).values, f"{label}{network}"
                for what, value in moved(self.kept.get(key), now).items():
                    measured[f"moved_{what}{network}/{label}"] = value
                self.kept[key] = now
        return measured


def moved(before: Tensor | None, now: Tensor) -> dict[str, float]:
    """The distances between two samples `[E, units]`, each unit's in order; means over units constant in neither."""
    if before is None:
        return dict.fromkeys(("mean", "spread", "w1"), math.nan)
    old, new = before.std(0), now.std(0)
    width, alive = (old + new) / 2, (old > TINY) & (new > TINY)
    distances = {
        "mean": (now.mean(0) - before.mean(0)).abs() / width,
        "spread": (new / old).log().abs(),
        "w1": (now - before).abs().mean(0) / width,
    }
    return {what: float(distance[alive].mean()) for what, distance in distances.items()}


class GradientShift(Probe):
    """How a layer's gradient changes when the layers below it have made their step (Santurkar et al. 2018).

    `moved_gradient/…` is the length of the change in lengths of the gradient before, `turned_gradient/…` the angle
    between the two, in degrees; on the mini-batch of the step. The first layer has none below.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        below = [label for label in list(moment.layers)[1:] if label in moment.weights]
        if moment.after is None:
            return {f"{what}_gradient/{label}": math.nan for label in below for what in ("moved", "turned")}
        _, before = moment.start
        names = list(before)
        measured = {}
        for label in below:
            weight = moment.weights[label]
            stepped = {name: moment.after[name] for name in names[: names.index(weight)]}
            _, after = moment.gradient({**moment.before, **stepped}, [weight])
            old, new = before[weight].flatten().double(), after[weight].flatten().double()  # small angles need it
            measured[f"moved_gradient/{label}"] = float((new - old).norm() / old.norm())
            cosine = float(torch.dot(new, old) / (new.norm() * old.norm()))
            known = math.isfinite(cosine)
            angle = math.degrees(math.acos(max(-1.0, min(1.0, cosine)))) if known else math.nan
            measured[f"turned_gradient/{label}"] = angle
        return measured
