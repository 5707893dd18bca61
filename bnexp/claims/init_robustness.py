"""Abstract, §1: with BN, less care is needed in initialisation.

Care is what it costs to choose badly: how much the final test accuracy spreads over initial schemes and scales; where
that is little, beyond what runs that differ in nothing but the seed do. The control is each arm at its own best choice:
it tells saved care from better networks. And at which scales a network trains at all, at one learning rate.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import LARGEST, Claim, Of, Paper, Quantity, Rule
from bnexp.judging.measures import (
    TRAINS,
    common_chance,
    final_accuracy,
    share_that_trains,
    spread,
    trains,
    variance_beyond_noise,
)
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

COARSE = 0.01
"""A point: the smallest difference that counts where hopeless choices are among the settings."""

GOOD_SCHEMES = ("xavier", "he", "orthogonal")
"""The schemes that are recommended, at their own scale."""

INIT = ("init.scheme", "init.scale")
SOURCE = "abstract, §1"
PAPER = Paper("BN lets us be less careful about initialisation; no number is given.")

SPREAD = Quantity("standard deviation of the final accuracy over the initial weights", spread, over=INIT)
VARIANCE = Quantity(
    "variance of the final accuracy over the initial weights, beyond the seeds'",
    variance_beyond_noise,
    "square points",
    over=INIT,
    pooled=True,
)
SHARE = Quantity("share of the initial weights that trains", share_that_trains, "share", over=INIT)


def trains_at_all(runs: Sequence[Record]) -> float:
    """1 where the run trains."""
    (run,) = runs
    return float(trains(run))


def _trains(identity: str, words: str, scale: Any) -> Claim:
    """Of networks with BN from Gaussian weights of one scale."""
    return Claim(
        id=f"init-{identity}-trains",
        source="§3.3",
        sentence=f"Within {{epochs}}, with BN, networks whose weights, the last layer's among them, which has no BN, "
        f"{words} (to {percent(TRAINS)}, at one learning rate of 0.3).",
        quantity=Quantity("networks that train", trains_at_all, "share"),
        rule=Rule("rate"),
        paper=Paper("The scale a of the weights does not matter to a BN layer, and its gradients are 1/a as large."),
        reference=None,
        among={"init.scheme": "gaussian", "init.scale": scale},
        cells=("model.activation",),
    )


CLAIMS = [
    Claim(
        id="init-spread",
        source=SOURCE,
        sentence="Within {epochs} at a learning rate of 0.3, the accuracy depends less on the initial scheme and scale "
        "(from hopeless to recommended ones) with BN, whatever the nonlinearity.",
        quantity=SPREAD,
        rule=Rule("difference", COARSE, less=True, universal=True),
        paper=PAPER,
        cells=("model.activation",),
        primary=True,
    ),
    Claim(
        id="init-share",
        source=SOURCE,
        sentence="Within {epochs} at a learning rate of 0.3, of initial schemes with factors, or standard deviations, "
        f"from 0.001 to 10 more train with BN (at least {percent(TRAINS)}), whatever the nonlinearity.",
        quantity=SHARE,
        rule=Rule("difference", COARSE, universal=True),
        paper=PAPER,
        cells=("model.activation",),
        primary=True,
    ),
    Claim(
        id="init-schemes",
        source=SOURCE,
        sentence="Within {epochs}, the accuracy depends less on which recommended scheme is taken (Xavier, He, "
        "orthogonal) with BN.",
        quantity=VARIANCE,
        rule=Rule("difference", (100 * SMALLEST) ** 2, less=True),
        paper=PAPER,
        among={"init.scheme": Of("among", GOOD_SCHEMES), "init.scale": 1},
        cells=("model.activation",),
    ),
    Claim(
        id="init-own-best",
        source=SOURCE,
        sentence="Within {epochs}, at a learning rate of 0.3, each at its own best initial scheme and scale, networks "
        "end at a higher accuracy with BN, on average over three nonlinearities.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        paper=Paper("Not tried."),
        cells=("model.activation",),
        selected=INIT,
    ),
    _trains("large", "are drawn with standard deviation 1 train", 1),
    _trains("huge", "are drawn with the largest standard deviation tried train, too", LARGEST),
]


def figures(records: Records) -> dict[str, Figure]:
    """`init_accuracy`: the final accuracy of every scheme and scale."""
    if not records.runs:
        return {}
    return {
        "init_accuracy": plots.heat_maps(
            records,
            "Final test accuracy over initial schemes and scales",
            "Percent, mean over the seeds; a run that diverged counts as chance. The scale is the standard deviation "
            "for gaussian, a factor on the scheme's own for the others.",
            "init.scale",
            "init.scheme",
            lambda runs: statistics.fmean(map(final_accuracy, runs)),
            Layout("norm", "model.activation"),
            Normalize(common_chance(records.runs), 1),
            lambda v: f"{100 * v:.0f}",
        )
    }
