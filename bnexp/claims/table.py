"""§4.1 over a whole table of learning rates and initial scales.

The paper shows one setting and does not give its learning rate, and one setting alone can show any gap one likes;
so the claims of Figure 1(a) are judged here at every learning rate at which the network without BN has a chance, at
every initial scale, and with each arm at its own best; and how much of the table trains is a claim of its own. The
largest scale was added, when the outcome of the others was known, until BN's best was inside: it only serves to choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.colors import CenteredNorm, LogNorm, Normalize
from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.lr_tolerance import NEAR
from bnexp.claims.speed import steps_to
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.arms import mean
from bnexp.judging.claim import BN, PLAIN, Claim, Of, Paper, Quantity, Rule
from bnexp.judging.claim import SMALLEST as SMALLEST_OF
from bnexp.judging.matching import having, judged
from bnexp.judging.measures import TRAINS, final_accuracy, length, share_that_trains, steps_of
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

TARGET = 0.9
"""Test accuracy of which the steps are compared: more is out of reach of many cells in a table's shorter runs."""

FAIR = {"lr": Of("among", (0.1, 0.3, 1.0, 3.0)), "init.scale": Of("among", (0.05, 0.1, 0.2, 0.4))}
"""Rates at which plain networks train from some initial weights; scales of which nothing was known when chosen."""

SCALE = "Initial scale: standard deviation of the Gaussian from which the weights are drawn."

PAPER = "One setting is shown, its learning rate not given; there the curve with BN "

COARSE = 0.05
"""The smallest share of the table that counts, above one of its cells."""

SHORT = {"steps": SMALLEST_OF}
"""The runs of the table; those at the chosen settings are as long as the paper's."""

CELL = ("data.binarize", "lr", "init.scale")

NOT_TRIED = Paper("Not tried; both networks are shown at one setting, its learning rate not given.")
BEST = "With each network at the learning rate and initial scale that suit it best, "

CLAIMS = [
    Claim(
        id="table-accuracy",
        source="§4.1, Figure 1(a)",
        sentence="At every learning rate from 0.1 to 3 and every initial scale from 0.05 to 0.4, networks with BN end "
        "higher within {epochs}.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST, universal=True),
        paper=Paper(f"{PAPER}ends above the other."),
        among={**FAIR, **SHORT},
        cells=CELL,
    ),
    *(
        Claim(
            id=f"table-trains{suffix}",
            source="abstract, §1",
            sentence=f"{which} more train with BN within {{epochs}} (at least {percent(TRAINS)}), on grey images and "
            "on binary ones.",
            quantity=Quantity("share of the table that trains", share_that_trains, "share", over=("lr", "init.scale")),
            rule=Rule("difference", COARSE, universal=True),
            paper=Paper("Higher rates, and less care about initialisation; no number is given."),
            among={**which_of, **SHORT},
            cells=("data.binarize",),
        )
        for suffix, which, which_of in (
            (
                "",
                "Of all learning rates tried, which go on to where nothing trains without BN, and initial scales from "
                "0.05 to 0.4,",
                {"init.scale": FAIR["init.scale"]},
            ),
            ("-fair", "Of the learning rates from 0.1 to 3 and the initial scales from 0.05 to 0.4, too,", FAIR),
        )
    ),
    Claim(
        id=f"table-steps-{100 * TARGET:.0f}",
        source="§4.1, Figure 1(a)",
        sentence="At every learning rate from 0.1 to 3 and every initial scale from 0.05 to 0.4, networks with BN "
        f"reach {percent(TARGET)} test accuracy in fewer steps.",
        quantity=steps_to(TARGET),
        rule=Rule("time", less=True, universal=True),
        paper=Paper(f"{PAPER}rises earlier and faster."),
        among={**FAIR, **SHORT},
        cells=CELL,
    ),
    *(
        Claim(
            id=f"table-own-best{suffix}",
            source="§4.1, Figure 1(a)",
            sentence=f"{BEST}within {{epochs}}, the network with BN ends at a higher test accuracy ({images} images).",
            quantity=ACCURACY,
            rule=Rule("difference", SMALLEST),
            paper=NOT_TRIED,
            among={"data.binarize": images == "binary"},
            selected=("lr", "init.scale"),
            primary=images == "binary",
        )
        for suffix, images in (("-binary", "binary"), ("", "grey"))
    ),
    *(
        Claim(
            id=f"table-own-best-steps-{100 * target:.0f}{suffix}",
            source="§4.1, Figure 1(a)",
            sentence=f"{BEST}the network with BN reaches {percent(target)} test accuracy in fewer steps ({images} "
            "images).",
            quantity=steps_to(target),
            rule=Rule("time", less=True),
            paper=NOT_TRIED,
            among={"data.binarize": images == "binary"},
            selected=("lr", "init.scale"),
        )
        for target in (TARGET, NEAR)
        for suffix, images in (("-binary", "binary"), ("", "grey"))
    ),
]

SHOWN = {
    "table_accuracy": ("table-trains", "table-trains-fair", "table-own-best-binary"),
    "table_difference": ("table-accuracy",),
    "table_steps": ("table-steps-90",),
}


def figures(records: Records) -> dict[str, Figure]:
    """`table_accuracy`: both arms; `table_difference`; `table_steps`: the ratio of steps."""
    table = records.of(having(judged(records.runs), SHORT))
    if not table.runs:
        return {}
    axes = "init.scale", "lr"
    made = {
        "table_accuracy": plots.heat_maps(
            table,
            "Final test accuracy over learning rates and initial scales",
            f"{SCALE} Percent, mean over the seeds; a run that diverged counts as chance.",
            *axes,
            lambda runs: mean(map(final_accuracy, runs)),
            Layout("norm", "data.binarize"),
            Normalize(0.94, 0.985),
            lambda v: f"{100 * v:.1f}",
        )
    }
    both = Layout(columns="data.binarize")
    if {run.norm for run in table.runs} >= {PLAIN, BN}:
        made["table_difference"] = plots.heat_maps(
            table,
            "What BN adds to the final test accuracy",
            f"{SCALE} With minus without BN, percentage points, means over the seeds.",
            *axes,
            lambda runs: _difference(runs, final_accuracy),
            both,
            CenteredNorm(0, 0.02),
            lambda v: f"{100 * v:+.2f}".replace("-", "−"),
            "PuOr",
        )
        made["table_steps"] = plots.heat_maps(
            table,
            f"Steps to {percent(TARGET)} test accuracy: without BN divided by with BN",
            f"{SCALE} Geometric means over the seeds; above 1, BN needs fewer. The last step stands in for a run that "
            "does not get there.",
            *axes,
            lambda runs: math.exp(-_difference(runs, lambda run: math.log(steps_of(run, TARGET) or length(run)))),
            both,
            LogNorm(0.02, 50),
            lambda v: f"{v:.2g}",
            "PuOr",
        )
    return made


def _difference(runs: Sequence[Record], measure: Callable[[Record], float]) -> float:
    """With minus without BN, means over the seeds; NaN where an arm is missing."""
    means = [mean(map(measure, having(runs, {"norm": norm}))) for norm in (BN, PLAIN)]
    return means[0] - means[1]
