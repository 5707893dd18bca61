"""Marchenko and Pastur 1967: what singular values of layer Jacobians are before training, where theory knows them."""

from __future__ import annotations

from bnexp.claims.jacobian import MEASURES, spread_at_first
from bnexp.judging.claim import PLAIN, Claim, Control, Paper, Quantity, Rule, of_run

SPREAD, OFF = 0.19, 0.02
"""Decades by which the singular values of a square Gaussian matrix spread, half of whose columns are left; and what
they may be off by in a layer of 100 units, of which not quite half are."""

CLAIMS = [
    Claim(
        "jacobian-random",
        "own check",
        "Before the first step, without BN, the logarithms of the singular values of a ReLU network's layer Jacobians "
        f"spread by {SPREAD:g} decades, as those of random matrices do.",
        Quantity("spread of the singular values' logarithms at step 0", of_run(spread_at_first), "decades"),
        Rule("equals", OFF, target=SPREAD),
        Paper("Not said; half of the units of a layer with He's weights let their input through."),
        {"norm": PLAIN},
        None,
        among={"model.activation": "relu"},
        control=Control(
            "Another spread would say that it is not singular values of layer Jacobians that are measured.",
            guards=tuple(f"jacobian-{identity}" for identity in MEASURES),
        ),
    )
]
