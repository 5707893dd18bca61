"""De & Smith 2020: in residual networks BN makes blocks begin near the identity, and a factor of 0 does as much.

Deep residual ReLU networks without BN, with it, and with SkipInit: a learnt factor on every branch, 0 at first. Each is
at its own best learning rate. Branches are an affine map, BN and ReLU; nothing normalises the sum, which grows with the
depth.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.lr_tolerance import NEAR
from bnexp.claims.mechanisms import ALIKE
from bnexp.claims.speed import steps_to
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

SOURCE = "De & Smith 2020"
SKIP, NONE = {"norm": PLAIN, "model.skip_init": True}, {"norm": PLAIN, "model.skip_init": None}
PAPER = Paper("Residual networks came later.", outside="Wide ResNets on CIFAR-10 as accurate (De & Smith 2020)")


def last_branch(run: Record) -> float:
    """At step 0, the root mean square of the last residual branch in that of what it is added to."""
    return float(run.metrics[f"branch/add{run.value('model.depth')}"].iloc[0])


CLAIMS = [
    Claim(
        "skip-init-steps",
        SOURCE,
        f"At each one's own best rate, SkipInit reaches {percent(NEAR)} in at most {ALIKE:g} times the steps of BN, in "
        "front of the ReLU of every branch.",
        steps_to(NEAR),
        Rule("no_worse", math.log(ALIKE), less=True),
        PAPER,
        SKIP,
        {"norm": TREATED},
        selected=("lr",),
        primary=True,
    ),
    Claim(
        "skip-init-accuracy",
        SOURCE,
        "Within {epochs}, at each one's own best rate, SkipInit ends no lower than BN, in front of the ReLU "
        "of every branch.",
        ACCURACY,
        Rule("no_worse", 3 * SMALLEST),
        PAPER,
        SKIP,
        {"norm": TREATED},
        selected=("lr",),
        primary=True,
    ),
    Claim(
        "skip-init-needed",
        SOURCE,
        f"At each one's own best rate, SkipInit reaches {percent(NEAR)} in fewer steps than neither.",
        steps_to(NEAR),
        Rule("time", less=True),
        PAPER,
        SKIP,
        NONE,
        selected=("lr",),
        control=Control(
            "As many steps with neither would say that such a network needs no help.",
            guards=("skip-init-steps", "skip-init-accuracy"),
        ),
    ),
    Claim(
        "branch-smaller",
        SOURCE,
        "Before any training, the last residual branch is smaller beside what it is added to with BN than without.",
        Quantity("last branch, of what it is added to", of_run(last_branch), "ratio"),
        Rule("difference", less=True),
        Paper("Not in the paper.", outside="With BN about 1/√depth, without about 1 (De & Smith 2020)"),
        reference=NONE,
        among={"lr": 0.1},
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`skip_init`: test accuracy, each at its own best rate."""
    title = "Test accuracy of deep residual networks without a norm, with BN, and with SkipInit"
    layout = Layout(arm=lambda run: "SkipInit" if run.value("model.skip_init") else run.norm)
    return plots.curves_at_best(records, "skip_init", ("norm", "model.skip_init"), title, layout, NEAR)
