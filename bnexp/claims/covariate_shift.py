"""§1, §2: BN reduces internal covariate shift, by each of the definitions that there are.

The paper's is that the distribution of a layer's inputs moves as the layers below learn; Santurkar et al. 2018 measure
how a layer's gradient changes when the layers below have made their step, and find no less of it. Larger steps move
everything further, so both networks are at the rate that suits the one without BN best; each at its own is beside it.
All are means over the layers and over evenly spaced steps, after the first tenth of them. Behind BN the inputs' mean
and width are β and γ, so there only these and the shape can move.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS, RATES
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, Claim, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import probed
from bnexp.runs.records import Records

SHOWS_TUNING = True

LESS = Paper(
    "Internal covariate shift is reduced; no number is given.", outside="Reduced, and useful (Awais et al. 2020)"
)
AS_MUCH = Paper("Not measured.", outside="Not reduced in VGG and deep linear networks (Santurkar et al. 2018)")

SHIFTS = {
    "mean": ("moved_mean", "the means of the inputs move less, in widths of their distributions", LESS),
    "spread": ("moved_spread", "the spreads of the inputs change less", LESS),
    "w1": ("moved_w1", "the distributions of the inputs move less (Wasserstein-1, in widths)", LESS),
    "mean-training": ("moved_mean_tr", "the means of the inputs in training move less, in widths", LESS),
    "spread-training": ("moved_spread_tr", "the spreads of the inputs in training change less", LESS),
    "w1-training": (
        "moved_w1_tr",
        "the distributions of the inputs in training move less (Wasserstein-1, in widths)",
        LESS,
    ),
    "gradient": (
        "moved_gradient",
        "a layer's gradient changes less when the layers below have made their step",
        AS_MUCH,
    ),
    "direction": (
        "turned_gradient",
        "a layer's gradient turns less when the layers below have made their step",
        AS_MUCH,
    ),
}
"""By claim, the probe's metric and what is said."""

COUNTS = math.log(1.25)
"""Of ratios, the smallest difference that counts: a quarter more."""


CLAIMS = [
    Claim(
        f"shift-{identity}{'-own' * own}",
        "§1, §2" if paper is LESS else "Santurkar et al. 2018",
        f"With BN, {words}, {RATES[own]}, whatever the nonlinearity.",
        Quantity(words.partition(",")[0], of_run(probed(metric, ratio=True)), "ratio"),
        Rule("difference", COUNTS, less=True, universal=True),
        paper,
        cells=CELLS,
        selected=("lr",),
        best_of=None if own else {"norm": PLAIN},
        primary=identity in ("w1", "gradient") and not own,
    )
    for own in (False, True)
    for identity, (metric, words, paper) in SHIFTS.items()
]


def figures(records: Records) -> dict[str, Figure]:
    """`shift`: each definition, a dot a run."""
    return plots.probes_of(
        records,
        "shift",
        "Covariate shift by each definition",
        {
            "inputs, W1 in widths": probed("moved_w1"),
            "inputs in training": probed("moved_w1_tr"),
            "gradient, relative": probed("moved_gradient"),
        },
    )
